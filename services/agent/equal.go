package agent

import (
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/schemas/resource"
)

// equal compares an object of the output with the one that stands, but for the
// position that it was applied from.
func equal(want, stands *unstructured.Unstructured) bool {
	return resource.Same(want.Object, withoutPosition(stands.Object))
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
