//go:build !race

package sizes

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// app is what one application consists of: files in the samples of package keyspace, which are of no fleet
// that its dictionary was trained on.
var app = []string{"deployment", "pod", "pod", "pod", "service", "endpointslice"}

const appObjects = "in shares of six: one Deployment, three Pods, one Service, one EndpointSlice"

// folders are the clusters of a fleet, as folders of manifests.
type folders struct {
	t       *testing.T
	dir     string
	samples map[string]string
}

func newFolders(t *testing.T) *folders {
	t.Helper()
	f := &folders{t, t.TempDir(), map[string]string{}}
	for _, kind := range app {
		text, err := os.ReadFile(filepath.Join("..", "..", "pipeline", "keyspace", "testdata", "objects", kind+".json"))
		if err != nil {
			t.Fatal(err)
		}
		f.samples[kind] = string(text)
	}
	return f
}

// write puts a file into a cluster's folder, whole or not at all.
func (f *folders) write(cluster, file string, documents ...string) {
	f.t.Helper()
	path := filepath.Join(f.dir, cluster, file)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path+".new", []byte(strings.Join(documents, "\n---\n")), 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// base writes a cluster that can have applications and routes.
func (f *folders) base(cluster string) (objects int) {
	f.t.Helper()
	f.write(cluster, "base.yaml",
		`{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}`,
		fmt.Sprintf(`{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": "uid-of-%s"}}`, cluster),
		`{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "proxy", "namespace": "shop"},
		  "spec": {"selector": {"istio": "ingressgateway"}, "ports": [{"name": "http", "port": 80}]}}`,
		`{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "meshweir"},
		  "spec": {"controllerName": "meshweir.io/gateway-controller"}}`,
		`{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "web", "namespace": "shop"},
		  "spec": {"gatewayClassName": "meshweir", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}}`)
	return 5
}

// apps writes applications. Another version changes every object of them.
func (f *folders) apps(cluster string, from, to, version int) (objects int) {
	f.t.Helper()
	const inFile = 50
	for at := from; at < to; at += inFile {
		var documents []string
		for i := at; i < min(at+inFile, to); i++ {
			for j, kind := range app {
				documents = append(documents, fill(f.samples[kind], fmt.Sprintf("app-%d", i), uint64(i*len(app)+j), uint64(version)))
			}
		}
		f.write(cluster, fmt.Sprintf("apps-%d.yaml", at), documents...)
	}
	return (to - from) * len(app)
}

// routes writes HTTPRoutes to applications, four to a host. Another version changes each of them.
func (f *folders) routes(cluster string, n, version int) (objects int) {
	f.t.Helper()
	documents := make([]string, n)
	for i := range n {
		documents[i] = fmt.Sprintf(`{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "route-%d", "namespace": "shop"},
			"spec": {"parentRefs": [{"name": "web"}], "hostnames": ["host-%d.example.com"], "rules": [
			 {"matches": [{"path": {"value": "/v%d/%d"}}], "backendRefs": [{"name": "app-%d", "port": 80}]},
			 {"matches": [{"path": {"type": "Exact", "value": "/login/%d"}, "headers": [{"name": "X-Version", "value": "2"}]}],
			  "backendRefs": [{"name": "app-%d", "port": 80}]}]}}`, i, i/4, version, i, i, i, i)
	}
	f.write(cluster, "routes.yaml", documents...)
	return n
}

// fill makes an object of a sample. Version changes what a new Pod, or a new release, changes.
func fill(sample, name string, seed, version uint64) string {
	r := rand.New(rand.NewPCG(seed, version))
	digits := func(n int, alphabet string) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		return string(b)
	}
	stable := fmt.Sprintf("%08x", seed) // in the names of objects
	const hexadecimal = "0123456789abcdef"
	uid := func() string {
		return strings.Join([]string{digits(8, hexadecimal), digits(4, hexadecimal), digits(4, hexadecimal), digits(4, hexadecimal), digits(12, hexadecimal)}, "-")
	}
	address := fmt.Sprintf("%d.%d.%d", r.IntN(256), r.IntN(256), 1+r.IntN(254))
	return compact(strings.NewReplacer(
		"{NAME}", name, "{NAMESPACE}", "shop", "{HASH}", stable, "{POD}", stable[3:], "{UID}", uid(), "{OWNER}", uid(), "{IP}", "10."+address,
		"{NODE}", "ip-10-"+strings.ReplaceAll(address, ".", "-")+".eu-west-1.compute.internal", "{VERSION}", fmt.Sprintf("%d.%d.%d", r.IntN(9), r.IntN(40), version),
		"{NUMBER}", fmt.Sprint(100_000_000+r.IntN(900_000_000)), "{TIME}", "2026-03-01T10:00:00Z", "{DIGEST}", digits(64, hexadecimal), "{DIGEST2}", digits(64, hexadecimal),
	).Replace(sample))
}

func compact(text string) string {
	var object any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		panic(err) // a sample of the repository
	}
	line, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	return string(line)
}
