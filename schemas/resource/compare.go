package resource

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// Difference is a field in which an object that stands is not the one that should.
type Difference struct {
	// Path names it, "spec.http[0].route[1].weight".
	Path string `json:"path"`
	// Desired and Live are its values; nil for a field that is not there.
	Desired any `json:"desired"`
	Live    any `json:"live"`
	// Added says that nothing is wanted of the field, and that server-side apply leaves it to whoever added it. Within lists nothing
	// is added: nearly all of Istio's have one owner as a whole.
	Added bool `json:"added,omitempty"`
}

// Differences returns the fields in which two objects differ, as far down as both are of one kind, by path. Lists of different
// lengths differ as a whole; of an object that is missing every field is.
func Differences(desired, live map[string]any) []Difference {
	var c comparison
	c.objects("", desired, live, false)
	return c.found
}

// comparison collects differences.
type comparison struct{ found []Difference }

func (c *comparison) objects(path string, desired, live map[string]any, inList bool) {
	names := map[string]any{}
	maps.Copy(names, desired)
	maps.Copy(names, live)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		at := name
		if path != "" {
			at = path + "." + name
		}
		want, wanted := desired[name]
		is, stands := live[name]
		switch {
		case !wanted:
			c.found = append(c.found, Difference{Path: at, Live: is, Added: !inList})
		case !stands:
			c.missing(at, want)
		default:
			c.values(at, want, is, inList)
		}
	}
}

func (c *comparison) values(path string, want, is any, inList bool) {
	switch w := want.(type) {
	case map[string]any:
		if object, ok := is.(map[string]any); ok {
			c.objects(path, w, object, inList)
			return
		}
	case []any:
		if list, ok := is.([]any); ok && len(list) == len(w) {
			for i := range w {
				c.values(fmt.Sprintf("%s[%d]", path, i), w[i], list[i], true)
			}
			return
		}
	}
	if !Same(want, is) {
		c.found = append(c.found, Difference{Path: path, Desired: want, Live: is})
	}
}

// missing notes every field of a value that is missing as a whole: of a real cluster, all that others hold of it is.
func (c *comparison) missing(path string, want any) {
	fields, _ := want.(map[string]any)
	if len(fields) == 0 {
		c.found = append(c.found, Difference{Path: path, Desired: want})
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		c.missing(path+"."+name, fields[name])
	}
}

// Same compares values as JSON has them. The two may have come from JSON and
// YAML, which differ in how they read 1.0.
func Same(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, Same)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, Same)
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
