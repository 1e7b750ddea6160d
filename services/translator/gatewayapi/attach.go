package gatewayapi

import (
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
	source, _ := t.inv.HTTPRoute(r, ref.Cluster, ref.Key.Namespace, ref.Key.Name)
	if source == nil {
		return head{}
	}
	h := head{Created: source.CreationTimestamp.Time, Parents: source.Spec.ParentRefs, Refused: t.routes.Get(r, ref).Refused}
	for _, hostname := range source.Spec.Hostnames {
		h.Hostnames = append(h.Hostnames, string(hostname))
	}
	return h
}

// attachments are the routes that name a Gateway as parent, and what came of it.
type attachments struct {
	// Outcomes are by route and index of the parentRef.
	Outcomes map[inventory.Ref]map[int]outcome
	// Listeners has one entry for each listener of the Gateway: the routes attached to it, sorted.
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
	for _, route := range t.inv.RoutesByParent(r, ref.Cluster, ref.Key.Namespace, ref.Key.Name) {
		h := t.heads.Get(r, route)
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
			outcomes[i] = outcome{true, join(g, route, h, parent, namespaceLabels, joined)}
		}
		found.Outcomes[route] = outcomes
		for i, hostnames := range joined {
			if len(hostnames) > 0 {
				found.Listeners[i] = append(found.Listeners[i], attachment{route, sortedKeys(hostnames)})
			}
		}
	}
	return found
}

// join attaches a route to the listeners that one parentRef selects: it adds the common host names of each to joined.
func join(g gateway, route inventory.Ref, h head, parent gatewayv1.ParentReference, namespaceLabels func() map[string]string, joined []map[string]bool) refusal {
	selected, allowed, matched := false, false, map[int][]string{}
	for i, l := range g.Listeners {
		if section := string(ptr.Deref(parent.SectionName, "")); section != "" && section != l.Name {
			continue
		}
		if port := ptr.Deref(parent.Port, 0); port != 0 && uint32(port) != l.Port {
			continue
		}
		selected = true
		if !l.takesHTTPRoutes() || !l.allows(g.Ref.Key.Namespace, route.Key.Namespace, namespaceLabels) {
			continue
		}
		allowed = true
		if common := commonHostnames(l.Hostname, h.Hostnames); len(common) > 0 {
			matched[i] = common
		}
	}
	switch {
	case !selected:
		return refuse(gatewayv1.RouteReasonNoMatchingParent, "The Gateway has no listener with this sectionName and port")
	case !allowed:
		return refuse(gatewayv1.RouteReasonNotAllowedByListeners, "No listener allows HTTPRoutes of the namespace "+route.Key.Namespace)
	case len(matched) == 0:
		return refuse(gatewayv1.RouteReasonNoMatchingListenerHostname, "spec.hostnames: none of them is one of a listener")
	case !h.Refused.none():
		return h.Refused
	}
	for i, hostnames := range matched {
		if joined[i] == nil {
			joined[i] = map[string]bool{}
		}
		for _, hostname := range hostnames {
			joined[i][hostname] = true
		}
	}
	return refusal{}
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
