package crds_test

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/deploy/compose/demo"
	"github.com/meshweir/meshweir/deploy/k8s/crds"
)

// TestAnAPIServerTakesTheDefinitions has Kubernetes' own code judge the
// schemas, and compile and weigh the rules in them.
func TestAnAPIServerTakesTheDefinitions(t *testing.T) {
	definitions, err := crds.Definitions()
	if err != nil {
		t.Fatal(err)
	}
	if len(definitions) == 0 {
		t.Fatal("there are none")
	}
	for _, definition := range definitions {
		apiextensionsv1.SetDefaults_CustomResourceDefinition(definition)
		apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&definition.Spec)
		definition.Status.StoredVersions = []string{definition.Spec.Versions[0].Name}
		var internal apiextensions.CustomResourceDefinition
		if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(definition, &internal, nil); err != nil {
			t.Fatal(err)
		}
		for _, err := range validation.ValidateCustomResourceDefinition(t.Context(), &internal) {
			t.Errorf("%s: %v", definition.Name, err)
		}
		if definition.Spec.Versions[0].Subresources.Status == nil || len(definition.Spec.Versions[0].AdditionalPrinterColumns) == 0 {
			t.Errorf("%s: lacks the subresource status, or columns to print", definition.Name)
		}
	}
}

func newJudge(t *testing.T) *crds.Judge {
	t.Helper()
	judge, err := crds.NewJudge()
	if err != nil {
		t.Fatal(err)
	}
	return judge
}

func TestRefusesWhatCannotBe(t *testing.T) {
	judge := newJudge(t)
	for _, tt := range refused(t) {
		t.Run(tt.Name, func(t *testing.T) {
			errs := judge.Check(kindOf(tt.Object), tt.Object)
			for _, err := range errs {
				if !claimed(err.Error(), tt.Want) {
					t.Errorf("got %q, want none but %q", err, tt.Want)
				}
			}
			if len(errs) != len(tt.Want) {
				t.Errorf("got %d errors, want %d:\n%v", len(errs), len(tt.Want), errs.ToAggregate())
			}
		})
	}
}

func claimed(message string, want []string) bool {
	for _, w := range want {
		if strings.Contains(message, w) {
			return true
		}
	}
	return false
}

// refusal is one entry of testdata/refused.yaml.
type refusal struct {
	Name   string         `json:"name"`
	Want   []string       `json:"want"`
	Object map[string]any `json:"object"`
}

func refused(t *testing.T) []refusal {
	t.Helper()
	data, err := os.ReadFile("testdata/refused.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all []refusal
	if err := yaml.UnmarshalStrict(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func kindOf(object map[string]any) schema.GroupKind {
	u := unstructured.Unstructured{Object: object}
	return u.GroupVersionKind().GroupKind()
}

func TestTakesTheDemoAndTheExamplesOfTheDocuments(t *testing.T) {
	judge := newJudge(t)
	checked := map[string]int{}
	check := func(where, text string) {
		for _, document := range regexp.MustCompile(`(?m)^---$`).Split(text, -1) {
			var object map[string]any
			if err := yaml.Unmarshal([]byte(document), &object); err != nil || object["kind"] == nil {
				continue // what is no manifest is for others to test
			}
			kind := kindOf(object)
			if kind.Group != "meshweir.io" {
				continue
			}
			checked[kind.Kind]++
			for _, err := range judge.Check(kind, object) {
				t.Errorf("%s: %s: %v", where, kind.Kind, err)
			}
		}
	}
	err := fs.WalkDir(demo.Manifests(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".yaml") {
			return err
		}
		data, err := fs.ReadFile(demo.Manifests(), name)
		check(name, string(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	resources, err := os.ReadFile("../../../docs/resources.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(resources), -1) {
		check("docs/resources.md", block[1])
	}
	for _, kind := range []string{"GlobalService", "Workspace"} {
		if checked[kind] < 2 {
			t.Errorf("%d objects of kind %s were found", checked[kind], kind)
		}
	}
}

func BenchmarkNewJudge(b *testing.B) {
	for b.Loop() {
		if _, err := crds.NewJudge(); err != nil {
			b.Fatal(err)
		}
	}
}
