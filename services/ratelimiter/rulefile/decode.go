package rulefile

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/meshweir/meshweir/services/ratelimiter/rules"
)

// reader decodes one document into the plain types of package limits, by their JSON names, and remembers where each
// field stands. YAML's own decoder does not say where, and takes a field twice.
type reader struct {
	document *Document
	found    Findings
	nodes    int // that may still be visited, through aliases too
	depth    int
}

// Bounds for what aliases make of a small file. A file has fewer nodes than bytes.
const (
	leastNodes = 100_000
	maxDepth   = 200
)

func (r *reader) read(root *yaml.Node, into any) {
	r.value(root, "", reflect.ValueOf(into).Elem())
}

func (r *reader) fail(n *yaml.Node, path, message string) {
	if len(r.found) > maxFindings {
		return
	}
	r.found = append(r.found, Finding{
		File: r.document.File, Line: n.Line, Column: n.Column, Path: path, Severity: Error, Message: message,
	})
}

// enter counts a node, and says whether to go on.
func (r *reader) enter(n *yaml.Node, path string) bool {
	r.nodes--
	switch {
	case r.nodes < 0:
		if r.nodes == -1 {
			r.fail(n, path, "aliases make the file too large: write out what is meant")
		}
	case r.depth > maxDepth:
		r.fail(n, path, fmt.Sprintf("this is deeper than %d levels, or an alias of something around it", maxDepth))
	default:
		return true
	}
	return false
}

func (r *reader) value(n *yaml.Node, path string, into reflect.Value) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if !r.enter(n, path) {
		return
	}
	r.depth++
	defer func() { r.depth-- }()
	r.document.places[path] = place{n.Line, n.Column}
	if empty(n) {
		return // as if it were not there
	}
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		r.value(n, path, into.Elem())
	case reflect.Struct:
		r.mapping(n, path, into)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			r.fail(n, path, "want a list: begin each item with \"- \"")
			return
		}
		for i, item := range n.Content {
			into.Set(reflect.Append(into, reflect.New(into.Type().Elem()).Elem()))
			at := path + "[" + strconv.Itoa(i) + "]"
			if empty(item) {
				r.fail(item, at, "the item is empty")
				continue
			}
			r.value(item, at, into.Index(i))
		}
	case reflect.Map:
		free, ok := r.free(n, path).(map[string]any)
		if !ok {
			r.fail(n, path, "want a mapping: \"name: value\" in each line")
			return
		}
		into.Set(reflect.ValueOf(free))
	default:
		r.scalar(n, path, into)
	}
}

// mapping reads the fields of a struct. What "<<" merges counts where the mapping itself says nothing.
func (r *reader) mapping(n *yaml.Node, path string, into reflect.Value) {
	if n.Kind != yaml.MappingNode {
		r.fail(n, path, "want a mapping: \"name: value\" in each line")
		return
	}
	fields := map[string]reflect.Value{}
	collect(into, fields)
	seen := map[string]*yaml.Node{}
	merged := r.pairs(n, path, func(key, value *yaml.Node, inherited bool) {
		at := key.Value
		if path != "" {
			at = path + "." + key.Value
		}
		field, known := fields[key.Value]
		first := seen[key.Value]
		switch {
		case first != nil && inherited:
			return
		case first != nil:
			r.fail(key, at, fmt.Sprintf("is here twice, first in line %d: remove one", first.Line))
			return
		case !known:
			r.fail(key, at, unknown(key.Value, fields))
			return
		}
		seen[key.Value] = key
		r.value(value, at, field)
	})
	if !merged {
		r.fail(n, path, "\"<<\" merges a mapping, or a list of them")
	}
}

// pairs calls visit for each pair of a mapping, and then for those that it merges.
func (r *reader) pairs(n *yaml.Node, path string, visit func(key, value *yaml.Node, inherited bool)) bool {
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		for key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		switch {
		case key.Kind == yaml.ScalarNode && key.ShortTag() == "!!merge":
			merges = append(merges, value)
		case key.Kind != yaml.ScalarNode:
			r.fail(key, path, "a field's name is a word")
		default:
			visit(key, value, false)
		}
	}
	ok := true
	for _, m := range merges {
		ok = r.merge(m, path, visit) && ok
	}
	return ok
}

