package istio_test

import (
	"bytes"
	"strings"
	"testing"

	"istio.io/istio/pilot/test/xds"
	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/schemas/resource"
)

// difference is where istiod's own gateway controller answers another way than Meshweir's output, and why.
type difference struct {
	Answer string `json:"answer"`
	Why    string `json:"why"`
}

// TestIstiodsOwnControllerAgrees gives istiod the Gateways and routes of golden
// cases as its own, and asks for the same as the probes. Where it answers
// another way, testdata/differences.yaml says why.
func TestIstiodsOwnControllerAgrees(t *testing.T) {
	var differences map[string]map[string]difference
	readYAML(t, "testdata/differences.yaml", &differences)
	for name, clusters := range readProbes(t) {
		g := readGolden(t, name)
		for cluster, probes := range clusters {
			if strings.HasPrefix(name, "global-service") {
				continue // no other controller knows GlobalServices
			}
			t.Run(name+"/"+cluster, func(t *testing.T) {
				proxies := istiodsOwn(t, g.in[cluster].Objects)
				for _, p := range probes {
					got := ask(t, proxies, p.request)
					d, differs := differences[name][p.request]
					switch {
					case differs && got == p.answer:
						t.Errorf("%s\nthere is no difference any more: %s", p.request, got)
					case differs && got != d.Answer:
						t.Errorf("%s\n got %s\nwant %s, as testdata/differences.yaml says", p.request, got, d.Answer)
					case !differs && got != p.answer:
						t.Errorf("%s\nistiod   %s\nMeshweir %s", p.request, got, p.answer)
					}
				}
			})
		}
	}
}

// istiodsOwn returns the gateway of a cluster whose Gateways are of the class istio and served by the Service in front of it.
func istiodsOwn(t *testing.T, objects []object) []*proxy {
	t.Helper()
	m := &mesh{t: t}
	documents := [][]byte{[]byte(`{apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: {name: istio}, spec: {controllerName: istio.io/gateway-controller}}`)}
	for _, o := range objects {
		if h := o.head(); h.group() == resource.GatewayGroup && h.Kind != "GatewayClass" {
			documents = append(documents, forIstiod(t, o))
			continue
		}
		m.addObject(o)
	}
	m.server = xds.NewFakeDiscoveryServer(t, xds.FakeOptions{
		KubernetesObjects:      append(m.objects, m.endpoints()...),
		KubernetesObjectString: string(bytes.Join(documents, []byte("\n---\n"))),
	})
	return []*proxy{m.gateway("istio-ingress", map[string]string{"istio": "ingressgateway"})}
}

// forIstiod returns an object of the Gateway API as one of istiod's class.
func forIstiod(t *testing.T, o object) []byte {
	t.Helper()
	copied := object{}
	if err := yaml.Unmarshal(o.json(), &copied); err != nil {
		t.Fatal(err)
	}
	if copied["kind"] == "Gateway" {
		spec := copied["spec"].(map[string]any)
		spec["gatewayClassName"] = "istio"
		spec["addresses"] = []any{map[string]any{"type": "Hostname", "value": "ingress.istio-ingress.svc.cluster.local"}}
	}
	return copied.json()
}
