package snapshot

import (
	"maps"
	"strings"
)

// tree is a set of field paths. A leaf keeps everything below it.
type tree map[string]tree

func newTree(paths []string) tree {
	root := tree{}
	for _, path := range paths {
		at := root
		for name := range strings.SplitSeq(path, ".") {
			if at[name] == nil {
				at[name] = tree{}
			}
			at = at[name]
		}
	}
	return root
}

// keep returns the part of value that the tree names. Lists are walked through;
// objects that have nothing of the tree vanish.
func (t tree) keep(value any) any {
	if len(t) == 0 {
		return value
	}
	switch v := value.(type) {
	case map[string]any:
		kept := map[string]any{}
		for name, below := range t {
			if field, ok := v[name]; ok {
				if part := below.keep(field); part != nil {
					kept[name] = part
				}
			}
		}
		if len(kept) == 0 {
			return nil
		}
		return kept
	case []any:
		items := make([]any, 0, len(v))
		for _, item := range v {
			part := t.keep(item)
			if part == nil {
				part = map[string]any{} // its place in the list may matter
			}
			items = append(items, part)
		}
		return items
	default:
		return nil
	}
}

// fieldDefault is the value of a field that the author left out, where the object around it exists.
type fieldDefault struct {
	path  string
	value any
}

func (d fieldDefault) apply(object map[string]any) { setDefault(object, d.path, d.value) }

func setDefault(at any, path string, value any) {
	switch v := at.(type) {
	case []any:
		for _, item := range v {
			setDefault(item, path, value)
		}
	case map[string]any:
		name, rest, more := strings.Cut(path, ".")
		switch {
		case more:
			setDefault(v[name], rest, value)
		case v[name] == nil:
			v[name] = clone(value)
		}
	}
}

// clone copies a default, so that objects share none.
func clone(value any) any {
	switch v := value.(type) {
	case map[string]any:
		c := maps.Clone(v)
		for name := range c {
			c[name] = clone(c[name])
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i := range v {
			c[i] = clone(v[i])
		}
		return c
	default:
		return value
	}
}

// filter keeps the entries of a map of text whose name begins with one of the
// prefixes, or whose domain ends with one: "istio.io/" keeps "sidecar.istio.io/inject".
func filter(entries map[string]any, prefixes []string) {
	if prefixes == nil {
		return
	}
	maps.DeleteFunc(entries, func(name string, _ any) bool {
		for _, prefix := range prefixes {
			if strings.HasPrefix(name, prefix) || strings.Contains(name, "."+prefix) {
				return false
			}
		}
		return true
	})
}
