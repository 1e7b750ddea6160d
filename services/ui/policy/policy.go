package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/services/ui/mesh"
	"github.com/meshweir/meshweir/services/ui/view"
)

// Hop is a place that requests pass.
type Hop struct {
	// Title says what it is: "Gateway shop", "Backend cart".
	Title string `json:"title"`
	// Ref is the object; nil where a name leads nowhere.
	Ref *view.Ref `json:"object,omitempty"`
	// Pods are the workloads whose proxies see to it, as "namespace/name".
	Pods   []string `json:"pods,omitempty"`
	Stages []Stage  `json:"stages"`
	// Says is what else there is to know of it.
	Says string `json:"says,omitempty"`
}

// Stage is one step within a hop.
type Stage struct {
	Title string `json:"title"`
	// Rule says how its entries are ordered and which of them count.
	Rule    string  `json:"rule,omitempty"`
	Entries []Entry `json:"entries"`
}

// Entry is a policy, or a step of a route, that applies.
type Entry struct {
	// Ref is the policy; nil for a step of the route itself.
	Ref    *view.Ref   `json:"object,omitempty"`
	Kind   string      `json:"kind"`
	Name   string      `json:"name"`
	Scope  mesh.Scope  `json:"scope,omitempty"`
	Action string      `json:"action,omitempty"`
	Says   string      `json:"says,omitempty"`
	Health mesh.Health `json:"health,omitempty"`
	// Overridden says that another entry decides instead.
	Overridden bool `json:"overridden,omitempty"`
}

func entryOf(ix *mesh.Index, o *mesh.Object) Entry {
	e := Entry{Ref: &o.Ref, Kind: o.Key.Kind, Name: o.Key.Namespace + "/" + o.Key.Name, Scope: ix.ScopeOf(o), Health: o.Health}
	if p := o.Wiring.Policy; p != nil {
		e.Action, e.Says = p.Action, p.Says
	}
	return e
}

// Route returns what the requests of a route pass, in order.
func Route(ix *mesh.Index, route *mesh.Object) []Hop {
	var hops []Hop
	clients := []string{}
	for _, l := range ix.Gateways(route) {
		if l.Sidecars {
			hops = append(hops, Hop{Title: "Sidecars of clients", Says: "The route is for requests from workloads, whose own policies apply first."})
			clients = append(clients, route.Key.Namespace)
			continue
		}
		hop := Hop{Title: l.Kind + " " + l.Name}
		if l.To == nil {
			hop.Says = cmp.Or(l.Unknown, "It is not there: no request comes this way.")
			hops = append(hops, hop)
			continue
		}
		hop.Ref = &l.To.Ref
		pods := ix.Proxies(l.To)
		hop.Stages = append(workspaceStage(ix, route, l), proxyStages(ix, pods, atGateway)...)
		hop.Pods = names(pods)
		for _, p := range pods {
			clients = append(clients, p.Namespace)
		}
		if len(pods) == 0 {
			hop.Says = "No workload was found whose proxies serve it."
		}
		hops = append(hops, hop)
	}
	hops = append(hops, Hop{Title: route.Key.Kind + " " + route.Key.Namespace + "/" + route.Key.Name, Ref: &route.Ref, Stages: ruleStages(route)})
	slices.Sort(clients)
	return append(hops, backends(ix, route, slices.Compact(clients))...)
}

// ruleStages are the rules of the route, each with what it does to a request.
func ruleStages(route *mesh.Object) []Stage {
	var stages []Stage
	for i, r := range route.Wiring.Rules {
		s := Stage{Title: fmt.Sprintf("Rule %d", i+1), Rule: "For every request"}
		if r.Name != "" {
			s.Title += ", " + r.Name
		}
		if len(r.Matches) > 0 {
			s.Rule = "For " + strings.Join(r.Matches, "; or ")
		}
		for _, step := range r.Steps {
			s.Entries = append(s.Entries, Entry{Kind: "step", Name: step.Type, Says: step.Says})
		}
		stages = append(stages, s)
	}
	return stages
}

// backends are where the route leads, each once, and what applies on the way and there.
func backends(ix *mesh.Index, route *mesh.Object, clients []string) []Hop {
	var hops []Hop
	seen := map[string]bool{}
	for _, l := range ix.Backends(route) {
		if seen[l.String()] {
			continue
		}
		seen[l.String()] = true
		hop := Hop{Title: "Backend " + l.Kind + " " + l.Name}
		if l.To == nil {
			hop.Says = cmp.Or(l.Unknown, cmp.Or(l.Missing, "It is not there")+": requests that a rule sends here fail.")
			hops = append(hops, hop)
			continue
		}
		hop.Title, hop.Ref = "Backend "+l.To.Key.Kind+" "+l.To.Key.Namespace+"/"+l.To.Key.Name, &l.To.Ref
		hop.Stages = append(workspaceStage(ix, route, l), destinationStages(ix, route.Ref.Cluster, l.To, clients)...)
		if l.To.Is("", "Service") {
			pods := ix.Backing(l.To)
			hop.Pods = names(pods)
			hop.Stages = append(hop.Stages, proxyStages(ix, pods, besideServer)...)
		}
		for _, service := range ix.BehindOf(l.To) {
			pods := ix.Backing(service)
			for _, s := range proxyStages(ix, pods, besideServer) {
				s.Title += " in " + service.Ref.Cluster
				hop.Stages = append(hop.Stages, s)
			}
			for _, name := range names(pods) {
				hop.Pods = append(hop.Pods, service.Ref.Cluster+": "+name)
			}
		}
		hops = append(hops, hop)
	}
	return hops
}

func names(pods []*mesh.Pods) []string {
	var all []string
	for _, p := range pods {
		all = append(all, p.Kind+" "+p.Namespace+"/"+p.Name)
	}
	return all
}
