package scale

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meshweir/meshweir/pipeline/pipelinetest/sample"
)

// part makes the fleet smaller, for a look at where the time goes.
var part = flag.Int("part", 1, "make the fleet that many times smaller, up to 10")

const clusters = 10

// What each cluster has. It is home to the globals.
func pods() int    { return 1000 / *part }
func routes() int  { return 100 / *part }
func globals() int { return 100 / *part }

// fleet is folders of manifests. Each GlobalService has a Service in its home and in the next cluster; those of the
// first cluster are for all clusters, so that 1,000 ServiceEntries depend on the address of its east-west gateway:
// 9 times 100 for its own, and 100 for those whose second Service it has.
type fleet struct {
	b   testing.TB
	dir string
}

func name(i int) string { return fmt.Sprintf("c%02d", i%clusters) }

func newFleet(b testing.TB) *fleet {
	b.Helper()
	f := &fleet{b, filepath.Join(b.TempDir(), "clusters")}
	pod, err := os.ReadFile("../../pipeline/keyspace/testdata/objects/pod.json")
	if err != nil {
		b.Fatal(err)
	}
	for c := range clusters {
		f.write(c, "base", f.base(c)...)
		f.gateway(c, 1)
		for file := range pods() / 100 {
			var documents []string
			for p := range 100 {
				n := uint64(c*pods() + file*100 + p)
				documents = append(documents, sample.Fill(string(pod), rand.New(rand.NewPCG(n, 1)),
					"{NAME}", fmt.Sprint("app-", n), "{NAMESPACE}", "shop", "{HASH}", fmt.Sprintf("%08x", n), "{POD}", fmt.Sprintf("%05x", n), "{TIME}", "2026-03-01T10:00:00Z"))
			}
			f.write(c, fmt.Sprint("pods-", file), documents...)
		}
		var services []string
		for g := range globals() {
			services = append(services, service(global(c, g)), service(global((c+clusters-1)%clusters, g)))
			f.globalService(c, g, 5)
		}
		for r := range routes() {
			services = append(services, service(fmt.Sprint("local-", r)))
			f.route(c, r, 90)
		}
		f.write(c, "services", services...)
	}
	return f
}

// write replaces a file as a whole.
func (f *fleet) write(cluster int, file string, documents ...string) {
	f.b.Helper()
	path := filepath.Join(f.dir, name(cluster), file+".yaml")
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(f.dir+"-new", []byte(strings.Join(documents, "\n---\n")), 0o600)
	}
	if err == nil {
		err = os.Rename(f.dir+"-new", path)
	}
	if err != nil {
		f.b.Fatal(err)
	}
}

func (f *fleet) base(c int) []string {
	return []string{
		"apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}",
		fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: kube-system, uid: uid-of-%s}", name(c)),
		"apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: meshweir}\nspec: {controllerName: meshweir.io/gateway-controller}",
		"apiVersion: v1\nkind: Service\nmetadata: {name: proxy, namespace: shop}\nspec: {selector: {istio: ingressgateway}, ports: [{name: http, port: 80}]}",
		"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: web, namespace: shop}\nspec: {gatewayClassName: meshweir, listeners: [{name: http, port: 80, protocol: HTTP}]}",
	}
}

func global(home, g int) string { return fmt.Sprintf("global-%s-%d", name(home), g) }

func service(name string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: shop}\nspec: {selector: {app: x}, ports: [{name: http, port: 8080}]}", name)
}

// gateway writes the east-west gateway of a cluster, at an address of its own and of the version.
func (f *fleet) gateway(c, version int) {
	f.write(c, "eastwest", fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {name: eastwest, namespace: shop, labels: {istio: eastwestgateway, topology.istio.io/network: %s}}
spec: {type: LoadBalancer, selector: {istio: eastwestgateway}, ports: [{name: tls, port: 15443}]}
status: {loadBalancer: {ingress: [{ip: 192.0.%d.%d}]}}`, name(c), c, version))
}

// globalService writes one of a cluster. How many errors it bears is in the DestinationRule of each client.
func (f *fleet) globalService(c, g, errors int) {
	clients := ""
	if c == 0 {
		clients = "\n  clientClusters: ['*']"
	}
	f.write(c, fmt.Sprint("global-", g), fmt.Sprintf(`apiVersion: meshweir.io/v1alpha1
kind: GlobalService
metadata: {name: %[1]s, namespace: shop}
spec:
  host: %[1]s.global
  services: [{name: %[1]s}]
  ports: [{name: http, port: 8080}]
  outlierDetection: {consecutiveErrors: %[2]d}%[3]s`, global(c, g), errors, clients))
}

// route writes a route of a cluster, which has a host, and so a VirtualService, of its own. Every tenth sends a share to a GlobalService.
func (f *fleet) route(c, r, weight int) {
	backend := ""
	if r%10 == 0 {
		backend = fmt.Sprintf(", {group: meshweir.io, kind: GlobalService, name: %s, port: 8080, weight: 10}", global(c, r))
	}
	f.write(c, fmt.Sprint("route-", r), fmt.Sprintf(`apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: route-%[1]d, namespace: shop}
spec:
  parentRefs: [{name: web}]
  hostnames: [host-%[1]d.example.com]
  rules:
    - backendRefs: [{name: local-%[1]d, port: 8080, weight: %[2]d}%[3]s]
    - matches: [{path: {value: /v2}}]
      backendRefs: [{name: local-%[1]d, port: 8080}]
      timeouts: {request: %[2]ds}`, r, weight, backend))
}
