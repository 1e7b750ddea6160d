package strict

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/services/agent/manifest"
)

const secret = "S3CRETVALUE"

// Whatever a manifest says: what is wrong with it is said the same way each time, quotes no value,
// and leaves the object as it was.
func FuzzCheck(f *testing.F) {
	data, err := os.ReadFile("../../../deploy/k8s/crds/testdata/refused.yaml")
	if err != nil {
		f.Fatal(err)
	}
	var refused []struct {
		Object map[string]any `json:"object"`
	}
	if err := yaml.Unmarshal(data, &refused); err != nil || len(refused) < 20 {
		f.Fatalf("got %d objects and %v", len(refused), err)
	}
	for _, r := range refused {
		text, err := yaml.Marshal(r.Object)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	route, global := "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n", "apiVersion: meshweir.io/v1alpha1\nkind: GlobalService\n"
	for _, seed := range []string{
		route + "spec: {hostnames: [S3CRETVALUE], rules: [{timeouts: {request: S3CRETVALUE}, backendRefs: [{port: S3CRETVALUE}]}]}",
		route + "metadata: S3CRETVALUE", route + "metadata: {creationTimestamp: S3CRETVALUE, labels: [S3CRETVALUE]}\nspec: S3CRETVALUE",
		global + "spec: {host: S3CRETVALUE, ports: [{name: S3CRETVALUE, port: -1}], services: [{name: a, namespace: S3CRETVALUE}], outlierDetection: {interval: S3CRETVALUE}}",
		global + "spec: {host: a.global, ports: [{name: a, port: 1e99, protocol: S3CRETVALUE}], services: [{labels: {'a.b/c[0]': S3CRETVALUE}}]}",
		global + "metadata: {name: S3CRETVALUE, annotations: {'a.b/c[0]': 1}}",
		"apiVersion: meshweir.io/v1alpha1\nkind: Workspace\nspec: {namespaces: [{cluster: S3CRETVALUE, namespace: 's3cret*']}", "apiVersion: v1\nkind: Servcie\nspec: S3CRETVALUE",
	} {
		f.Add([]byte(seed))
	}
	checker, err := New()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		docs, _ := manifest.Read(data)
		for _, doc := range docs {
			kind, before := doc.Object.GroupVersionKind().GroupKind(), doc.Object.DeepCopy()
			mistakes := checker.Check(kind, doc.Object.Object)
			if diff := cmp.Diff(before.Object, doc.Object.Object); diff != "" {
				t.Errorf("checking changed the object (-before +after):\n%s", diff)
			}
			if diff := cmp.Diff(mistakes, checker.Check(kind, doc.Object.Object)); diff != "" {
				t.Errorf("checking again says otherwise (-first +again):\n%s", diff)
			}
			for _, m := range mistakes {
				if m.Message == "" {
					t.Errorf("a mistake at %v says nothing", m.Path)
				}
				if strings.Contains(m.Message, secret) && !asName(doc.Object.Object) {
					t.Errorf("%q quotes a value", m.Message)
				}
			}
		}
	})
}

// asName reports whether the secret is within the name of a field, or the kind: what may be quoted.
func asName(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		for name, inner := range value {
			text, _ := inner.(string)
			if strings.Contains(name, secret) || (name == "kind" || name == "apiVersion") && strings.Contains(text, secret) || asName(inner) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(value, asName)
	}
	return false
}
