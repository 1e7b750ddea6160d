package istio_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"github.com/google/go-cmp/cmp"
	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/security/authn"
	"istio.io/istio/pilot/test/xdstest"

	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/insights"
	"github.com/meshweir/meshweir/services/insights/check"
	"github.com/meshweir/meshweir/services/insights/fleet"
	"github.com/meshweir/meshweir/test/istio/envoy"
)

// insightsFolder holds the golden cases of insights. Its own tests prove that each out.yaml is what in.yaml comes to.
const insightsFolder = "../../services/insights/testdata"

// insightFleet is what is known of the clusters of a golden case of insights.
type insightFleet map[string]struct {
	Missing bool     `json:"missing"`
	Member  string   `json:"member"`
	Objects []object `json:"objects"`
}

// insightFleets returns the golden cases of a check, by name.
func insightFleets(t *testing.T, code string) map[string]insightFleet {
	t.Helper()
	folders, err := filepath.Glob(insightsFolder + "/" + code + "-*")
	if err != nil || len(folders) < 10 {
		t.Fatalf("found %d golden cases of %s in %s (%v), want 10 or more", len(folders), code, insightsFolder, err)
	}
	fleets := map[string]insightFleet{}
	for _, folder := range folders {
		var in struct {
			Clusters insightFleet `json:"clusters"`
		}
		readYAML(t, filepath.Join(folder, "in.yaml"), &in)
		fleets[filepath.Base(folder)] = in.Clusters
	}
	return fleets
}

// expected are the objects of the clusters that count.
func (f insightFleet) expected() map[string][]object {
	objects := map[string][]object{}
	for name, c := range f {
		if !c.Missing && c.Member != internalv1.Deregistered {
			objects[name] = c.Objects
		}
	}
	return objects
}

// said is what insights says of clusters that are all seen.
func said(t *testing.T, clusters map[string][]object) map[string]insight.Insight {
	t.Helper()
	e := insights.NewEngine(check.Table(), check.Settings{})
	for name, objects := range clusters {
		e.Fleet.SetState(name, fleet.State{Seen: true})
		for _, o := range objects {
			decoded, err := fleet.Decode(o.head().key(), o.json())
			if err != nil {
				t.Logf("insights ignores %s: %v", o.head().key(), err)
			}
			e.Fleet.Put(name, decoded)
		}
	}
	e.Update(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC))
	return e.Insights()
}

// routers returns a gateway's proxy for each Istio Gateway and each workload.
func (m *mesh) routers(objects []object) []*proxy {
	all := map[string]*proxy{}
	add := func(namespace string, labels map[string]string) {
		if id := namespace + " " + labelText(labels); all[id] == nil {
			all[id] = m.connect(model.Router, namespace, "10.1.0.1", labels)
		}
	}
	for _, cfg := range m.configs {
		if spec, ok := cfg.Spec.(*networking.Gateway); ok {
			add(cfg.Namespace, spec.Selector)
		}
	}
	for _, o := range objects {
		if w := workloadOf(o); w.Labels != nil {
			add(o.head().Metadata.Namespace, w.Labels)
		}
	}
	return slices.Collect(maps.Values(all))
}

// workload is what tells whom policies and gateways select.
type workload struct {
	Labels map[string]string `json:"labels"`
}

// workloadOf returns the Pods' metadata of a Deployment, StatefulSet or DaemonSet; an empty one of anything else.
func workloadOf(o object) workload {
	type spec struct {
		Spec struct {
			Template struct {
				Metadata workload `json:"metadata"`
			} `json:"template"`
		} `json:"spec"`
	}
	if o.head().group() != "apps" {
		return workload{}
	}
	read, err := read[spec](o)
	if err != nil {
		return workload{}
	}
	return read.Spec.Template.Metadata
}

