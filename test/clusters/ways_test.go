package clusters

import (
	"fmt"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/test/ads"
)

// way is one way from a change to a gateway's proxy, and what is compared with
// it: the same for the same proxy, by an object of Istio's that somebody applies
// in the proxy's own cluster.
type way struct {
	name string
	// from is the cluster that is changed, to that of the proxy.
	from, to string
	proxy    ads.Node
	// key is that of the changed object, and resource that of the Istio resource
	// that Meshweir makes of it, whose keys in the output begin with output.
	key, output, resource string
	// ours and byHand are applied, the one in from, the other in to, with a number
	// that differs from round to round.
	ours, byHand func(round int) string
	// has reads what the proxy has of either, as text, and want is what it should have.
	has  func(s ads.State, whose string) string
	want func(whose string, round int) string
}

// Whose a change is.
const (
	meshweir = "meshweir"
	byHand   = "by-hand"
)

func ways() []way {
	ingress := ads.Node{
		Kind: "router", Name: "ingress", Namespace: "istio-ingress", IP: "10.1.0.1", Version: "1.31.0",
		Labels: map[string]string{"istio": "ingressgateway"},
	}
	eastwest := ads.Node{
		Kind: "router", Name: "eastwest", Namespace: "istio-eastwest", IP: "10.1.0.2", Version: "1.31.0",
		Labels: map[string]string{"istio": "eastwestgateway"},
	}
	return []way{
		{
			name: "weights of an HTTPRoute, to the ingress gateway of its cluster",
			from: "east", to: "east", proxy: ingress,
			key: "HTTPRoute.gateway.networking.k8s.io/shop/weighed", output: "VirtualService.", resource: "virtualservices",
			ours: func(round int) string {
				return fmt.Sprintf(`
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: weighed, namespace: shop}
spec:
  parentRefs: [{name: web, namespace: istio-ingress}]
  hostnames: [meshweir.example.com]
  rules:
  - backendRefs:
    - {name: cart, port: 8080, weight: %d}
    - {name: catalog, port: 8080, weight: %d}
`, weight(round), 100-weight(round))
			},
			byHand: func(round int) string {
				return fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: by-hand, namespace: istio-ingress}
spec:
  gateways: [by-hand]
  hosts: [by-hand.example.com]
  http:
  - route:
    - {destination: {host: cart.shop.svc.cluster.local, port: {number: 8080}}, weight: %d}
    - {destination: {host: catalog.shop.svc.cluster.local, port: {number: 8080}}, weight: %d}
`, weight(round), 100-weight(round))
			},
			has: func(s ads.State, whose string) string { return weights(s, whose+".example.com") },
			want: func(_ string, round int) string {
				return fmt.Sprintf("outbound|8080||cart.shop.svc.cluster.local %d, outbound|8080||catalog.shop.svc.cluster.local %d",
					weight(round), 100-weight(round))
			},
		},
		{
			name: "an HTTPRoute to a host of the other cluster, to that cluster's east-west gateway",
			from: "east", to: "west", proxy: eastwest,
			key: "HTTPRoute.gateway.networking.k8s.io/shop/caller", output: "ServiceEntry.", resource: "serviceentries",
			ours: func(round int) string {
				return fmt.Sprintf(`
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: caller, namespace: shop}
spec:
  parentRefs: [{name: web, namespace: istio-ingress}]
  hostnames: [caller.example.com]
  rules:
  - backendRefs: [{group: meshweir.io, kind: GlobalService, name: %s, port: 80}]
`, called(round))
			},
			byHand: func(round int) string {
				return fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: by-hand, namespace: istio-eastwest}
spec:
  hosts: [%[1]s.by-hand.east-west.meshweir.internal]
  location: MESH_INTERNAL
  resolution: DNS
  ports: [{name: http, number: 80, protocol: HTTP}]
  endpoints: [{address: %[1]s.shop.svc.cluster.local, ports: {http: 8080}, labels: {security.istio.io/tlsMode: istio}}]
`, called(round))
			},
			has: func(s ads.State, whose string) string { return passed(s, domain(whose)) },
			want: func(whose string, round int) string {
				names := []string{"outbound_.80_._." + called(round) + domain(whose)}
				if whose == meshweir {
					names = append(names, "outbound_.80_._.catalog"+domain(whose)) // open to all the time
				}
				slices.Sort(names)
				return strings.Join(names, ", ")
			},
		},
		{
			name: "the address of a cluster's east-west gateway, to the other cluster's ingress gateway",
			from: "west", to: "east", proxy: ingress,
			key: "Service/istio-eastwest/eastwest", output: "ServiceEntry.", resource: "serviceentries",
			ours: func(round int) string {
				return fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: eastwest, namespace: istio-eastwest}
spec: {externalIPs: [%s]}
`, address(round))
			},
			byHand: func(round int) string {
				return fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: by-hand, namespace: shop}
spec:
  hosts: [by-hand.global]
  location: MESH_INTERNAL
  resolution: DNS
  ports: [{name: http, number: 80, protocol: HTTP}]
  endpoints:
  - {address: catalog.shop.svc.cluster.local, ports: {http: 8080}}
  - {address: %s, ports: {http: 15443}}
`, address(round))
			},
			has: func(s ads.State, whose string) string {
				return endpoints(s, map[string]string{meshweir: "outbound|80||catalog.global", byHand: "outbound|80||by-hand.global"}[whose])
			},
			want: func(_ string, round int) string {
				return address(round) + ":15443, catalog.shop.svc.cluster.local:8080"
			},
		},
	}
}

