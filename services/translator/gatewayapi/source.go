package gatewayapi

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/inventory"
)

// The kinds of routes.
const (
	kindHTTPRoute = "HTTPRoute"
	kindGRPCRoute = "GRPCRoute"
)

// source is a route as it was written: what routes of all kinds have in common.
type source struct {
	metav1.ObjectMeta
	Parents   []gatewayv1.ParentReference
	Hostnames []gatewayv1.Hostname
	Rules     []sourceRule
	// Problem says why the route cannot be read; it tells its parents and its generation only.
	Problem string
}

// sourceRule is a rule as it was written.
type sourceRule struct {
	gatewayv1.HTTPRouteRule
	// GRPCMatches are the matches of a GRPCRoute's rule, which has no others.
	GRPCMatches []gatewayv1.GRPCRouteMatch
}

// source returns a route, or nil.
func (t *Translator) source(r *graph.Reader, ref inventory.Ref) *source {
	if ref.Key.Kind == kindGRPCRoute {
		route, problem := t.inv.GRPCRoute(r, ref.Cluster, ref.Key.Namespace, ref.Key.Name)
		if route == nil {
			return nil
		}
		s := &source{ObjectMeta: route.ObjectMeta, Parents: route.Spec.ParentRefs, Hostnames: route.Spec.Hostnames, Problem: problem}
		for i, rule := range inventory.GRPCRules(route) {
			s.Rules = append(s.Rules, sourceRule{HTTPRouteRule: rule, GRPCMatches: route.Spec.Rules[i].Matches})
		}
		return s
	}
	route, problem := t.inv.HTTPRoute(r, ref.Cluster, ref.Key.Namespace, ref.Key.Name)
	if route == nil {
		return nil
	}
	s := &source{ObjectMeta: route.ObjectMeta, Parents: route.Spec.ParentRefs, Hostnames: route.Spec.Hostnames, Problem: problem}
	for _, rule := range route.Spec.Rules {
		s.Rules = append(s.Rules, sourceRule{HTTPRouteRule: rule})
	}
	return s
}
