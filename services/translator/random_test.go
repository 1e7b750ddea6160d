package translator_test

import (
	"fmt"
	"math/rand/v2"
)

// anyObject returns a random object from a small world, so that objects often
// refer to one another, collide, and are changed and deleted again.
func anyObject(r *rand.Rand) manifest {
	makers := []func(*rand.Rand) manifest{
		anyGateway, anyRoute, anyRoute, anyRoute, anyGRPCRoute, anyGRPCRoute, anyService, anyService, anyGlobalService, anyGlobalService,
		anyGrant, anyNamespace, anyCertificate, anyEndpoint, anyClass, anyConfigMap, anyIngress, anyWorkspace, anyUnapplied, anyBroken,
	}
	return makers[r.IntN(len(makers))](r)
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func anyNamespaceName(r *rand.Rand) string { return pick(r, "a", "b", "ingress") }

func anyHost(r *rand.Rand) string {
	return pick(r, "x.example.com", "y.example.com", "*.example.com", "*.x.example.com", "other.org")
}

func object(apiVersion, kind, namespace, name string, spec manifest, r *rand.Rand) manifest {
	meta := manifest{"name": name, "generation": float64(r.IntN(3))}
	if namespace != "" {
		meta["namespace"] = namespace
	}
	if r.IntN(2) == 0 {
		meta["creationTimestamp"] = fmt.Sprintf("2026-01-0%dT00:00:00Z", 1+r.IntN(4))
	}
	return manifest{"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any(meta), "spec": map[string]any(spec)}
}

func anyGateway(r *rand.Rand) manifest {
	var listeners []any
	for i := range 1 + r.IntN(3) {
		listener := map[string]any{
			"name": fmt.Sprintf("l%d", i), "port": pick(r, 80, 443, 8080), "protocol": pick(r, "HTTP", "HTTP", "HTTPS", "TLS"),
			"allowedRoutes": map[string]any{"namespaces": map[string]any{
				"from": pick(r, "All", "All", "Same", "Selector"), "selector": map[string]any{"matchLabels": map[string]any{"team": "t"}},
			}},
		}
		if r.IntN(3) > 0 {
			listener["hostname"] = anyHost(r)
		}
		if listener["protocol"] == "HTTPS" {
			listener["tls"] = map[string]any{"certificateRefs": []any{map[string]any{"name": pick(r, "c1", "c2"), "namespace": pick(r, "ingress", "a")}}}
		}
		listeners = append(listeners, listener)
	}
	spec := manifest{"gatewayClassName": pick(r, "meshweir", "meshweir", "meshweir", "other"), "listeners": listeners}
	if r.IntN(4) == 0 {
		spec["infrastructure"] = map[string]any{"parametersRef": map[string]any{"group": "", "kind": "ConfigMap", "name": "params"}}
	}
	return object("gateway.networking.k8s.io/v1", "Gateway", pick(r, "ingress", "a"), pick(r, "g1", "g2"), spec, r)
}

func anyBackend(r *rand.Rand) map[string]any {
	backend := map[string]any{"name": pick(r, "s1", "s2", "s3"), "port": pick(r, 80, 81)}
	if r.IntN(2) == 0 {
		backend["group"], backend["kind"] = "meshweir.io", "GlobalService"
	}
	if r.IntN(3) == 0 {
		backend["namespace"] = anyNamespaceName(r)
	}
	return backend
}

// anyRouteOf returns a route of a kind with these rules.
func anyRouteOf(r *rand.Rand, kind string, rules []any) manifest {
	var parents, hostnames []any
	for range 1 + r.IntN(2) {
		parent := map[string]any{"name": pick(r, "g1", "g2"), "namespace": pick(r, "ingress", "a")}
		if r.IntN(4) == 0 {
			parent["sectionName"] = pick(r, "l0", "l1")
		}
		parents = append(parents, parent)
	}
	for range r.IntN(3) {
		hostnames = append(hostnames, anyHost(r))
	}
	spec := manifest{"parentRefs": parents, "hostnames": hostnames, "rules": rules}
	return object("gateway.networking.k8s.io/v1", kind, anyNamespaceName(r), pick(r, "r1", "r2", "r3"), spec, r)
}

func anyGRPCRoute(r *rand.Rand) manifest {
	var rules []any
	for range r.IntN(3) {
		rule := map[string]any{"backendRefs": []any{anyBackend(r), anyBackend(r)}}
		if r.IntN(3) > 0 {
			rule["matches"] = []any{map[string]any{"method": map[string]any{
				"type": pick(r, "Exact", "Exact", "RegularExpression"), "service": pick(r, "", "Cart", "Stock"), "method": pick(r, "", "Get", "("),
			}}}
		}
		if r.IntN(4) == 0 {
			rule["filters"] = []any{map[string]any{"type": "RequestMirror", "requestMirror": map[string]any{"backendRef": anyBackend(r)}}}
		}
		rules = append(rules, rule)
	}
	return anyRouteOf(r, "GRPCRoute", rules)
}

func anyRoute(r *rand.Rand) manifest {
	var rules []any
	for range 1 + r.IntN(2) {
		rule := map[string]any{"matches": []any{map[string]any{"path": map[string]any{
			"type": pick(r, "Exact", "PathPrefix", "PathPrefix"), "value": pick(r, "/", "/p", "/p/q"),
		}}}}
		switch r.IntN(8) {
		case 0:
			rule["filters"] = []any{map[string]any{"type": "RequestRedirect", "requestRedirect": map[string]any{"scheme": "https"}}}
		case 1:
			rule["filters"] = []any{map[string]any{"type": "CORS", "cors": map[string]any{}}}
		case 2:
			rule["filters"] = []any{map[string]any{"type": "RequestMirror", "requestMirror": map[string]any{"backendRef": anyBackend(r)}}}
			fallthrough
		default:
			rule["backendRefs"] = []any{anyBackend(r), anyBackend(r)}
		}
		rules = append(rules, rule)
	}
	return anyRouteOf(r, "HTTPRoute", rules)
}

func anyService(r *rand.Rand) manifest {
	spec := manifest{"ports": []any{map[string]any{"port": pick(r, 80, 80, 81), "name": pick(r, "", "", "http", "grpc")}}}
	o := object("v1", "Service", pick(r, "a", "b"), pick(r, "s1", "s2", "s3"), spec, r)
	o["metadata"].(map[string]any)["labels"] = map[string]any{"app": pick(r, "x", "y")}
	return o
}

func anyIngress(r *rand.Rand) manifest {
	spec := manifest{
		"type": "LoadBalancer", "selector": map[string]any{"istio": pick(r, "ingressgateway", "special")},
		"ports": []any{map[string]any{"port": 80}},
	}
	o := object("v1", "Service", pick(r, "ingress", "a"), "proxy", spec, r)
	if r.IntN(2) == 0 {
		o["status"] = map[string]any{"loadBalancer": map[string]any{"ingress": []any{map[string]any{"ip": "192.0.2.1"}}}}
	}
	return o
}

func anyUnapplied(r *rand.Rand) manifest {
	var sources []any
	for range r.IntN(3) {
		sources = append(sources, pick(r,
			"east:HTTPRoute.gateway.networking.k8s.io/a/r1", "mgmt:Gateway.gateway.networking.k8s.io/ingress/g1", "mgmt:GlobalService.meshweir.io/a/s1"))
	}
	spec := manifest{"object": "Kind/a/b", "sources": sources, "result": pick(r, "Conflict", "Error"), "message": pick(r, "x", "y")}
	return object("internal.meshweir.io/v1", "Unapplied", "a", pick(r, "u1", "u2"), spec, r)
}

func anyGlobalService(r *rand.Rand) manifest {
	selector := map[string]any{"name": pick(r, "s1", "s2")}
	if r.IntN(2) == 0 {
		selector = map[string]any{"labels": map[string]any{"app": pick(r, "x", "y")}}
	}
	if r.IntN(4) == 0 {
		selector["ports"] = []any{map[string]any{"name": "http", "servicePort": pick[any](r, 80, "grpc")}}
	}
	if r.IntN(3) == 0 {
		selector["clusters"] = []any{pick(r, "east", "west")}
	}
	spec := manifest{
		"host": pick(r, "g1.global", "g2.global", "bad"), "services": []any{selector},
		"ports": []any{map[string]any{"name": "http", "port": pick(r, 80, 81), "protocol": pick(r, "HTTP", "GRPC", "HTTP2", "TCP"), "servicePort": pick[any](r, 0, 80, "http")}},
	}
	if r.IntN(3) == 0 {
		spec["clientClusters"] = []any{pick(r, "*", "mgmt", "west")}
	}
	return object("meshweir.io/v1alpha1", "GlobalService", pick(r, "a", "b"), pick(r, "s1", "s2"), spec, r)
}

func anyGrant(r *rand.Rand) manifest {
	group, kind := "gateway.networking.k8s.io", pick(r, "HTTPRoute", "HTTPRoute", "GRPCRoute", "Gateway")
	to := pick(r, map[string]any{"group": "", "kind": "Service"}, map[string]any{"group": "meshweir.io", "kind": "GlobalService"}, map[string]any{"group": "", "kind": "Secret"})
	spec := manifest{"from": []any{map[string]any{"group": group, "kind": kind, "namespace": anyNamespaceName(r)}}, "to": []any{to}}
	return object("gateway.networking.k8s.io/v1beta1", "ReferenceGrant", pick(r, "a", "b"), pick(r, "one", "two"), spec, r)
}

func anyNamespace(r *rand.Rand) manifest {
	o := object("v1", "Namespace", "", anyNamespaceName(r), manifest{}, r)
	o["metadata"].(map[string]any)["labels"] = map[string]any{"team": pick(r, "t", "u")}
	return o
}

func anyCertificate(r *rand.Rand) manifest {
	return object("internal.meshweir.io/v1", "Certificate", pick(r, "ingress", "a"), pick(r, "c1", "c2"), manifest{"problem": pick(r, "", "", "broken")}, r)
}

func anyEndpoint(r *rand.Rand) manifest {
	if r.IntN(3) == 0 {
		spec := manifest{"trustRoots": pick(r, []any{}, []any{"aa"}, []any{"bb"}, []any{"aa", "bb"})}
		return object("internal.meshweir.io/v1", "Mesh", "istio-system", "istio-ca-root-cert", spec, r)
	}
	spec := manifest{"network": "n", "locality": pick(r, "", "eu/a")}
	if r.IntN(3) > 0 {
		spec["addresses"] = []any{pick(r, "192.0.2.9", "192.0.2.8")}
	}
	return object("internal.meshweir.io/v1", "GatewayEndpoint", "eastwest", pick(r, "e1", "e2"), spec, r)
}

func anyClass(r *rand.Rand) manifest {
	return object("gateway.networking.k8s.io/v1", "GatewayClass", "", pick(r, "meshweir", "other"),
		manifest{"controllerName": pick(r, "meshweir.io/gateway-controller", "meshweir.io/gateway-controller", "example.com/x")}, r)
}

func anyConfigMap(r *rand.Rand) manifest {
	o := object("v1", "ConfigMap", pick(r, "ingress", "a"), "params", manifest{}, r)
	o["data"] = map[string]any{"selector": pick(r, "istio: special", "istio: ingressgateway", "nonsense")}
	return o
}

func anyWorkspace(r *rand.Rand) manifest {
	name, spec := pick(r, "default", "w1", "w2"), manifest{}
	if name != "default" {
		member := map[string]any{"namespaces": []any{pick(r, "a", "b", "ingress", "eastwest", "*")}}
		if r.IntN(3) == 0 {
			member = map[string]any{"labels": map[string]any{"team": "t"}}
		}
		if r.IntN(4) == 0 {
			member["clusters"] = []any{pick(r, "east", "west")}
		}
		spec["members"] = []any{member}
	}
	for _, side := range []string{"exports", "imports"} {
		if r.IntN(3) > 0 {
			share := map[string]any{"workspace": pick(r, "*", "default", "w1", "w2")}
			if r.IntN(3) == 0 {
				share["kinds"] = []any{pick(r, "GlobalService", "Service", "Gateway")}
			}
			spec[side] = []any{share}
		}
	}
	return object("meshweir.io/v1alpha1", "Workspace", "", name, spec, r)
}

// anyBroken returns an object that cannot be read.
func anyBroken(r *rand.Rand) manifest {
	o := pick(r, anyGateway, anyRoute, anyGRPCRoute, anyService, anyGlobalService, anyEndpoint, anyWorkspace)(r)
	spec := o["spec"].(map[string]any)
	for _, field := range []string{"listeners", "rules", "ports", "addresses", "members"} {
		if _, ok := spec[field]; ok {
			spec[field] = "broken"
		}
	}
	return o
}