func weight(round int) int     { return 1 + round%99 }
func called(round int) string  { return []string{"stock", "price"}[round%2] }
func address(round int) string { return fmt.Sprintf("198.51.100.%d", 30+round%200) }
func domain(whose string) string {
	return map[string]string{meshweir: ".shop", byHand: ".by-hand"}[whose] + ".east-west.meshweir.internal"
}

// weights returns the clusters that a host's requests go to, with their weights.
func weights(s ads.State, host string) string {
	var found []string
	for _, config := range s.Routes {
		for _, virtual := range config.VirtualHosts {
			if !slices.Contains(virtual.Domains, host) {
				continue
			}
			for _, r := range virtual.Routes {
				for _, c := range r.GetRoute().GetWeightedClusters().GetClusters() {
					found = append(found, fmt.Sprintf("%s %d", c.Name, c.Weight.GetValue()))
				}
			}
		}
	}
	return strings.Join(found, ", ")
}

// passed returns the server names below a domain that a gateway passes on to the
// cluster of the same name.
func passed(s ads.State, domain string) string {
	var found []string
	for _, listener := range s.Listeners {
		for _, chain := range listener.FilterChains {
			for _, name := range chain.FilterChainMatch.GetServerNames() {
				if strings.HasSuffix(name, domain) && slices.Contains(clusterNames(s), name) {
					found = append(found, name)
				}
			}
		}
	}
	slices.Sort(found)
	return strings.Join(slices.Compact(found), ", ")
}

// endpoints returns the addresses of a cluster.
func endpoints(s ads.State, name string) string {
	var found []string
	for _, cluster := range s.Clusters {
		if cluster.Name != name {
			continue
		}
		for _, locality := range cluster.LoadAssignment.GetEndpoints() {
			for _, endpoint := range locality.LbEndpoints {
				socket := endpoint.GetEndpoint().GetAddress().GetSocketAddress()
				found = append(found, fmt.Sprintf("%s:%d", socket.GetAddress(), socket.GetPortValue()))
			}
		}
	}
	slices.Sort(found)
	return strings.Join(found, ", ")
}

func clusterNames(s ads.State) []string {
	names := make([]string, len(s.Clusters))
	for i, cluster := range s.Clusters {
		names[i] = cluster.Name
	}
	return names
}
