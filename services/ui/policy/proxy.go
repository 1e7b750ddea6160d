package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/ui/mesh"
)

// side is where a proxy stands on the way of a request.
type side int

// A gateway's TLS is that of its servers: PeerAuthentications are for who is called.
const (
	besideServer side = iota
	atGateway
)

// proxyStages are what the proxies of Pods do with a request that comes in, in order.
func proxyStages(ix *mesh.Index, pods []*mesh.Pods, at side) []Stage {
	if len(pods) == 0 {
		return nil
	}
	policies := map[string][]*mesh.Object{}
	selects := map[*mesh.Object][]*mesh.Pods{}
	for o := range ix.In(pods[0].Cluster) {
		if o.Wiring.Policy == nil || o.Is(mesh.GroupNetworking, "DestinationRule") {
			continue
		}
		if o.Key.Kind == "PeerAuthentication" && at == atGateway {
			continue
		}
		selected := ix.Selects(o)
		if slices.ContainsFunc(pods, func(p *mesh.Pods) bool { return slices.Contains(selected, p) }) {
			policies[o.Key.Kind], selects[o] = append(policies[o.Key.Kind], o), selected
		}
	}
	var stages []Stage
	add := func(title, rule, kind string, order func(a, b *mesh.Object) int) {
		all := policies[kind]
		if len(all) == 0 {
			return
		}
		slices.SortFunc(all, func(a, b *mesh.Object) int { return cmp.Or(order(a, b), mesh.Older(a, b)) })
		s := Stage{Title: title, Rule: rule}
		for _, o := range all {
			s.Entries = append(s.Entries, entryOf(ix, o))
		}
		if kind == "PeerAuthentication" {
			decide(s.Entries, pods, func(entry int, p *mesh.Pods) bool { return slices.Contains(selects[all[entry]], p) })
		}
		stages = append(stages, s)
	}
	specific := func(a, b *mesh.Object) int { return rank(ix.ScopeOf(b)) - rank(ix.ScopeOf(a)) }
	add("Mutual TLS", "The most specific decides, of one level the oldest", "PeerAuthentication", specific)
	add("Envoy filters", "All apply: lowest priority first, then the root namespace's, then the oldest", "EnvoyFilter", func(a, b *mesh.Object) int {
		root := ix.RootNamespace(a.Ref.Cluster)
		return cmp.Or(a.Wiring.Policy.Priority-b.Wiring.Policy.Priority, first(b.Key.Namespace == root)-first(a.Key.Namespace == root))
	})
	add("Wasm plugins", "All apply: by phase, highest priority first", "WasmPlugin", func(a, b *mesh.Object) int {
		return cmp.Or(phase(a)-phase(b), b.Wiring.Policy.Priority-a.Wiring.Policy.Priority)
	})
	add("Tokens", "All apply together: a token of any issuer that is named is taken", "RequestAuthentication", specific)
	add("Authorization", "CUSTOM is asked first, then any DENY that matches refuses; where there is an ALLOW, one must match", "AuthorizationPolicy", func(a, b *mesh.Object) int {
		return cmp.Or(action(a)-action(b), specific(a, b))
	})
	add("Telemetry", "The most specific decides, field by field", "Telemetry", specific)
	return stages
}

func first(is bool) int {
	if is {
		return 1
	}
	return 0
}

func rank(s mesh.Scope) int {
	return slices.Index([]mesh.Scope{mesh.ScopeMesh, mesh.ScopeNamespace, mesh.ScopeWorkload}, s)
}

func phase(o *mesh.Object) int {
	i := slices.Index([]string{"AUTHN", "AUTHZ", "STATS"}, o.Wiring.Policy.Phase)
	if i < 0 {
		return 3
	}
	return i
}

func action(o *mesh.Object) int {
	return slices.Index([]string{"CUSTOM", "DENY", "ALLOW", "AUDIT"}, strings.ToUpper(o.Wiring.Policy.Action))
}

// decide marks the PeerAuthentications that decide for none of the Pods: another does for each that they select. One
// without a mode leaves it to the next.
func decide(entries []Entry, pods []*mesh.Pods, selects func(entry int, p *mesh.Pods) bool) {
	for i := range entries {
		entries[i].Overridden = true
	}
	for _, p := range pods {
		decided := false
		levels := map[mesh.Scope]bool{}
		for i := range entries {
			e := &entries[i]
			if decided || levels[e.Scope] || !selects(i, p) {
				continue
			}
			e.Overridden, levels[e.Scope] = false, true
			decided = e.Action != "UNSET"
		}
	}
}

// destinationStages are the DestinationRules by which clients in some namespaces call a backend.
func destinationStages(ix *mesh.Index, cluster string, to *mesh.Object, clients []string) []Stage {
	host := mesh.HostOf(to)
	if host == "" {
		return nil
	}
	root := ix.RootNamespace(cluster)
	var stages []Stage
	for _, client := range clients {
		var entries []Entry
		decided := false
		places := []string{client, to.Key.Namespace, root}
		if client == root {
			places = places[1:]
		}
		tried := map[string]bool{}
		for _, place := range places {
			if tried[place] {
				continue
			}
			tried[place] = true
			rules := destinationRules(ix, cluster, place, host, client)
			for _, o := range rules {
				e := entryOf(ix, o)
				e.Scope = ""
				e.Overridden = decided || len(entries) > 0 && o.Wiring.Hosts[0] != rules[0].Wiring.Hosts[0]
				entries = append(entries, e)
			}
			decided = decided || len(rules) > 0
		}
		if len(entries) > 0 {
			stages = append(stages, Stage{
				Title: "On the way, from " + client, Entries: entries,
				Rule: "The first of the client's, the service's and the root namespace that has a rule decides, there the most specific host",
			})
		}
	}
	return stages
}

// destinationRules returns those of a namespace that are for a host and that clients see, the most specific host first.
func destinationRules(ix *mesh.Index, cluster, namespace, host, client string) []*mesh.Object {
	var rules []*mesh.Object
	for o := range ix.In(cluster) {
		if !o.Is(mesh.GroupNetworking, "DestinationRule") || o.Key.Namespace != namespace || !matchesHost(o, host) {
			continue
		}
		seen := len(o.Wiring.ExportTo) == 0 || slices.Contains(o.Wiring.ExportTo, "*") || slices.Contains(o.Wiring.ExportTo, client)
		if seen || client == namespace {
			rules = append(rules, o)
		}
	}
	slices.SortFunc(rules, func(a, b *mesh.Object) int {
		x, y := a.Wiring.Hosts[0], b.Wiring.Hosts[0]
		return cmp.Or(first(strings.HasPrefix(x, "*"))-first(strings.HasPrefix(y, "*")), len(y)-len(x), mesh.Older(a, b))
	})
	return rules
}

func matchesHost(rule *mesh.Object, host string) bool {
	name := resource.FullHost(rule.Wiring.Hosts[0], rule.Key.Namespace)
	suffix, wild := strings.CutPrefix(name, "*")
	return name == host || wild && strings.HasSuffix(host, suffix)
}
