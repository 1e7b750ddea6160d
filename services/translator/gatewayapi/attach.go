package gatewayapi

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/inventory"
	"github.com/meshweir/meshweir/services/translator/workspace"
)

// head is what of a route decides where it attaches.
type head struct {
	Created   time.Time
	Parents   []gatewayv1.ParentReference
	Hostnames []string
	// Refused says why no Gateway can serve the route.
	Refused refusal
}

func (t *Translator) readHead(r *graph.Reader, ref inventory.Ref) head {
	source := t.source(r, ref)
	if source == nil {
		return head{}
	}
	h := head{Created: source.CreationTimestamp.Time, Parents: source.Parents, Refused: t.routes.Get(r, ref).Refused}
	for _, hostname := range source.Hostnames {
		h.Hostnames = append(h.Hostnames, string(hostname))
	}
	return h
}

// attachments are the routes that name a Gateway as parent, and what came of it.
type attachments struct {
	// Outcomes are by route and index of the parentRef.
	Outcomes map[inventory.Ref]map[int]outcome
	// Listeners has one entry for each listener of the Gateway: the routes attached to it, the older first.
	Listeners [][]attachment
}

// outcome says what came of one parentRef.
type outcome struct {
	// Ours says that the parent is a Gateway of our class; otherwise it is not ours to speak of.
	Ours    bool
	Refused refusal
}

// attachment is a route on a listener, with the host names that both have in common, sorted.
type attachment struct {
	Route     inventory.Ref
	Hostnames []string
}

func (t *Translator) attach(r *graph.Reader, ref inventory.Ref) attachments {
	g := t.gateways.Get(r, ref)
	found := attachments{Outcomes: map[inventory.Ref]map[int]outcome{}, Listeners: make([][]attachment, len(g.Listeners))}
	if !g.Ours {
		return found
	}
	routes := t.inv.RoutesByParent(r, ref.Cluster, ref.Key.Namespace, ref.Key.Name)
	// byKind holds found.Listeners for each kind of routes.
	byKind := map[string][][]attachment{kindHTTPRoute: make([][]attachment, len(g.Listeners)), kindGRPCRoute: make([][]attachment, len(g.Listeners))}
	heads := make(map[inventory.Ref]head, len(routes))
	for _, route := range routes {
		heads[route] = t.heads.Get(r, route)
	}
	slices.SortFunc(routes, func(a, b inventory.Ref) int { return byAge(heads[a].Created, a, heads[b].Created, b) })
	for _, route := range routes {
		h := heads[route]
		if verdict := t.spaces.Judge(r, workspace.Of(route), workspace.Of(ref), v1alpha1.ShareGateway); verdict.Refused != "" {
			h.Refused = refuse(gatewayv1.RouteReasonNotAllowedByListeners, verdict.Refused)
		}
		namespaceLabels := func() map[string]string { return t.inv.NamespaceLabels(r, ref.Cluster, route.Key.Namespace) }
		outcomes := map[int]outcome{}
		joined := make([]map[string]bool, len(g.Listeners))
		for i, parent := range h.Parents {
			namespace, name, ok := inventory.GatewayParent(route.Key.Namespace, parent)
			if !ok || namespace != ref.Key.Namespace || name != ref.Key.Name {
				continue
			}
			matched, refused := meet(g, route, h, parent, namespaceLabels)
			if refused.none() {
				refused = taken(g, matched, byKind[otherKind(route.Key.Kind)])
			}
			if refused.none() {
				join(joined, matched)
			}
			outcomes[i] = outcome{true, refused}
		}
		found.Outcomes[route] = outcomes
		for i, hostnames := range joined {
			if len(hostnames) > 0 {
				a := attachment{route, sortedKeys(hostnames)}
				found.Listeners[i] = append(found.Listeners[i], a)
				byKind[route.Key.Kind][i] = append(byKind[route.Key.Kind][i], a)
			}
		}
	}
	return found
}

