package agent

import (
	"maps"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/schemas/resource"
)

// equal compares an object of the output with the one that stands, but for the
// position that it was applied from.
func equal(want, stands *unstructured.Unstructured) bool {
	return same(want.Object, withoutPosition(stands.Object))
}

// same compares values as JSON has them. The two may have come from JSON and
// YAML, which differ in how they read 1.0.
func same(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, same)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, same)
	case int64:
		if b, ok := b.(float64); ok {
			return float64(a) == b
		}
	case float64:
		if b, ok := b.(int64); ok {
			return a == float64(b)
		}
	}
	return reflect.DeepEqual(a, b)
}

// withoutPosition copies an object as far down as it differs; objects that stand are shared.
func withoutPosition(object map[string]any) map[string]any {
	meta, _ := object["metadata"].(map[string]any)
	annotations, _ := meta["annotations"].(map[string]any)
	object, meta, annotations = maps.Clone(object), maps.Clone(meta), maps.Clone(annotations)
	delete(annotations, resource.OutputAnnotation)
	if meta != nil {
		meta["annotations"] = annotations
		if len(annotations) == 0 {
			delete(meta, "annotations")
		}
		object["metadata"] = meta
	}
	return object
}
