//go:build !race

package sizes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meshweir/meshweir/pipeline/pipelinetest/sample"
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
		var compact bytes.Buffer
		if err := json.Compact(&compact, text); err != nil {
			t.Fatal(err)
		}
		f.samples[kind] = compact.String()
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
func fill(template, name string, seed, version uint64) string {
	id := fmt.Sprintf("%08x", seed) // in the names of objects, which stay
	return sample.Fill(template, rand.New(rand.NewPCG(seed, version)),
		"{NAME}", name, "{NAMESPACE}", "shop", "{HASH}", id, "{POD}", id[3:], "{TIME}", "2026-03-01T10:00:00Z")
}
