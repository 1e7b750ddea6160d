package translator_test

import (
	"fmt"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/translator"
)

// bigFleet makes clusters that each have a Gateway, an east-west gateway and a
// share of the routes, and GlobalServices with a Service in two clusters each.
// Every tenth route sends a share of its traffic to a GlobalService.
func bigFleet(clusters, routes, globals int) fleet {
	f := fleet{Clusters: map[string]*fleetCluster{}}
	name := func(i int) string { return fmt.Sprintf("c%02d", i%clusters) }
	add := func(cluster string, objects ...manifest) {
		f.Clusters[cluster].Objects = append(f.Clusters[cluster].Objects, objects...)
	}
	for i := range clusters {
		f.Clusters[name(i)] = &fleetCluster{}
		add(name(i),
			plain("v1", "Service", "ingress", "proxy", manifest{"selector": map[string]any{"istio": "ingressgateway"}, "ports": ports(80)}),
			plain("internal.meshweir.io/v1", "GatewayEndpoint", "eastwest", "ew", manifest{
				"addresses": []any{fmt.Sprintf("192.0.2.%d", i+1)}, "network": name(i), "locality": "eu/" + name(i),
			}),
			plain("gateway.networking.k8s.io/v1", "Gateway", "ingress", "web", manifest{
				"gatewayClassName": "meshweir",
				"listeners": []any{map[string]any{
					"name": "http", "port": 80, "protocol": "HTTP",
					"allowedRoutes": map[string]any{"namespaces": map[string]any{"from": "All"}},
				}},
			}))
	}
	for i := range globals {
		service := fmt.Sprintf("global-%d", i)
		for _, cluster := range []string{name(i), name(i + 1)} {
			add(cluster, plain("v1", "Service", "shop", service, manifest{"ports": ports(8080)}))
		}
		add(name(0), plain("meshweir.io/v1alpha1", "GlobalService", "shop", service, manifest{
			"host": service + ".global", "services": []any{map[string]any{"name": service}},
			"ports": []any{map[string]any{"name": "http", "port": 8080}},
		}))
	}
	for i := range routes {
		add(name(i), plain("v1", "Service", "shop", fmt.Sprintf("local-%d", i), manifest{"ports": ports(8080)}), bigRoute(i, globals, "/v1"))
	}
	return f
}

// bigRoute is one of the routes of bigFleet. Four routes share a host.
func bigRoute(i, globals int, path string) manifest {
	backends := []any{map[string]any{"name": fmt.Sprintf("local-%d", i), "port": 8080, "weight": 9}}
	if i%10 == 0 && globals > 0 {
		backends = append(backends, map[string]any{
			"group": "meshweir.io", "kind": "GlobalService", "name": fmt.Sprintf("global-%d", i%globals), "port": 8080,
		})
	}
	return plain("gateway.networking.k8s.io/v1", "HTTPRoute", "shop", fmt.Sprintf("route-%d", i), manifest{
		"parentRefs": []any{map[string]any{"name": "web", "namespace": "ingress"}},
		"hostnames":  []any{fmt.Sprintf("host-%d.example.com", i/40)},
		"rules": []any{
			map[string]any{"matches": []any{map[string]any{"path": map[string]any{"value": fmt.Sprintf("%s/%d", path, i)}}}, "backendRefs": backends},
			map[string]any{
				"matches": []any{map[string]any{
					"path":    map[string]any{"type": "Exact", "value": fmt.Sprintf("/login/%d", i)},
					"headers": []any{map[string]any{"name": "X-Version", "value": "2"}},
				}},
				"filters": []any{map[string]any{"type": "URLRewrite", "urlRewrite": map[string]any{
					"path": map[string]any{"type": "ReplaceFullPath", "replaceFullPath": "/login"},
				}}},
				"backendRefs": backends[:1],
			},
		},
	})
}

func plain(apiVersion, kind, namespace, name string, spec manifest) manifest {
	return manifest{
		"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{"namespace": namespace, "name": name}, "spec": map[string]any(spec),
	}
}

func ports(number int) []any { return []any{map[string]any{"name": "http", "port": number}} }

// engineOf returns an engine that knows the fleet.
func engineOf(inputs translator.Inputs) *translator.Engine {
	e := translator.NewEngine()
	for name, cluster := range inputs.Clusters {
		e.Replace(name, cluster.Objects)
		e.SetComplete(name, cluster.Complete)
	}
	e.Update()
	return e
}

// put tells an engine of one object.
func put(e *translator.Engine, cluster string, object manifest) {
	e.Apply(cluster, translator.Change{Key: object.key().String(), Object: object.decode()})
}

func keyed(kind, group, namespace, name string) resource.Key {
	return resource.Key{Group: group, Kind: kind, Namespace: namespace, Name: name}
}