// meet returns the host names that a route has in common with each listener that one parentRef selects, by the listener's index.
func meet(g gateway, route inventory.Ref, h head, parent gatewayv1.ParentReference, namespaceLabels func() map[string]string) (map[int][]string, refusal) {
	selected, allowed, matched := false, false, map[int][]string{}
	for i, l := range g.Listeners {
		if section := string(ptr.Deref(parent.SectionName, "")); section != "" && section != l.Name {
			continue
		}
		if port := ptr.Deref(parent.Port, 0); port != 0 && uint32(port) != l.Port {
			continue
		}
		selected = true
		if !l.takes(route.Key.Kind) || !l.allows(g.Ref.Key.Namespace, route.Key.Namespace, namespaceLabels) {
			continue
		}
		allowed = true
		if common := commonHostnames(l.Hostname, h.Hostnames); len(common) > 0 {
			matched[i] = common
		}
	}
	switch {
	case !selected:
		return nil, refuse(gatewayv1.RouteReasonNoMatchingParent, "The Gateway has no listener with this sectionName and port")
	case !allowed:
		return nil, refuse(gatewayv1.RouteReasonNotAllowedByListeners, "No listener allows "+route.Key.Kind+"s of the namespace "+route.Key.Namespace)
	case len(matched) == 0:
		return nil, refuse(gatewayv1.RouteReasonNoMatchingListenerHostname, "spec.hostnames: none of them is one of a listener")
	case !h.Refused.none():
		return nil, h.Refused
	}
	return matched, refusal{}
}

// taken refuses a route that has a host name in common with an older route of
// the other kind on the same listener. HTTPRoutes and GRPCRoutes share none.
func taken(g gateway, matched map[int][]string, others [][]attachment) refusal {
	for i, l := range g.Listeners {
		for _, other := range others[i] {
			for _, hostname := range matched[i] {
				if slices.ContainsFunc(other.Hostnames, func(o string) bool { return intersect(hostname, o) != "" }) {
					return refuse(reasonHostnameConflict, fmt.Sprintf("spec.hostnames: %s on the listener %s belongs to the older %s %s/%s: give this route another host name, or another listener by sectionName",
						hostname, l.Name, other.Route.Key.Kind, other.Route.Key.Namespace, other.Route.Key.Name))
				}
			}
		}
	}
	return refusal{}
}

func otherKind(kind string) string {
	if kind == kindGRPCRoute {
		return kindHTTPRoute
	}
	return kindGRPCRoute
}

// reasonHostnameConflict is the reason for a route whose host name belongs to a
// route of another kind, for which the Gateway API demands Accepted=False and names no reason.
const reasonHostnameConflict = gatewayv1.ListenerReasonHostnameConflict

// join adds the host names that a route has in common with listeners to those that it has already.
func join(joined []map[string]bool, matched map[int][]string) {
	for i, hostnames := range matched {
		if joined[i] == nil {
			joined[i] = map[string]bool{}
		}
		for _, hostname := range hostnames {
			joined[i][hostname] = true
		}
	}
}

// commonHostnames returns what a listener and a route have in common. A route without host names takes those of the listener.
func commonHostnames(listener string, route []string) []string {
	if len(route) == 0 {
		return []string{listener}
	}
	var common []string
	for _, hostname := range route {
		if both := intersect(listener, hostname); both != "" {
			common = append(common, both)
		}
	}
	return common
}

func sortedKeys(set map[string]bool) []string {
	keys := make([]string, 0, len(set))
	for key := range set {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func (t *Translator) findOutcome(r *graph.Reader, p parentOf) outcome {
	h := t.heads.Get(r, p.route)
	if p.index >= len(h.Parents) {
		return outcome{}
	}
	namespace, name, ok := inventory.GatewayParent(p.route.Key.Namespace, h.Parents[p.index])
	if !ok {
		return outcome{}
	}
	gateway := gatewayRef(p.route.Cluster, namespace, name)
	return t.attachments.Get(r, gateway).Outcomes[p.route][p.index]
}
