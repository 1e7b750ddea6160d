package istio_test

import (
	"testing"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/test/xdstest"
	"istio.io/istio/pkg/config/schema/gvk"

	"github.com/meshweir/meshweir/test/istio/envoy"
)

// TestGoldenOutputsHold gives istiod what each cluster of each golden case has
// once Meshweir has written, and checks for every gateway and a sidecar in every
// namespace: what they get is valid, each cluster that a route names exists, no
// cluster of ours is without endpoints, and no VirtualService was dropped.
func TestGoldenOutputsHold(t *testing.T) {
	judged := 0
	for _, name := range goldenCases(t) {
		g := readGolden(t, name)
		for clusterName := range g.in {
			judged++
			t.Run(name+"/"+clusterName, func(t *testing.T) {
				m := newMesh(t, g.state(clusterName))
				served := map[string]bool{}
				for _, p := range m.proxies() {
					t.Run(p.name(), func(t *testing.T) {
						checkProxy(t, p)
					})
					for _, rc := range p.Routes {
						for _, host := range rc.VirtualHosts {
							for _, r := range host.Routes {
								served[r.Name] = true
							}
						}
					}
				}
				for _, cfg := range m.configs {
					if cfg.GroupVersionKind == gvk.VirtualService && !anyServed(cfg.Spec.(*networking.VirtualService), served) {
						t.Errorf("no proxy serves a rule of the VirtualService %s/%s", cfg.Namespace, cfg.Name)
					}
				}
			})
		}
	}
	if judged < 50 {
		t.Errorf("judged %d clusters, want 50 or more", judged)
	}
}

func anyServed(v *networking.VirtualService, served map[string]bool) bool {
	for _, rule := range v.Http {
		if served[rule.Name] {
			return true
		}
	}
	return false
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
