package kubernetes

import (
	"encoding/json"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
)

// otherManagers returns the entries of managedFields that are not ours, but for those of subresources.
func otherManagers(object *unstructured.Unstructured) (others []metav1.ManagedFieldsEntry) {
	for _, entry := range object.GetManagedFields() {
		if entry.Manager != resource.ManagedBy && entry.Subresource == "" && entry.FieldsV1 != nil {
			others = append(others, entry)
		}
	}
	return others
}

// ChangedBy names the managers that hold a field which is wanted and is not ours any more: whoever writes one takes it. Who takes a
// field, or the whole object, away holds nothing and is not named.
func (c *Cluster) ChangedBy(want *unstructured.Unstructured) []internalv1.FieldManager {
	m := c.current()
	m.mu.Lock()
	s := m.standing[keyOf(want)]
	m.mu.Unlock()
	if s == nil || s.object == nil {
		return nil
	}
	return s.changedBy(want)
}

func (s *standing) changedBy(want *unstructured.Unstructured) (by []internalv1.FieldManager) {
	for _, entry := range s.others {
		if !holdsLost(decodeSet(entry.FieldsV1.GetRawBytes()), want.Object, s.object.Object) {
			continue
		}
		manager := internalv1.FieldManager{Name: entry.Manager, Operation: string(entry.Operation)}
		if entry.Time != nil {
			manager.Time = entry.Time.UTC()
		}
		by = append(by, manager)
	}
	slices.SortStableFunc(by, func(a, b internalv1.FieldManager) int { return b.Time.Compare(a.Time) })
	return by
}

// holdsLost reports whether a set of fields, in the form of managedFields, names a part of what is wanted that is not in what is ours.
func holdsLost(set map[string]json.RawMessage, want, ours any) bool {
	for path, below := range set {
		wanted, ok := partAt(want, path)
		if !ok {
			continue
		}
		own, stays := partAt(ours, path)
		if below := decodeSet(below); len(below) == 0 && !stays || holdsLost(below, wanted, own) {
			return true
		}
	}
	return false
}

// partAt returns what a path element of managedFields names in a value: a field, or an item of a list.
func partAt(value any, path string) (any, bool) {
	switch v := value.(type) {
	case map[string]any:
		field, isField := strings.CutPrefix(path, "f:")
		inner, exists := v[field]
		return inner, isField && exists
	case []any:
		for _, item := range v {
			if names(path, item) {
				return item, true
			}
		}
	}
	return nil, false
}
