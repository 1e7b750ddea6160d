package snapshot

import "github.com/meshweir/meshweir/schemas/resource"

// The defaults below are those of the API server and of the CRDs of Gateway API
// 1.6. A folder of manifests has neither, and readers rely on them.

func serviceDefaults() []fieldDefault {
	return []fieldDefault{
		{"spec", map[string]any{}},
		{"spec.type", "ClusterIP"},
		{"spec.ports.protocol", "TCP"},
	}
}

func gatewayDefaults() []fieldDefault {
	return []fieldDefault{
		{"spec.listeners.allowedRoutes", map[string]any{}},
		{"spec.listeners.allowedRoutes.namespaces", map[string]any{}},
		{"spec.listeners.allowedRoutes.namespaces.from", "Same"},
		{"spec.listeners.tls.mode", "Terminate"},
		{"spec.listeners.tls.certificateRefs.group", ""},
		{"spec.listeners.tls.certificateRefs.kind", "Secret"},
	}
}

func httpRouteDefaults() []fieldDefault {
	anyPath := map[string]any{"type": "PathPrefix", "value": "/"}
	anyMatch := []any{map[string]any{"path": anyPath}}
	return append([]fieldDefault{
		{"spec", map[string]any{}},
		{"spec.rules", []any{map[string]any{}}},
		{"spec.rules.matches", anyMatch},
		{"spec.rules.matches.path", anyPath},
		{"spec.rules.matches.path.type", "PathPrefix"},
		{"spec.rules.matches.path.value", "/"},
		{"spec.rules.matches.queryParams.type", "Exact"},
	}, routeDefaults()...)
}

func grpcRouteDefaults() []fieldDefault {
	return append([]fieldDefault{{"spec.rules.matches.method.type", "Exact"}}, routeDefaults()...)
}

// routeDefaults are those that HTTPRoutes and GRPCRoutes have in common.
func routeDefaults() []fieldDefault {
	return []fieldDefault{
		{"spec.parentRefs.group", resource.GatewayGroup},
		{"spec.parentRefs.kind", "Gateway"},
		{"spec.rules.matches.headers.type", "Exact"},
		{"spec.rules.backendRefs.group", ""},
		{"spec.rules.backendRefs.kind", "Service"},
		{"spec.rules.backendRefs.weight", int64(1)},
		{"spec.rules.filters.requestMirror.backendRef.group", ""},
		{"spec.rules.filters.requestMirror.backendRef.kind", "Service"},
	}
}

// portTargets gives each port of a Service the target that it has when none is named: itself.
func portTargets(service map[string]any) {
	spec, _ := service["spec"].(map[string]any)
	ports, _ := spec["ports"].([]any)
	for _, p := range ports {
		if port, ok := p.(map[string]any); ok && port["targetPort"] == nil && port["port"] != nil {
			port["targetPort"] = port["port"]
		}
	}
}
