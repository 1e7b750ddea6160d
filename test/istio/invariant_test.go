package istio_test

import (
	"testing"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/test/xdstest"

	"github.com/meshweir/meshweir/test/istio/envoy"
)

// TestGoldenOutputsHold gives istiod what each cluster of each golden case has
// once Meshweir has written, and checks for every gateway and a sidecar in every
// namespace: what they get is valid, each cluster that a route names exists, no
// cluster of ours is without endpoints, and hosts, rules, weights, clusters and
// endpoints are exactly those that were written.
func TestGoldenOutputsHold(t *testing.T) {
	judged := 0
	for _, name := range goldenCases(t) {
		g := readGolden(t, name)
		for clusterName := range g.in {
			judged++
			t.Run(name+"/"+clusterName, func(t *testing.T) {
				m := newMesh(t, g.state(clusterName))
				written := m.virtualServices()
				for _, p := range append(m.proxies(), m.outsiders()...) {
					t.Run(p.name(), func(t *testing.T) {
						checkProxy(t, p)
						m.checkEndpoints(t, p)
						if p.node.Type == model.Router {
							checkRoutes(t, p, written)
						}
					})
				}
				checkServed(t, written)
			})
		}
	}
	if judged < 50 {
		t.Errorf("judged %d clusters, want 50 or more", judged)
	}
}

func checkProxy(t *testing.T, p *proxy) {
	t.Helper()
	xdstest.ValidateListeners(t, p.Listeners)
	xdstest.ValidateRouteConfigurations(t, p.Routes)
	xdstest.ValidateClusters(t, p.Clusters)
	clusters := xdstest.ExtractClusters(p.Clusters)
	for _, name := range envoy.References(p.Listeners, p.Routes) {
		c, ok := clusters[name]
		if !ok {
			t.Errorf("the cluster %s is named and does not exist", name)
			continue
		}
		if isDNS(c) && len(addresses(c)) == 0 {
			t.Errorf("the cluster %s has no endpoint", name)
		}
	}
}

func isDNS(c *cluster.Cluster) bool {
	return c.GetType() == cluster.Cluster_STRICT_DNS || c.GetType() == cluster.Cluster_LOGICAL_DNS || c.GetClusterType() != nil
}

// addresses returns the endpoints of a cluster that holds them itself.
func addresses(c *cluster.Cluster) []string {
	return xdstest.ExtractEndpoints(c.LoadAssignment)
}
