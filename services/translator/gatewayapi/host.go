package gatewayapi

import (
	"reflect"
	"slices"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/inventory"
)

// hostPlan says what an Istio Gateway does with requests for one host name.
type hostPlan struct {
	Parts []part
}

// part is what is done with requests for a host on some ports.
type part struct {
	// Ports are the listeners' ports; none means all on which istiod would use the rules.
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
	// alone names the Istio Gateway that has the listener.
	alone  string
	routes []attachment
}

// planHosts returns the plans of all host names of a Gateway.
func (t *Translator) planHosts(r *graph.Reader, ref inventory.Ref) map[hostOf]hostPlan {
	plans := map[hostOf]hostPlan{}
	g := t.gateways.Get(r, ref)
	if !g.Ours || !g.Refused.none() {
		return plans
	}
	near := t.neighbours.Get(r, ref)
	attached := t.attachments.Get(r, ref)
	alone := isolated(g.Listeners, near.Conflicts)
	var own []served
	for i, l := range g.Listeners {
		if l.served(near.Conflicts[i]) {
			own = append(own, served{l.socket(), alone[i], attached.Listeners[i]})
		}
	}
	hosts, groups := map[string]bool{}, map[string]bool{}
	for _, l := range own {
		hosts[l.Hostname], groups[l.alone] = true, true
		for _, a := range l.routes {
			for _, hostname := range a.Hostnames {
				hosts[hostname] = true
			}
		}
	}
	for host := range hosts {
		for alone := range groups {
			if plan := planHost(host, alone, own, near.Others); len(plan.Parts) > 0 {
				plans[hostOf{istioGateway{ref, alone}, host}] = plan
			}
		}
	}
	return plans
}

// isolated returns for each listener that is served the host name by which it
// has an Istio Gateway of its own, and "" when it needs none. Listeners of one
// host name stay together, whatever their ports.
func isolated(listeners []listener, conflicts []refusal) []string {
	nested := map[string]bool{}
	for i, l := range listeners {
		for j, other := range listeners {
			if l.served(conflicts[i]) && other.served(conflicts[j]) &&
				l.Port == other.Port && l.Hostname != other.Hostname && covers(other.Hostname, l.Hostname) {
				nested[l.Hostname] = true
			}
		}
	}
	alone := make([]string, len(listeners))
	for i, l := range listeners {
		if nested[l.Hostname] {
			alone[i] = l.Hostname
		}
	}
	return alone
}

// planHost plans one host name for one Istio Gateway. own are the listeners of
// the Gateway, others those of other Gateways on the same proxies.
//
// On each port, what becomes of a request is decided by the listener that it
// belongs to. For HTTP, only that listener's Istio Gateway says so, because a
// port has one set of routes. For HTTPS, all Istio Gateways do whose listeners
// cover the host: a client that has a connection to one of them may use it for
// any host of the certificate. Such a request for a host of another Gateway is
// not told apart.
func planHost(host, alone string, own []served, others []socket) hostPlan {
	var plan hostPlan
	if alone != "" && !covers(alone, host) {
		return plan
	}
	complete := true // the plan says something for every port on which istiod would use the rules
	for _, port := range ports(own) {
		best, fallback := mostSpecific(host, port, own, others)
		applies, covered := reach(host, alone, port, own)
		if best == nil || best.alone != alone && (!covered || best.Protocol != gatewayv1.HTTPSProtocolType) {
			complete = complete && !applies
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

// reach reports whether istiod would use rules for a host on a port of an Istio
// Gateway, and whether a listener of it there covers the host.
func reach(host, alone string, port uint32, own []served) (applies, covered bool) {
	for _, l := range own {
		if l.alone == alone && l.Port == port {
			covered = covered || covers(l.Hostname, host)
			applies = applies || covered || covers(host, l.Hostname)
		}
	}
	return applies, covered
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
	return t.hosts.Get(r, key.gateway)[key]
}