func (r *reader) merge(m *yaml.Node, path string, visit func(key, value *yaml.Node, inherited bool)) bool {
	for m.Kind == yaml.AliasNode {
		m = m.Alias
	}
	if !r.enter(m, path) {
		return true
	}
	r.depth++
	defer func() { r.depth-- }()
	switch m.Kind {
	case yaml.MappingNode:
		return r.pairs(m, path, func(key, value *yaml.Node, _ bool) { visit(key, value, true) })
	case yaml.SequenceNode:
		for _, item := range m.Content {
			if !r.merge(item, path, visit) {
				return false
			}
		}
		return true
	default:
		return false
	}
}

// collect returns the fields of a struct by their JSON names, those of embedded ones too.
func collect(v reflect.Value, fields map[string]reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			collect(v.Field(i), fields)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		fields[name] = v.Field(i)
	}
}

// unknown says of a name that no field has it, and what was probably meant.
func unknown(name string, fields map[string]reflect.Value) string {
	known := slices.Sorted(maps.Keys(fields))
	for _, field := range known { // requestsPerUnit, requests-per-unit
		if strings.EqualFold(strings.ReplaceAll(field, "_", ""), strings.NewReplacer("-", "", "_", "").Replace(name)) {
			return fmt.Sprintf("no field is called so; did you mean %q?", field)
		}
	}
	if best := rules.Closest(name, known...); best != "" {
		return fmt.Sprintf("no field is called so; did you mean %q?", best)
	}
	return "no field is called so; here stand " + strings.Join(known, ", ")
}

func (r *reader) scalar(n *yaml.Node, path string, into reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		r.fail(n, path, "want a single value here")
		return
	}
	switch into.Kind() {
	case reflect.String:
		into.SetString(n.Value)
		if tag := n.ShortTag(); tag == "!!float" {
			r.document.odd = append(r.document.odd, oddity{path, "refuses the file: it takes a number with a fraction for no text; put it in quotes"})
		}
	case reflect.Bool:
		var b bool
		if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 || n.Decode(&b) != nil {
			r.fail(n, path, fmt.Sprintf("want true or false, without quotes, not %q", short(n.Value)))
		}
		into.SetBool(b)
	case reflect.Int, reflect.Uint32:
		r.number(n, path, into)
	default:
		r.fail(n, path, "cannot be read") // no type of package limits has such a field
	}
}

func (r *reader) number(n *yaml.Node, path string, into reflect.Value) {
	var number int64
	err := n.Decode(&number)
	switch {
	case n.ShortTag() != "!!int":
		r.fail(n, path, fmt.Sprintf("want a whole number, without quotes, not %q", short(n.Value)))
	case into.Kind() == reflect.Uint32 && (err != nil || number < 0 || number > math.MaxUint32):
		r.fail(n, path, fmt.Sprintf("want a number from 0 to %d, not %s", uint32(math.MaxUint32), short(n.Value)))
	case err != nil || into.Kind() == reflect.Int && into.OverflowInt(number):
		r.fail(n, path, fmt.Sprintf("%s is too large", short(n.Value)))
	case into.Kind() == reflect.Int:
		into.SetInt(number)
	default:
		into.SetUint(uint64(number)) //nolint:gosec // G115: it is not negative
	}
}

// free reads what may have any form: as JSON would have it.
func (r *reader) free(n *yaml.Node, path string) any {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if !r.enter(n, path) {
		return nil
	}
	r.depth++
	defer func() { r.depth-- }()
	switch n.Kind {
	case yaml.MappingNode:
		made := map[string]any{}
		ok := r.pairs(n, path, func(key, value *yaml.Node, inherited bool) {
			_, seen := made[key.Value]
			if seen && !inherited {
				r.fail(key, path+"."+key.Value, "is here twice: remove one")
			}
			if !seen {
				made[key.Value] = r.free(value, path+"."+key.Value)
			}
		})
		if !ok {
			r.fail(n, path, "\"<<\" merges a mapping, or a list of them")
		}
		return made
	case yaml.SequenceNode:
		made := []any{}
		for i, item := range n.Content {
			made = append(made, r.free(item, path+"["+strconv.Itoa(i)+"]"))
		}
		return made
	default:
		return leaf(n)
	}
}

func leaf(n *yaml.Node) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		var b bool
		if n.Decode(&b) == nil {
			return b
		}
	case "!!int", "!!float":
		var number float64
		if n.Decode(&number) == nil && !math.IsNaN(number) && !math.IsInf(number, 0) {
			return number
		}
	}
	return n.Value
}

// short is a value as a message shows it.
func short(text string) string {
	if len(text) > 40 {
		return strings.ToValidUTF8(text[:40], "") + "…"
	}
	return text
}
