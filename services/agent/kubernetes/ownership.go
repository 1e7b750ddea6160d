package kubernetes

import (
	"bytes"
	"encoding/json"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/meshweir/meshweir/schemas/resource"
)

// appliedObject returns what Meshweir applied of an object, as it stands now: the
// fields that our manager owns. A field that somebody changed is not among them, and one that somebody added is not either. It
// returns nil for an object that is not ours.
func appliedObject(object *unstructured.Unstructured) *unstructured.Unstructured {
	entry := managed(object, "")
	if entry == nil || object.GetLabels()[resource.ManagedByLabel] != resource.ManagedBy {
		return nil
	}
	applied, _ := owned(object.Object, entry.FieldsV1).(map[string]any)
	if applied == nil {
		return nil
	}
	meta, _ := applied["metadata"].(map[string]any)
	if meta == nil {
		meta = map[string]any{}
		applied["metadata"] = meta
	}
	applied["apiVersion"], applied["kind"], meta["name"] = entry.APIVersion, object.GetKind(), object.GetName()
	if namespace := object.GetNamespace(); namespace != "" {
		meta["namespace"] = namespace
	}
	return &unstructured.Unstructured{Object: applied}
}

// appliedStatus returns what Meshweir applied of an object's status, or nil.
func appliedStatus(object *unstructured.Unstructured) map[string]any {
	entry := managed(object, "status")
	if entry == nil {
		return nil
	}
	applied, _ := owned(object.Object, entry.FieldsV1).(map[string]any)
	status, _ := applied["status"].(map[string]any)
	return status
}

func managed(object *unstructured.Unstructured, subresource string) *metav1.ManagedFieldsEntry {
	for _, entry := range object.GetManagedFields() {
		if entry.Manager == resource.ManagedBy && entry.Operation == metav1.ManagedFieldsOperationApply &&
			entry.Subresource == subresource && entry.FieldsV1 != nil {
			return &entry
		}
	}
	return nil
}

// owned returns the part of a value that a set of fields names, or nil. The set is
// in the form of metadata.managedFields (FieldsV1): "f:name" for a field, "k:{…}" for an item by its
// keys, "v:…" for an item by its value, "." for the thing itself; nothing below a name means all of it.
func owned(value any, fields *metav1.FieldsV1) any {
	var set map[string]json.RawMessage
	if json.Unmarshal(fields.GetRawBytes(), &set) != nil {
		return nil
	}
	return ownedPart(value, set)
}

func ownedPart(value any, set map[string]json.RawMessage) any {
	if len(set) == 0 {
		return runtime.DeepCopyJSONValue(value)
	}
	switch v := value.(type) {
	case map[string]any:
		part := map[string]any{}
		for path, below := range set {
			field, isField := strings.CutPrefix(path, "f:")
			if inner, exists := v[field]; isField && exists {
				part[field] = ownedPart(inner, decodeSet(below))
			}
		}
		return part
	case []any:
		part := []any{}
		for _, item := range v {
			for path, below := range set {
				if names(path, item) {
					part = append(part, ownedPart(item, decodeSet(below)))
				}
			}
		}
		return part
	default:
		return value
	}
}

func decodeSet(raw json.RawMessage) (set map[string]json.RawMessage) {
	if json.Unmarshal(raw, &set) != nil {
		return nil
	}
	return set
}

// names reports whether a path element is that of a list's item.
func names(path string, item any) bool {
	if text, ok := strings.CutPrefix(path, "v:"); ok {
		return sameJSON([]byte(text), item)
	}
	text, ok := strings.CutPrefix(path, "k:")
	object, isObject := item.(map[string]any)
	if !ok || !isObject {
		return false
	}
	var keys map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &keys) != nil {
		return false
	}
	for key, want := range keys {
		if !sameJSON(want, object[key]) {
			return false
		}
	}
	return true
}

func sameJSON(want []byte, is any) bool {
	text, err := json.Marshal(is)
	return err == nil && bytes.Equal(bytes.TrimSpace(want), text)
}
