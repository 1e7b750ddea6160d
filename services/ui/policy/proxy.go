package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/schemas/istio"
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
	for o := range ix.In(pods[0].Cluster) {
		if o.Wiring.Policy == nil || o.Is(mesh.GroupNetworking, "DestinationRule") {
			continue
		}
		if o.Key.Kind == "PeerAuthentication" && at == atGateway {
			continue
		}
		if slices.ContainsFunc(pods, func(p *mesh.Pods) bool { return ix.Covers(o, p) }) {
			policies[o.Key.Kind] = append(policies[o.Key.Kind], o)
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
			decide(s.Entries, all, pods, ix.RootNamespace(pods[0].Cluster))
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

// peerOf is what decides of a PeerAuthentication.
func peerOf(o *mesh.Object) istio.Peer {
	return istio.Peer{
		Namespace: o.Key.Namespace, Name: o.Key.Name, Created: o.Created, Selector: o.Wiring.Selector, Mode: o.Wiring.Policy.Action,
	}
}

// decide marks the PeerAuthentications that decide for none of the Pods: for each of them those do that are in force at its levels, down
// to the first that sets a mode.
func decide(entries []Entry, policies []*mesh.Object, pods []*mesh.Pods, root string) {
	peers := make([]istio.Peer, len(policies))
	for i, o := range policies {
		peers[i], entries[i].Overridden = peerOf(o), true
	}
	for _, p := range pods {
		levels := istio.Levels(root, p.Namespace, p.Labels, peers)
		for _, i := range slices.Backward(levels[:]) {
			if i < 0 {
				continue
			}
			entries[i].Overridden = false
			if istio.SetsMode(peers[i].Mode) {
				break
			}
		}
	}
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
