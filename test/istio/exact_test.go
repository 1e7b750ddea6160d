package istio_test

import (
	"fmt"
	"slices"
	"testing"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"github.com/google/go-cmp/cmp"
	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/test/xdstest"
	"istio.io/istio/pkg/config"
	corev1 "k8s.io/api/core/v1"
)

// virtual is a VirtualService that was written, and the names of its rules that were served.
type virtual struct {
	name   string
	spec   *networking.VirtualService
	served map[string]bool
}

// virtualServices returns the VirtualServices for gateways.
func (m *mesh) virtualServices() []virtual {
	var found []virtual
	for _, cfg := range m.configs {
		if spec, ok := cfg.Spec.(*networking.VirtualService); ok && len(spec.Gateways) > 0 {
			found = append(found, virtual{cfg.Namespace + "/" + cfg.Name, spec, map[string]bool{}})
		}
	}
	return found
}

// checkRoutes checks that the virtual hosts of a gateway have the rules of the
// VirtualServices for exactly that host and no others, and that each rule leads to
// exactly the clusters that it names, with their weights.
func checkRoutes(t *testing.T, p *proxy, written []virtual) {
	t.Helper()
	for _, config := range p.Routes {
		for _, host := range config.VirtualHosts {
			for _, domain := range host.Domains {
				for _, r := range host.Routes {
					var rule *networking.HTTPRoute
					for _, v := range written {
						if i := slices.IndexFunc(v.spec.Http, func(h *networking.HTTPRoute) bool { return h.Name == r.Name }); i >= 0 && slices.Contains(v.spec.Hosts, domain) {
							rule, v.served[r.Name] = v.spec.Http[i], true
						}
					}
					if rule == nil {
						t.Errorf("%s: the host %s has the rule %s, which no VirtualService has for it", config.Name, domain, r.Name)
						continue
					}
					if diff := cmp.Diff(wantedWeights(rule), weights(r)); diff != "" {
						t.Errorf("%s: the rule %s of the host %s leads elsewhere (-written +served):\n%s", config.Name, r.Name, domain, diff)
					}
				}
			}
		}
	}
}

// wantedWeights returns the clusters that a rule names; of a single one the weight is of no importance.
func wantedWeights(rule *networking.HTTPRoute) map[string]uint32 {
	found := map[string]uint32{}
	for _, d := range rule.Route {
		found[fmt.Sprintf("outbound|%d||%s", d.Destination.Port.Number, d.Destination.Host)] += uint32(d.Weight)
	}
	if len(rule.Route) == 1 {
		for name := range found {
			found[name] = 1
		}
	}
	return found
}

func weights(r *route.Route) map[string]uint32 {
	found := map[string]uint32{}
	if name := r.GetRoute().GetCluster(); name != "" {
		found[name] = 1
	}
	for _, part := range r.GetRoute().GetWeightedClusters().GetClusters() {
		found[part.Name] += part.GetWeight().GetValue()
	}
	return found
}

// checkServed checks that every rule of every VirtualService was served, but for those behind one that takes every request.
func checkServed(t *testing.T, written []virtual) {
	t.Helper()
	for _, v := range written {
		taken := map[uint32]bool{} // by port; 0 stands for all
		for _, rule := range v.spec.Http {
			behind := taken[0] || !slices.ContainsFunc(rule.Match, func(m *networking.HTTPMatchRequest) bool { return !taken[m.Port] })
			if !behind && !v.served[rule.Name] {
				t.Errorf("no proxy serves the rule %s of the VirtualService %s", rule.Name, v.name)
			}
			for _, m := range rule.Match {
				if m.Uri.GetPrefix() == "/" && len(m.Headers)+len(m.QueryParams) == 0 && m.Method == nil {
					taken[m.Port] = true
				}
			}
		}
	}
}

// checkEndpoints checks that a proxy has, for each port of each ServiceEntry, a
// cluster with exactly its endpoints; but where it is not exported to the proxy's namespace, none.
func (m *mesh) checkEndpoints(t *testing.T, p *proxy) {
	t.Helper()
	clusters := xdstest.ExtractClusters(p.Clusters)
	for _, cfg := range m.configs {
		entry, ok := cfg.Spec.(*networking.ServiceEntry)
		if !ok || entry.Resolution != networking.ServiceEntry_DNS {
			continue // what we write is resolved by DNS
		}
		for _, port := range entry.Ports {
			name := fmt.Sprintf("outbound|%d||%s", port.Number, entry.Hosts[0])
			var want []string
			if sees(p.node.ConfigNamespace, cfg, entry.ExportTo) {
				for _, e := range entry.Endpoints {
					want = append(want, fmt.Sprintf("%s:%d", e.Address, e.Ports[port.Name]))
				}
				if len(want) == 0 {
					want = []string{fmt.Sprintf("%s:%d", entry.Hosts[0], port.Number)}
				}
			} else if m.exported(entry.Hosts[0], p.node.ConfigNamespace) {
				continue // by another ServiceEntry
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, sortedAddresses(clusters[name])); diff != "" {
				t.Errorf("endpoints of the cluster %s (-written +served):\n%s", name, diff)
			}
		}
	}
}

// exported reports whether a ServiceEntry for the host is exported to the namespace.
func (m *mesh) exported(host, namespace string) bool {
	return slices.ContainsFunc(m.configs, func(cfg config.Config) bool {
		entry, ok := cfg.Spec.(*networking.ServiceEntry)
		return ok && entry.Hosts[0] == host && sees(namespace, cfg, entry.ExportTo)
	})
}

func sees(namespace string, cfg config.Config, exportTo []string) bool {
	return len(exportTo) == 0 || slices.Contains(exportTo, namespace) || cfg.Namespace == namespace && slices.Contains(exportTo, ".")
}

func sortedAddresses(c *cluster.Cluster) []string {
	if c == nil {
		return nil
	}
	found := addresses(c)
	slices.Sort(found)
	return found
}

// outsiders returns sidecars in the namespaces that have no Service, where something is exported to some namespaces only.
func (m *mesh) outsiders() []*proxy {
	limited := slices.ContainsFunc(m.configs, func(cfg config.Config) bool {
		entry, ok := cfg.Spec.(*networking.ServiceEntry)
		return ok && len(entry.ExportTo) > 1
	})
	if !limited {
		return nil
	}
	found := []*proxy{m.sidecar("elsewhere", map[string]string{"app": "any"})}
	for _, o := range m.objects {
		namespace, ok := o.(*corev1.Namespace)
		if ok && !slices.ContainsFunc(m.services(), func(s *corev1.Service) bool { return s.Namespace == namespace.Name }) {
			found = append(found, m.sidecar(namespace.Name, map[string]string{"app": "any"}))
		}
	}
	return found
}
