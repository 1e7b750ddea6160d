package strict

import (
	"encoding/json"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/deploy/k8s/crds"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/manifest"
)

func newChecker(t *testing.T) *Checker {
	t.Helper()
	checker, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return checker
}

func TestFindsWhatTheAPIDoesNotHave(t *testing.T) {
	route := schema.GroupKind{Group: gatewayv1.GroupName, Kind: "HTTPRoute"}
	grpc := schema.GroupKind{Group: gatewayv1.GroupName, Kind: "GRPCRoute"}
	global := schema.GroupKind{Group: resource.Group, Kind: "GlobalService"}
	virtual := schema.GroupKind{Group: "networking.istio.io", Kind: "VirtualService"}
	peers := schema.GroupKind{Group: "security.istio.io", Kind: "PeerAuthentication"}
	tests := []struct {
		name string
		kind schema.GroupKind
		text string
		want []string
	}{
		{"nothing", route, `{apiVersion: a, kind: b, metadata: {name: c, labels: {x: z}, creationTimestamp: null}, spec: {hostnames: [d], rules: [{timeouts: {request: 10s}}]}, status: {future: 1}}`, nil},
		{"unknown kind", schema.GroupKind{Kind: "Service"}, `{specs: 1}`, nil},
		{"misspelt", route, `{spec: {hostname: [a]}}`, []string{`unknown field spec.hostname: did you mean "hostnames"?`}},
		{"misspelt in a GRPCRoute", grpc, `{spec: {rules: [{matches: [{method: {servce: a}}]}]}}`, []string{`unknown field spec.rules[0].matches[0].method.servce: did you mean "service"?`}},
		{"case", route, `{Spec: {}}`, []string{`unknown field Spec: did you mean "spec"?`}},
		{"field of metadata beside it", route, `{labels: {a: b}}`, []string{`unknown field labels: remove it, or correct its name`}},
		{"within a list", route, `{spec: {rules: [{}, {backendRefs: [{name: a, prot: 80}]}]}}`, []string{`unknown field spec.rules[1].backendRefs[0].prot: did you mean "port"?`}},
		{"text for a number", route, `{spec: {rules: [{backendRefs: [{name: a, port: "80"}]}]}}`, []string{`spec.rules[0].backendRefs[0].port must be a whole number, without quotes`}},
		{"number for text", route, `{spec: {hostnames: [7]}}`, []string{`spec.hostnames[0] must be text: put the value in quotes`}},
		{"text for a list", route, `{spec: {hostnames: a}}`, []string{`spec.hostnames must be a list: begin each item with '-'`}},
		{"list for an object", global, `{spec: []}`, []string{`spec must be an object with named fields`}},
		{"duration", global, `{spec: {host: a.b, outlierDetection: {interval: soon}}}`, []string{`spec.outlierDetection.interval must be a duration such as "10s"`}},
		{"what its definition forbids", global, `{metadata: {name: a}, spec: {host: a.global, ports: [{name: a, port: 80}, {name: A, port: 80}], services: [{name: a, labels: {b: c}}]}}`, []string{
			`spec.ports[1]: duplicate value`,
			`spec.ports[1].name: should match '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'`,
			`spec.services[0]: exactly one of name and labels must be set`,
		}},
		{"nothing in a kind of Istio", virtual, `{apiVersion: a, kind: b, metadata: {name: c}, spec: {http: [{timeout: 5s, retries: {attempts: 3}, headers: {request: {set: {x-a: b}}}}]}, status: {future: 1}}`, nil},
		{"misspelt in a VirtualService", virtual, `{spec: {http: [{route: [{destination: {host: a, subst: b}}]}]}}`, []string{`unknown field spec.http[0].route[0].destination.subst: did you mean "subset"?`}},
		{"snake case in a PeerAuthentication", peers, `{spec: {port_level_mtls: {}}}`, []string{`unknown field spec.port_level_mtls: did you mean "portLevelMtls"?`}},
		{"misspelt below a name", peers, `{spec: {portLevelMtls: {"80": {mod: STRICT}}}}`, []string{`unknown field spec.portLevelMtls.80.mod: did you mean "mode"?`}},
		{"misspelt beside the spec of Istio", peers, `{sepc: {}}`, []string{`unknown field sepc: did you mean "spec"?`}},
		{"text for a list of Istio", virtual, `{spec: {hosts: a}}`, []string{`spec.hosts must be a list: begin each item with '-'`}},
		{"any form within Istio", schema.GroupKind{Group: "networking.istio.io", Kind: "EnvoyFilter"}, `{spec: {configPatches: [{patch: {operation: MERGE, value: {whatever: [1]}}}]}}`, nil},
		{"kind in the plural", schema.GroupKind{Group: gatewayv1.GroupName, Kind: "HTTPRoutes"}, `{}`, []string{`gateway.networking.k8s.io has no such kind: did you mean "HTTPRoute"?`}},
		{"kind in other letters", schema.GroupKind{Kind: "service"}, `{}`, []string{`the core group ("v1") has no such kind: did you mean "Service"?`}},
		{"kind of another group", schema.GroupKind{Group: "networking.istio.io", Kind: "HTTPRoute"}, `{}`, []string{`networking.istio.io has no such kind: did you mean that of gateway.networking.k8s.io?`}},
		{"group without its version", schema.GroupKind{Kind: "VirtualService"}, `{}`, []string{`the core group ("v1") has no such kind: did you mean that of networking.istio.io?`}},
		{"group misspelt", schema.GroupKind{Group: "gateway.networking.k8s.o", Kind: "GRPCRoute"}, `{}`, []string{`there is no group "gateway.networking.k8s.o": did you mean "gateway.networking.k8s.io"?`}},
		{"kind of two groups", schema.GroupKind{Kind: "Gateway"}, `{}`, []string{`the core group ("v1") has no such kind: did you mean that of gateway.networking.k8s.io or networking.istio.io?`}},
		{"short kind of another group", schema.GroupKind{Kind: "Job"}, `{}`, nil},
		{"former kind", schema.GroupKind{Group: gatewayv1.GroupName, Kind: "BackendLBPolicy"}, `{}`, nil},
		{"kind of a newer version", schema.GroupKind{Group: gatewayv1.GroupName, Kind: "QUICRoute"}, `{}`, nil},
		{"kind of somebody else", schema.GroupKind{Group: "serving.knative.dev", Kind: "Service"}, `{}`, nil},
		{"group of the same name, nearly", schema.GroupKind{Group: "networking.k8s.io", Kind: "Ingress"}, `{}`, nil},
	}
	checker := newChecker(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var object map[string]any
			if err := yaml.Unmarshal([]byte(tt.text), &object); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range checker.Check(tt.kind, object) {
				got = append(got, m.Message)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error("mistakes (-want +got):\n" + diff)
			}
		})
	}
}

