package istio_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	tls "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"github.com/google/go-cmp/cmp"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/simulation"
	"istio.io/istio/pilot/test/xdstest"

	"github.com/meshweir/meshweir/schemas/internalv1"
)

// TestEastWestGatewaysLetClientsIn follows each call of a GlobalService through
// the fleet of each golden case: what a client's proxy sends to the address of
// another cluster's east-west gateway, that gateway passes on to the cluster's
// own Services, and to nothing else.
func TestEastWestGatewaysLetClientsIn(t *testing.T) {
	followed := 0
	for _, name := range goldenCases(t) {
		g := readGolden(t, name)
		gateways := eastWestGateways(t, g)
		if len(gateways) == 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			meshes := map[string]*mesh{}
			for clusterName := range g.out {
				meshes[clusterName] = newMesh(t, g.state(clusterName))
			}
			for client, m := range meshes {
				for _, p := range m.proxies() {
					for _, c := range p.Clusters {
						if !strings.Contains(sni(t, c), ".east-west.") {
							continue
						}
						for _, address := range addresses(c) {
							host, _, _ := strings.Cut(address, ":")
							provider := gateways[host]
							if meshes[provider] == nil || provider == client {
								continue // its own Service, or a cluster that is not there
							}
							followed++
							checkCrossing(t, meshes[provider], sni(t, c))
						}
					}
				}
			}
		})
	}
	if followed < 20 {
		t.Errorf("followed %d calls, want 20 or more", followed)
	}
}

// eastWestGateways returns the clusters by the addresses of their east-west gateways.
func eastWestGateways(t *testing.T, g golden) map[string]string {
	t.Helper()
	found := map[string]string{}
	for name, c := range g.in {
		for _, o := range c.Objects {
			if o.head().Kind != internalv1.KindGatewayEndpoint || c.Missing {
				continue
			}
			endpoint, err := read[internalv1.GatewayEndpoint](o)
			if err != nil {
				t.Fatal(err)
			}
			for _, address := range endpoint.Spec.Addresses {
				found[address] = name
			}
		}
	}
	return found
}

// checkCrossing checks that an east-west gateway of the cluster passes on mutual TLS to the name, and that nothing else gets in.
func checkCrossing(t *testing.T, m *mesh, name string) {
	t.Helper()
	call := simulation.Call{
		Port: internalv1.EastWestPort, Protocol: simulation.HTTP, TLS: simulation.MTLS, Sni: name, CallMode: simulation.CallModeGateway,
	}
	for _, p := range m.proxies() {
		if p.node.Type != model.Router {
			continue
		}
		result := p.Run(call)
		if errors.Is(result.Error, simulation.ErrNoListener) {
			continue // a gateway for other things
		}
		if result.Error != nil || result.ClusterMatched != name {
			t.Errorf("%s: for the SNI %s: got cluster %q, %v", p.name(), name, result.ClusterMatched, result.Error)
			return
		}
		c := p.clusterNamed(t, name)
		got := addresses(c)
		if len(got) == 0 || slices.ContainsFunc(got, func(a string) bool { return !strings.Contains(a, ".svc.cluster.local:") }) {
			t.Errorf("%s: cluster %s leads to %q, want Services of its own cluster", p.name(), name, got)
		}
		if c.TransportSocket != nil || len(c.TransportSocketMatches) > 0 {
			t.Errorf("%s: cluster %s begins TLS of its own, want the client's passed on", p.name(), name)
		}
		for what, change := range map[string]func(*simulation.Call){
			"the GlobalService's own host": func(c *simulation.Call) { c.Sni = "catalog.global" },
			"a Service":                    func(c *simulation.Call) { c.Sni = "outbound_.8080_._.catalog.shop.svc.cluster.local" },
			"TLS that is not Istio's":      func(c *simulation.Call) { c.TLS = simulation.TLS },
		} {
			other := call
			change(&other)
			if result := p.Run(other); !errors.Is(result.Error, simulation.ErrNoFilterChain) {
				t.Errorf("%s lets in %s, to %q, %v", p.name(), what, result.ClusterMatched, result.Error)
			}
		}
		return
	}
	t.Errorf("no gateway listens on port %d", internalv1.EastWestPort)
}

// sni returns the server name that a cluster sends, and "" when it has no TLS.
func sni(t *testing.T, c *cluster.Cluster) string {
	t.Helper()
	if c.TransportSocket == nil {
		return ""
	}
	return xdstest.UnmarshalAny[tls.UpstreamTlsContext](t, c.TransportSocket.GetTypedConfig()).Sni
}

// TestEndpointsAreTriedByDistance asserts in which order the proxies of a cluster try the endpoints of a GlobalService.
func TestEndpointsAreTriedByDistance(t *testing.T) {
	for _, test := range []struct {
		name, golden, cluster string
		want                  [][]string // by priority
	}{
		{
			"a client in a provider's cluster, region eu-west and zone a", "global-service", "east",
			[][]string{{"catalog.shop.svc.cluster.local:8080"}, {"198.51.100.2:31443", "gw.example.com:31443"}},
		},
		{
			"a client in a provider's cluster, region us-east", "global-service", "west",
			[][]string{{"catalog.shop.svc.cluster.local:8080"}, {"198.51.100.1:15443"}},
		},
		{
			"a client in a third cluster, region eu-west and zone c", "global-service", "mgmt",
			[][]string{{"198.51.100.1:15443"}, {"198.51.100.2:31443", "gw.example.com:31443"}},
		},
		{
			"other clusters in the zone and in the region", "global-service-distance", "east",
			[][]string{{"catalog.shop.svc.cluster.local:80"}, {"198.51.100.2:15443"}, {"198.51.100.3:15443"}, {"198.51.100.4:15443", "198.51.100.5:15443"}},
		},
		{
			"a client whose place is unknown", "global-service-distance", "nowhere",
			[][]string{
				{"catalog.shop.svc.cluster.local:80"},
				{"198.51.100.1:15443", "198.51.100.2:15443", "198.51.100.3:15443", "198.51.100.4:15443"},
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newMesh(t, readGolden(t, test.golden).state(test.cluster))
			for _, p := range []*proxy{m.sidecar("shop", map[string]string{"app": "any"}), m.gateway("istio-ingress", map[string]string{"istio": "ingressgateway"})} {
				c := p.clusterNamed(t, "outbound|80||catalog.global")
				if diff := cmp.Diff(test.want, byPriority(c)); diff != "" {
					t.Errorf("%s: endpoints by priority (-want +got):\n%s", p.name(), diff)
				}
				if !isDNS(c) || c.OutlierDetection.GetConsecutive_5Xx().GetValue() != 5 {
					t.Errorf("%s: got type %v and outlier detection %v, want DNS and 5 errors", p.name(), c.GetType(), c.OutlierDetection)
				}
			}
		})
	}
}

func byPriority(c *cluster.Cluster) [][]string {
	var all [][]string
	for _, group := range c.LoadAssignment.GetEndpoints() {
		for len(all) <= int(group.Priority) {
			all = append(all, nil)
		}
		for _, e := range group.LbEndpoints {
			all[group.Priority] = append(all[group.Priority], addressOf(e))
		}
	}
	for _, group := range all {
		slices.Sort(group)
	}
	return all
}

func addressOf(e *endpoint.LbEndpoint) string {
	socket := e.GetEndpoint().GetAddress().GetSocketAddress()
	return fmt.Sprintf("%s:%d", socket.GetAddress(), socket.GetPortValue())
}
