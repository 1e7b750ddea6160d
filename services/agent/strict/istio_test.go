package strict

import (
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/pipeline/pipelinetest/apiserver"
)

// TestKnowsEveryFieldOfIstiosDefinitions puts an object with every field that Istio's CustomResourceDefinitions have, in each version, to the Checker.
func TestKnowsEveryFieldOfIstiosDefinitions(t *testing.T) {
	checker, judged := newChecker(t), map[schema.GroupKind]bool{}
	for text := range strings.SplitSeq(apiserver.FromModule(t, "istio.io/api", "kubernetes/customresourcedefinitions.gen.yaml"), "\n---\n") {
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.Unmarshal([]byte(text), &crd); err != nil {
			t.Fatal(err)
		}
		kind := schema.GroupKind{Group: crd.Spec.Group, Kind: crd.Spec.Names.Kind}
		for _, version := range crd.Spec.Versions {
			spec := version.Schema.OpenAPIV3Schema.Properties["spec"]
			if object, _ := full(spec).(map[string]any); len(object) == 0 {
				t.Errorf("%s %s: its definition has no fields", kind, version.Name)
			}
			judged[kind] = true
			for _, m := range checker.Check(kind, map[string]any{"spec": full(spec)}) {
				t.Errorf("%s %s: %s", kind, version.Name, m.Message)
			}
		}
	}
	for kind := range checker.specs {
		if !judged[kind] {
			t.Errorf("no definition of %s was read", kind)
		}
	}
}

// full returns a value with every field of a schema.
func full(of apiextensionsv1.JSONSchemaProps) any {
	switch {
	case of.Type == "array":
		return []any{full(*of.Items.Schema)}
	case of.AdditionalProperties != nil && of.AdditionalProperties.Schema != nil:
		return map[string]any{"name": full(*of.AdditionalProperties.Schema)}
	case of.Type == "object":
		object := map[string]any{}
		for name, property := range of.Properties {
			object[name] = full(property)
		}
		return object
	default:
		return "value"
	}
}