// TestRefusesWhatAnAPIServerRefuses puts the objects to the Checker that the
// definitions, and a real API server, are tested with.
func TestRefusesWhatAnAPIServerRefuses(t *testing.T) {
	data, err := os.ReadFile("../../../deploy/k8s/crds/testdata/refused.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var refused []struct {
		Name   string         `json:"name"`
		Object map[string]any `json:"object"`
	}
	if err := yaml.Unmarshal(data, &refused); err != nil || len(refused) < 20 {
		t.Fatalf("got %d objects and %v", len(refused), err)
	}
	checker := newChecker(t)
	for _, tt := range refused {
		u := unstructured.Unstructured{Object: tt.Object}
		if len(checker.Check(u.GroupVersionKind().GroupKind(), tt.Object)) == 0 {
			t.Errorf("%s: takes it", tt.Name)
		}
	}
}

func TestWhatTheTypesWriteIsWithoutMistakes(t *testing.T) {
	checker := newChecker(t)
	checker.judge = &crds.Judge{} // an object with nothing in it lacks what is required
	for kind := range checker.types {
		data, err := json.Marshal(map[string]any{"apiVersion": kind.Group + "/v1", "kind": kind.Kind, "metadata": map[string]any{"name": "a", "creationTimestamp": nil}})
		if err != nil {
			t.Fatal(err)
		}
		docs, _ := manifest.Read(data)
		if got := checker.Check(kind, docs[0].Object.Object); len(got) > 0 {
			t.Errorf("%s: got %v, want nothing", kind, got)
		}
	}
}

func TestDemoIsWithoutMistakes(t *testing.T) {
	checker, checked := newChecker(t), 0
	root := os.DirFS("../../../deploy/compose/demo")
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".yaml") {
			return err
		}
		data, err := fs.ReadFile(root, name)
		docs, _ := manifest.Read(data)
		for _, doc := range docs {
			kind := doc.Object.GroupVersionKind().GroupKind()
			for _, m := range checker.Check(kind, doc.Object.Object) {
				t.Errorf("%s: %s", name, m.Message)
			}
			if checker.types[kind] != nil {
				checked++
			}
		}
		return err
	})
	if err != nil || checked == 0 {
		t.Errorf("got %v after %d objects", err, checked)
	}
}