// TestIstioLeavesOutWhatInsightsSays compares CFG0103 with what Istio makes of the Gateways that select the same proxies: which servers it
// leaves out, and which hosts have routes of two Gateways.
func TestIstioLeavesOutWhatInsightsSays(t *testing.T) {
	for name, f := range insightFleets(t, "cfg0103") {
		t.Run(name, func(t *testing.T) {
			for cluster, objects := range f.expected() {
				want := map[string]bool{}
				for _, p := range newMesh(t, objects).routers(objects) {
					for _, loss := range losses(p.node.MergedGateway) {
						want[loss] = true
					}
				}
				got := map[string]bool{}
				for id, s := range said(t, map[string][]object{cluster: objects}) {
					_, detail, _ := strings.Cut(id, "#")
					key, err := resource.ParseKey(s.Target.Object)
					switch port := detail[max(strings.LastIndexAny(detail, ":-"), 0):]; {
					case s.Code != "CFG0103":
					case err != nil:
						t.Error(err)
					case s.Severity == insight.Error:
						got[fmt.Sprintf("%s/%s loses its server at %s", key.Namespace, key.Name, port[1:])] = true
					default:
						got[fmt.Sprintf("%s/%s comes second with %s", key.Namespace, key.Name, detail)] = true
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("in %s insights says something else than Istio does (-Istio +insights):\n%s", cluster, diff)
				}
			}
		})
	}
}

// losses says what Gateways lose to others on a proxy.
func losses(merged *model.MergedGateway) []string {
	if merged == nil {
		return nil
	}
	kept := map[*networking.Server]bool{}
	for _, servers := range merged.MergedServers {
		for _, s := range servers.Servers {
			kept[s] = true
		}
	}
	var lost []string
	for s, gateway := range merged.GatewayNameForServer {
		if !kept[s] {
			lost = append(lost, fmt.Sprintf("%s loses its server at %d", gateway, s.Port.Number))
		}
	}
	for _, servers := range merged.ServersByRouteName {
		first := map[string]string{}
		for _, s := range servers {
			gateway := merged.GatewayNameForServer[s]
			for _, host := range s.Hosts {
				if other, ok := first[host]; !ok {
					first[host] = gateway
				} else if other != gateway {
					lost = append(lost, fmt.Sprintf("%s comes second with %s:%d", gateway, host, s.Port.Number))
				}
			}
		}
	}
	return lost
}

// TestIstioTakesPlaintextWhereInsightsSays compares SEC0109 with the mode that Istio computes, workload by workload. Which workloads are in the
// mesh, webhooks decide: those count that insights speaks of where no policy is.
func TestIstioTakesPlaintextWhereInsightsSays(t *testing.T) {
	judged := 0
	for name, f := range insightFleets(t, "sec0109") {
		t.Run(name, func(t *testing.T) {
			for cluster, objects := range f.expected() {
				if slices.ContainsFunc(objects, func(o object) bool { return o.head().Kind == internalv1.KindUnreadKind }) {
					continue
				}
				policies := newMesh(t, objects).server.PushContext().AuthnPolicies
				for _, o := range objects {
					w := workloadOf(o)
					rest := slices.DeleteFunc(slices.Clone(objects), func(other object) bool {
						return other.head().group() == "apps" && other.head().key() != o.head().key()
					})
					if o.head().group() != "apps" || len(open(t, cluster, withoutPolicies(rest))) == 0 {
						continue
					}
					judged++
					modes := authn.ComposePeerAuthentication(policies.GetRootNamespace(), policies.GetPeerAuthenticationsForWorkload(
						model.PolicyMatcherFor(o.head().Metadata.Namespace, w.Labels, false)))
					if diff := cmp.Diff(openIn(modes), open(t, cluster, rest)); diff != "" {
						t.Errorf("insights says something else of %s in %s than Istio does (-Istio +insights):\n%s", o.head().key(), cluster, diff)
					}
				}
			}
		})
	}
	if judged < 20 {
		t.Errorf("judged %d workloads, want 20 or more", judged)
	}
}

func withoutPolicies(objects []object) []object {
	return slices.DeleteFunc(slices.Clone(objects), func(o object) bool { return o.head().Kind == "PeerAuthentication" })
}

// open is what SEC0109 says takes plaintext: "all", or else ports, "port-8080".
func open(t *testing.T, cluster string, objects []object) []string {
	t.Helper()
	var found []string
	for id, s := range said(t, map[string][]object{cluster: objects}) {
		if s.Code != "SEC0109" {
			continue
		}
		_, port, ok := strings.Cut(id, "#")
		if !ok {
			return []string{"all"}
		}
		found = append(found, port)
	}
	slices.Sort(found)
	return found
}

// openIn is what Istio's modes let take plaintext, as open says it.
func openIn(modes authn.MergedPeerAuthentication) []string {
	if modes.Mode != model.MTLSStrict {
		return []string{"all"}
	}
	var found []string
	for port, mode := range modes.PerPort {
		if mode != model.MTLSStrict {
			found = append(found, fmt.Sprintf("port-%d", port))
		}
	}
	slices.Sort(found)
	return found
}

// TestIstioHasNoClusterWhereInsightsSays compares CFG0101 of VirtualServices with the proxies: a host is found exactly where some proxy's routes lead to
// it, and none of these proxies has a cluster for it. What Meshweir makes of a GlobalService is not there.
func TestIstioHasNoClusterWhereInsightsSays(t *testing.T) {
	for name, f := range insightFleets(t, "cfg0101") {
		t.Run(name, func(t *testing.T) {
			all := f.expected()
			found := map[string]bool{}
			for id, s := range said(t, all) {
				if s.Code == "CFG0101" && strings.HasPrefix(s.Target.Object, "VirtualService.") {
					found[s.Target.Cluster+" "+id[strings.Index(id, "#")+1:]] = true
				}
			}
			for cluster, objects := range all {
				if meshConfigs(objects) > 1 || len(f) > len(all) && len(found) == 0 {
					continue // revisions of Istio are more than one istiod; and of what is not seen, nothing is said
				}
				for host, exists := range leads(t, objects, seenFrom(cluster, all)) {
					id := cluster + " " + host
					if found[id] == exists && !isGlobal(all, host) {
						t.Errorf("routes in %s lead to %s, which exists in Istio: %v; insights finds it missing: %v", cluster, host, exists, found[id])
					}
					delete(found, id)
				}
				for id := range found {
					if strings.HasPrefix(id, cluster+" ") {
						t.Errorf("insights finds %s missing, and no proxy leads there", id)
					}
				}
			}
		})
	}
}

// leads returns the hosts that VirtualServices' routes of proxies lead to, and whether one of these proxies has a cluster for it.
func leads(t *testing.T, own, objects []object) map[string]bool {
	t.Helper()
	hosts := map[string]bool{}
	for to, exists := range leadsTo(t, own, objects) {
		hosts[to.host] = hosts[to.host] || exists
	}
	return hosts
}

// leg is where a route leads; subset is empty for a host as a whole.
type leg struct{ host, subset string }

// leadsTo returns where VirtualServices' routes of proxies lead to, and whether one of these proxies has a cluster for it.
func leadsTo(t *testing.T, own, objects []object) map[leg]bool {
	t.Helper()
	m := newMesh(t, objects)
	proxies := append(m.routers(own), m.sidecar("elsewhere", nil))
	namespaces := map[string]bool{}
	for _, o := range own {
		if namespace := o.head().Metadata.Namespace; namespace != "" && !namespaces[namespace] {
			namespaces[namespace] = true
			proxies = append(proxies, m.sidecar(namespace, nil))
		}
	}
	legs := map[leg]bool{}
	for _, p := range proxies {
		clusters := xdstest.ExtractClusters(p.Clusters)
		for _, name := range envoy.References(nil, m.routed(p)) {
			if direction, subset, host, _ := model.ParseSubsetKey(name); direction == model.TrafficDirectionOutbound {
				to := leg{string(host), subset}
				legs[to] = legs[to] || clusters[name] != nil
			}
		}
	}
	return legs
}

// routed are the routes of a proxy for the hosts of VirtualServices; a Service's own are left out.
func (m *mesh) routed(p *proxy) []*route.RouteConfiguration {
	var hosts []string
	for _, cfg := range m.configs {
		if spec, ok := cfg.Spec.(*networking.VirtualService); ok {
			hosts = append(hosts, spec.Hosts...)
		}
	}
	var found []*route.RouteConfiguration
	for _, config := range p.Routes {
		of := slices.DeleteFunc(slices.Clone(config.VirtualHosts), func(v *route.VirtualHost) bool {
			return !slices.ContainsFunc(v.Domains, func(domain string) bool { return slices.Contains(hosts, domain) })
		})
		found = append(found, &route.RouteConfiguration{VirtualHosts: of})
	}
	return found
}

// seenFrom are the objects that an istiod of a cluster sees of a fleet: its own, and Services of the others. All have a port, and so has a Service
// that everybody sees, without which a sidecar has no routes at all.
func seenFrom(cluster string, clusters map[string][]object) []object {
	seen := []object{{
		"apiVersion": "v1", "kind": "Service",
		"metadata": map[string]any{"namespace": "base", "name": "base", "annotations": map[string]any{"networking.istio.io/exportTo": "*"}},
	}}
	keys := map[string]bool{}
	for _, name := range append([]string{cluster}, slices.Sorted(maps.Keys(clusters))...) {
		for _, o := range clusters[name] {
			_, err := toConfig(o)
			unreadable := strings.HasSuffix(o.head().group(), ".istio.io") && err != nil // which no API server takes
			if key := o.head().key(); !unreadable && !keys[key] && (name == cluster || o.head().Kind == "Service") && o.head().Metadata.Labels[resource.ManagedByLabel] == "" {
				keys[key] = true
				seen = append(seen, o)
			}
		}
	}
	for i, o := range seen {
		spec, _ := o["spec"].(map[string]any)
		spec = maps.Clone(spec)
		switch o.head().Kind {
		case "Service":
			spec = map[string]any{"ports": []any{map[string]any{"name": "http", "port": 80}}}
		case "ServiceEntry":
			spec["ports"], spec["resolution"] = []any{map[string]any{"name": "http", "number": 80, "protocol": "HTTP"}}, "DNS"
			if strings.Contains(fmt.Sprint(spec["hosts"]), "*") {
				spec["resolution"] = "NONE"
			}
		}
		seen[i] = maps.Clone(o)
		seen[i]["spec"] = spec
	}
	return seen
}

func meshConfigs(objects []object) int {
	count := 0
	for _, o := range objects {
		if o.meshConfig() != "" {
			count++
		}
	}
	return count
}

func isGlobal(clusters map[string][]object, host string) bool {
	for _, objects := range clusters {
		for _, o := range objects {
			if spec, _ := o["spec"].(map[string]any); o.head().Kind == "GlobalService" && spec["host"] == host {
				return true
			}
		}
	}
	return false
}
