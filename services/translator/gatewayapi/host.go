package gatewayapi

import (
	"reflect"
	"slices"

	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/inventory"
)

// hostPlan says what a Gateway does with requests for one host name.
type hostPlan struct {
	Parts []part
}

// part is what a Gateway does with requests for a host on some of its ports.
type part struct {
	// Ports are the listeners' ports; none means all on which the host is served.
	Ports []uint32
	// Routes are the routes whose rules apply. None means that requests are answered with 404.
	Routes []candidate
}

// candidate is a route whose rules apply to a host, and how specific its host name is.
type candidate struct {
	Route       inventory.Ref
	Specificity int
}

// served is a listener that can be programmed, with its routes.
type served struct {
	socket
	routes []attachment
}

// planHosts returns the plans of all host names of a Gateway.
func (t *Translator) planHosts(r *graph.Reader, ref inventory.Ref) map[string]hostPlan {
	plans := map[string]hostPlan{}
	g := t.gateways.Get(r, ref)
	if !g.Ours || !g.Refused.none() {
		return plans
	}
	near := t.neighbours.Get(r, ref)
	attached := t.attachments.Get(r, ref)
	var own []served
	for i, l := range g.Listeners {
		if l.usable() && near.Conflicts[i].none() {
			own = append(own, served{l.socket(), attached.Listeners[i]})
		}
	}
	hosts := map[string]bool{}
	for _, l := range own {
		hosts[l.Hostname] = true
		for _, a := range l.routes {
			for _, hostname := range a.Hostnames {
				hosts[hostname] = true
			}
		}
	}
	for host := range hosts {
		if plan := planHost(host, own, near.Others); len(plan.Parts) > 0 {
			plans[host] = plan
		}
	}
	return plans
}

// planHost plans one host name. own are the listeners of the Gateway, others those of other Gateways on the same proxies.
func planHost(host string, own []served, others []socket) hostPlan {
	var plan hostPlan
	complete := true // the plan says something for every port on which the host reaches the Gateway
	for _, port := range ports(own) {
		best, fallback := mostSpecific(host, port, own, others)
		if best == nil {
			complete = complete && !fallback
			continue
		}
		routes := candidates(host, best.routes)
		if len(routes) == 0 && !fallback {
			complete = false
			continue // nothing else takes the request, so it is answered with 404 without our doing
		}
		i := slices.IndexFunc(plan.Parts, func(p part) bool { return reflect.DeepEqual(p.Routes, routes) })
		if i < 0 {
			plan.Parts = append(plan.Parts, part{Routes: routes})
			i = len(plan.Parts) - 1
		}
		plan.Parts[i].Ports = append(plan.Parts[i].Ports, port)
	}
	if complete && len(plan.Parts) == 1 {
		plan.Parts[0].Ports = nil
	}
	return plan
}

func ports(listeners []served) []uint32 {
	var found []uint32
	for _, l := range listeners {
		found = append(found, l.Port)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// mostSpecific returns the listener that requests for a host on a port belong
// to, or nil when it is none of ours. fallback says that a less specific one of
// the port would take them too.
func mostSpecific(host string, port uint32, own []served, others []socket) (best *served, fallback bool) {
	top, count := -1, 0
	consider := func(s socket, mine *served) {
		if s.Port != port || !covers(s.Hostname, host) {
			return
		}
		count++
		if rank := specificity(s.Hostname); rank > top {
			top, best = rank, mine
		}
	}
	for i := range own {
		consider(own[i].socket, &own[i])
	}
	for _, other := range others {
		consider(other, nil)
	}
	if best == nil {
		return nil, count > 0
	}
	return best, count > 1
}

// candidates returns the routes of a listener that take requests for a host.
func candidates(host string, routes []attachment) []candidate {
	var found []candidate
	for _, a := range routes {
		top := -1
		for _, hostname := range a.Hostnames {
			if covers(hostname, host) {
				top = max(top, specificity(hostname))
			}
		}
		if top >= 0 {
			found = append(found, candidate{a.Route, top})
		}
	}
	return found
}

func (t *Translator) findHostPlan(r *graph.Reader, key hostOf) hostPlan {
	return t.hosts.Get(r, key.gateway)[key.host]
}
