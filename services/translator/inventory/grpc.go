package inventory

import gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

// GRPCRules returns the rules of a GRPCRoute as those of an HTTPRoute. All but
// the matches, which are left out, mean the same in both.
func GRPCRules(route *gatewayv1.GRPCRoute) []gatewayv1.HTTPRouteRule {
	rules := make([]gatewayv1.HTTPRouteRule, 0, len(route.Spec.Rules))
	for _, source := range route.Spec.Rules {
		rule := gatewayv1.HTTPRouteRule{
			Name: source.Name, Filters: httpFilters(source.Filters), SessionPersistence: source.SessionPersistence,
		}
		for _, backend := range source.BackendRefs {
			rule.BackendRefs = append(rule.BackendRefs, gatewayv1.HTTPBackendRef{
				BackendRef: backend.BackendRef, Filters: httpFilters(backend.Filters),
			})
		}
		rules = append(rules, rule)
	}
	return rules
}

func httpFilters(source []gatewayv1.GRPCRouteFilter) []gatewayv1.HTTPRouteFilter {
	var filters []gatewayv1.HTTPRouteFilter
	for _, filter := range source {
		filters = append(filters, gatewayv1.HTTPRouteFilter{
			Type:                   gatewayv1.HTTPRouteFilterType(filter.Type),
			RequestHeaderModifier:  filter.RequestHeaderModifier,
			ResponseHeaderModifier: filter.ResponseHeaderModifier,
			RequestMirror:          filter.RequestMirror,
			ExtensionRef:           filter.ExtensionRef,
		})
	}
	return filters
}
