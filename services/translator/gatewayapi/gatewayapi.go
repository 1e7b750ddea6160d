// Package gatewayapi translates Gateways, HTTPRoutes and GRPCRoutes of the class meshweir
// to Istio Gateways and VirtualServices, and reports on them as the Gateway API
// demands.
//
// An Istio Gateway is made for each Gateway, and a VirtualService for each of
// its host names: those of its listeners, narrowed by those of the routes. A
// VirtualService's rules are sorted by the Gateway API's precedence (regular
// expressions stand between exact paths and prefixes) and include the rules of
// less specific host names, because a request that no rule of "a.example.com"
// takes may still be one for "*.example.com".
//
// A listener's host name keeps requests from less specific listeners of the same
// port (listener isolation). Within one Istio Gateway istiod would add their
// rules to its own, so it gets an Istio Gateway to itself, with VirtualServices
// of its own. See planHost for the rest.
//
// What a VirtualService cannot say is never approximated: the route is not
// accepted, and its condition names the field. The share of requests whose
// backend cannot be resolved is answered with 500, for gRPC with UNAVAILABLE: by
// a direct response when it is all of them, otherwise by an injected abort,
// whose share Envoy rounds to a millionth.
//
// A GRPCRoute becomes rules of the same form: its services and methods are
// paths. On one listener, HTTPRoutes and GRPCRoutes never share a host name.
//
// The class provisions no proxies. A Gateway selects them by labels, from the
// entry "selector" of the ConfigMap that infrastructure.parametersRef names, by
// default istio=ingressgateway. Gateways that select the same proxies share
// their ports: of listeners that collide, the one of the older Gateway stands.
// The Services that select the same Pods tell the proxies' namespace and the
// Gateway's addresses.
//
// Not here yet: TLSRoute (with TLS Passthrough), TCPRoute,
// ListenerSet, BackendTLSPolicy, and the experimental retry, session
// persistence, CORS and external authorization fields, which are not accepted
// in the meantime.
package gatewayapi

import (
	"cmp"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/translator/globalservice"
	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/hold"
	"github.com/meshweir/meshweir/services/translator/inventory"
	"github.com/meshweir/meshweir/services/translator/output"
	"github.com/meshweir/meshweir/services/translator/workspace"
)

// Translator translates Gateways and their routes.
type Translator struct {
	inv         *inventory.Inventory
	hold        *hold.Hold
	global      *globalservice.Translator
	spaces      *workspace.Spaces
	gateways    *graph.Query[inventory.Ref, gateway]
	neighbours  *graph.Query[inventory.Ref, neighbours]
	routes      *graph.Query[inventory.Ref, route]
	heads       *graph.Query[inventory.Ref, head]
	attachments *graph.Query[inventory.Ref, attachments]
	outcomes    *graph.Query[parentOf, outcome]
	hosts       *graph.Query[inventory.Ref, map[hostOf]hostPlan]
	hostPlans   *graph.Query[hostOf, hostPlan]
	virtual     *graph.Query[hostOf, built]
}

// parentOf is one parentRef of a route, by its index.
type parentOf struct {
	route inventory.Ref
	index int
}

// hostOf is one host name of an Istio Gateway.
type hostOf struct {
	istioGateway
	host string
}

// istioGateway is one of the Istio Gateways that are made for a Gateway.
type istioGateway struct {
	gateway inventory.Ref
	// alone is the host name of its listeners, which are kept from less specific
	// ones. It is "" for the Istio Gateway of all listeners that need none of their own.
	alone string
}

// New returns a Translator.
func New(g *graph.Graph, inv *inventory.Inventory, h *hold.Hold, spaces *workspace.Spaces, global *globalservice.Translator) *Translator {
	t := &Translator{inv: inv, hold: h, spaces: spaces, global: global}
	global.LearnIngress(t.ingressNamespaces)
	t.gateways = graph.NewQuery(g, "gateway", t.readGateway, graph.DeepEqual[gateway])
	t.neighbours = graph.NewQuery(g, "neighbours of a gateway", t.findNeighbours, graph.DeepEqual[neighbours])
	t.routes = graph.NewQuery(g, "route", t.translateRoute, nil)
	t.heads = graph.NewQuery(g, "head of a route", t.readHead, graph.DeepEqual[head])
	t.attachments = graph.NewQuery(g, "attachments of a gateway", t.attach, graph.DeepEqual[attachments])
	t.outcomes = graph.NewQuery(g, "outcome for a parent", t.findOutcome, graph.DeepEqual[outcome])
	t.hosts = graph.NewQuery(g, "hosts of a gateway", t.planHosts, graph.DeepEqual[map[hostOf]hostPlan])
	t.hostPlans = graph.NewQuery(g, "host of a gateway", t.findHostPlan, graph.DeepEqual[hostPlan])
	t.virtual = graph.NewQuery(g, "virtual service", t.buildVirtualService, nil)
	return t
}

// refusal says why something is not so. The zero refusal means that it is.
type refusal struct {
	Reason, Message string
}

func (f refusal) none() bool { return f.Reason == "" }

// condition returns a condition that holds with the reason "holds" unless there is a refusal.
func condition[T, R ~string](kind T, f refusal, holds R, generation int64) metav1.Condition {
	if f.none() {
		return output.Condition(kind, true, holds, "", generation)
	}
	return output.Condition(kind, false, f.Reason, f.Message, generation)
}

func refuse[R ~string](reason R, message string) refusal { return refusal{string(reason), message} }

func gatewayRef(cluster, namespace, name string) inventory.Ref {
	return inventory.Ref{Cluster: cluster, Key: resource.Key{
		Group: resource.GatewayGroup, Kind: "Gateway", Namespace: namespace, Name: name,
	}}
}

// byAge is negative when an object comes before another in the Gateway API's
// order: by age, then by namespace and name. Kinds of the same age and name stand in an order of ours.
func byAge(created time.Time, ref inventory.Ref, otherCreated time.Time, other inventory.Ref) int {
	return cmp.Or(
		created.Compare(otherCreated),
		strings.Compare(ref.Key.Namespace+"/"+ref.Key.Name, other.Key.Namespace+"/"+other.Key.Name),
		strings.Compare(ref.Key.Kind, other.Key.Kind),
	)
}

// ours reports whether a GatewayClass is Meshweir's. A class that the cluster does not describe is judged by its name.
func ours(class *gatewayv1.GatewayClass, name string) bool {
	if class == nil {
		return name == resource.GatewayClass
	}
	return class.Spec.ControllerName == resource.ControllerName
}

// TranslateClass returns the status of a GatewayClass.
func (t *Translator) TranslateClass(r *graph.Reader, ref inventory.Ref) output.Set {
	statuses := output.Set{}
	class := t.inv.GatewayClass(r, ref.Cluster, ref.Key.Name)
	if class == nil || !ours(class, class.Name) {
		return statuses
	}
	var refused refusal
	if class.Spec.ParametersRef != nil {
		refused = refuse(gatewayv1.GatewayClassReasonInvalidParameters, unsupportedClassParameters)
	}
	statuses.Put(ref.Cluster, ref.Key, output.Status(class.Generation, gatewayv1.GatewayClassStatus{
		Conditions: []metav1.Condition{
			condition(gatewayv1.GatewayClassConditionStatusAccepted, refused, gatewayv1.GatewayClassReasonAccepted, class.Generation),
		},
	}))
	return statuses
}

const unsupportedClassParameters = "spec.parametersRef of the GatewayClass is not supported; use infrastructure.parametersRef of the Gateway"
