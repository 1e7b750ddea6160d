package gatewayapi

import (
	"fmt"
	"slices"

	networking "istio.io/api/networking/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/inventory"
	"github.com/meshweir/meshweir/services/translator/output"
	"github.com/meshweir/meshweir/services/translator/workspace"
)

// built is an object that is ready to be written.
type built struct {
	key   resource.Key
	value []byte
}

// name returns the Istio Gateway's name.
func (i istioGateway) name() string { return output.Name(i.parts()...) }

// parts are what its name is made of.
func (i istioGateway) parts() []string {
	if i.alone == "" {
		return []string{i.gateway.Key.Name}
	}
	return []string{i.gateway.Key.Name, i.alone}
}

// TranslateGateway returns what a Gateway makes: Istio Gateways, a VirtualService for each host name of each, and its status.
func (t *Translator) TranslateGateway(r *graph.Reader, ref inventory.Ref) (objects, statuses output.Set) {
	objects, statuses = output.Set{}, output.Set{}
	g := t.gateways.Get(r, ref)
	if !g.Ours {
		return objects, statuses
	}
	programmed := t.addIstioGateways(r, objects, g)
	for host := range t.hosts.Get(r, ref) {
		virtual := t.virtual.Get(r, host)
		objects.Put(ref.Cluster, virtual.key, virtual.value)
	}
	statuses.Put(ref.Cluster, ref.Key, output.Status(g.Generation, t.gatewayStatus(r, g, programmed)))
	return objects, statuses
}

// addIstioGateways adds the Istio Gateways with the listeners that can be served, and returns which these are.
func (t *Translator) addIstioGateways(r *graph.Reader, objects output.Set, g gateway) (programmed []bool) {
	programmed = make([]bool, len(g.Listeners))
	if !g.Refused.none() {
		return programmed
	}
	conflicts := t.neighbours.Get(r, g.Ref).Conflicts
	servers := map[string][]*networking.Server{}
	for i, alone := range isolated(g.Listeners, conflicts) {
		if l := g.Listeners[i]; l.served(conflicts[i]) {
			programmed[i] = true
			servers[alone] = append(servers[alone], server(l))
		}
	}
	for alone, servers := range servers {
		meta := g.meta("Gateway", istioGateway{g.Ref, alone}.name())
		objects.Put(g.Ref.Cluster, meta.Key(), output.Object(meta, &networking.Gateway{Selector: g.Selector, Servers: servers}))
	}
	return programmed
}

// meta returns what an object that is made of the Gateway carries.
func (g gateway) meta(kind, name string) output.Meta {
	return output.Meta{
		Kind: kind, Namespace: g.Ref.Key.Namespace, Name: name,
		Labels: g.Labels, Annotations: g.Annotations, Sources: output.NewSources(g.Ref),
	}
}

func server(l listener) *networking.Server {
	s := &networking.Server{
		Port: &networking.Port{Number: l.Port, Name: l.Name, Protocol: string(l.Protocol)},
		// "./" lets only VirtualServices beside the Gateway serve the host.
		Hosts: []string{"./" + l.Hostname},
	}
	if l.Protocol == gatewayv1.HTTPSProtocolType {
		s.Tls = &networking.ServerTLSSettings{Mode: networking.ServerTLSSettings_SIMPLE}
		if len(l.Credentials) == 1 {
			s.Tls.CredentialName = l.Credentials[0]
		} else {
			s.Tls.CredentialNames = l.Credentials
		}
	}
	return s
}

func (t *Translator) buildVirtualService(r *graph.Reader, key hostOf) built {
	g := t.gateways.Get(r, key.gateway)
	meta := g.meta("VirtualService", output.Name(append(key.parts(), key.host)...))
	meta.Sources.Add(t.spaces.Witnesses(r)...)
	spec := &networking.VirtualService{
		Hosts:    []string{key.host},
		Gateways: []string{key.gateway.Key.Namespace + "/" + key.name()},
	}
	for _, p := range t.hostPlans.Get(r, key).Parts {
		spec.Http = append(spec.Http, t.partRules(r, workspace.Of(key.gateway), p, meta.Sources)...)
	}
	return built{meta.Key(), output.Object(meta, spec)}
}

// partRules returns the rules for some ports of a host, those first that come first, and adds what they are made from to sources.
func (t *Translator) partRules(r *graph.Reader, gateway workspace.Place, p part, sources *output.Sources) []*networking.HTTPRoute {
	if len(p.Routes) == 0 {
		return []*networking.HTTPRoute{{
			Name:           "not-found" + portSuffix(p.Ports),
			Match:          onPorts([]*networking.HTTPMatchRequest{{Uri: startingWith("/")}}, p.Ports),
			DirectResponse: &networking.HTTPDirectResponse{Status: 404},
		}}
	}
	var rules []rule
	for _, candidate := range p.Routes {
		route := t.routes.Get(r, candidate.Route)
		sources.Add(candidate.Route)
		sources.Add(route.Sources...)
		sources.Add(t.spaces.Judge(r, workspace.Of(candidate.Route), gateway, v1alpha1.ShareGateway).Sources...)
		for _, rule := range route.Rules {
			rule.Precedence.hostname = candidate.Specificity
			rule.Precedence.created, rule.Precedence.route = route.Created, candidate.Route
			rules = append(rules, rule)
		}
	}
	slices.SortStableFunc(rules, func(a, b rule) int { return a.Precedence.compare(b.Precedence) })
	written := make([]*networking.HTTPRoute, 0, len(rules))
	for _, rule := range rules {
		action := copyAction(rule.Action)
		action.Name, action.Match = rule.Name+portSuffix(p.Ports), onPorts(rule.Matches, p.Ports)
		written = append(written, action)
	}
	return written
}

// portSuffix keeps the names of rules apart when one route serves several ports in different ways.
func portSuffix(ports []uint32) string {
	if len(ports) == 0 {
		return ""
	}
	return fmt.Sprintf("/port-%d", ports[0])
}

func onPorts(matches []*networking.HTTPMatchRequest, ports []uint32) []*networking.HTTPMatchRequest {
	if len(ports) == 0 {
		return matches
	}
	var all []*networking.HTTPMatchRequest
	for _, match := range matches {
		for _, port := range ports {
			on := withURI(match, match.Uri)
			on.Port = port
			all = append(all, on)
		}
	}
	return all
}
