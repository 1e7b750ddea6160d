// Package strict finds in an object what an API server refuses or drops: fields
// that are misspelt, values of another type (of Istio's kinds only what is no
// object or no list), and, of the kinds of meshweir.io, all that their definitions forbid. A folder of manifests has no API server,
// and a field that is dropped can widen what an object does.
package strict

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"k8s.io/apimachinery/pkg/runtime/schema"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/meshweir/meshweir/deploy/k8s/crds"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
)

// Mistake is one field that the kind does not have, or not so.
type Mistake struct {
	// Path leads to the field: names and indexes.
	Path []any
	// Message says what is wrong and how to mend it. It quotes names, and never values.
	Message string
}

// Checker knows the fields of some kinds. It is safe for concurrent use.
type Checker struct {
	types map[schema.GroupKind]reflect.Type
	specs map[schema.GroupKind]protoreflect.MessageDescriptor
	kinds map[string][]string
	judge *crds.Judge
}

// New returns a Checker of the kinds of Istio, and of those of Gateway API and of Meshweir that have an effect.
func New() (*Checker, error) {
	judge, err := crds.NewJudge()
	if err != nil {
		return nil, fmt.Errorf("reading what the kinds of meshweir.io allow: %w", err)
	}
	return &Checker{judge: judge, kinds: Kinds(), specs: specsOf(), types: map[schema.GroupKind]reflect.Type{
		{Group: resource.GatewayGroup, Kind: "Gateway"}:             reflect.TypeFor[gatewayv1.Gateway](),
		{Group: resource.GatewayGroup, Kind: "GatewayClass"}:        reflect.TypeFor[gatewayv1.GatewayClass](),
		{Group: resource.GatewayGroup, Kind: "HTTPRoute"}:           reflect.TypeFor[gatewayv1.HTTPRoute](),
		{Group: resource.GatewayGroup, Kind: "GRPCRoute"}:           reflect.TypeFor[gatewayv1.GRPCRoute](),
		{Group: resource.GatewayGroup, Kind: "ReferenceGrant"}:      reflect.TypeFor[gatewayv1.ReferenceGrant](),
		{Group: resource.Group, Kind: v1alpha1.KindGlobalService}:   reflect.TypeFor[v1alpha1.GlobalService](),
		{Group: resource.Group, Kind: v1alpha1.KindRateLimitPolicy}: reflect.TypeFor[v1alpha1.RateLimitPolicy](),
		{Group: resource.Group, Kind: v1alpha1.KindWorkspace}:       reflect.TypeFor[v1alpha1.Workspace](),
	}}, nil
}

// Check returns the mistakes of an object, in the order of its fields' names.
// The status is not looked at: it is not the author's. A kind that is not known has none, but for its name.
func (c *Checker) Check(kind schema.GroupKind, object map[string]any) []Mistake {
	known, ok := c.types[kind]
	spec, ofIstio := c.specs[kind]
	switch {
	case ofIstio:
		known = reflect.TypeFor[istioObject]()
	case !ok:
		if m := c.misnamed(kind); m.Message != "" {
			return []Mistake{m}
		}
		return nil
	}
	if _, ok := object["status"]; ok {
		object = maps.Clone(object)
		delete(object, "status")
	}
	var w walk
	w.value(nil, known, object)
	if ofIstio {
		w.message([]any{"spec"}, spec, object["spec"])
		return w.mistakes
	}
	if len(w.mistakes) == 0 {
		w.judged(c.judge.Check(kind, object))
	}
	return w.mistakes
}

type walk struct{ mistakes []Mistake }

func (w *walk) note(path []any, format string, args ...any) {
	w.mistakes = append(w.mistakes, Mistake{Path: slices.Clone(path), Message: fmt.Sprintf(format, args...)})
}

// value compares a value with its type. Absence (null) fits everything, as it does for an API server.
func (w *walk) value(path []any, want reflect.Type, value any) {
	for want.Kind() == reflect.Pointer {
		want = want.Elem()
	}
	if value == nil {
		return
	}
	if reflect.PointerTo(want).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		w.decoded(path, want, value)
		return
	}
	switch want.Kind() {
	case reflect.Struct:
		if fields, ok := w.object(path, value); ok {
			w.fields(path, want, fields)
		}
	case reflect.Map:
		entries, _ := w.object(path, value)
		for _, name := range slices.Sorted(maps.Keys(entries)) {
			w.value(append(path, name), want.Elem(), entries[name])
		}
	case reflect.Slice:
		items, ok := value.([]any)
		if !ok && want.Elem().Kind() != reflect.Uint8 {
			w.note(path, "%s must be a list: begin each item with '-'", text(path))
		}
		for i, item := range items {
			w.value(append(path, i), want.Elem(), item)
		}
	default:
		w.decoded(path, want, value)
	}
}

func (w *walk) object(path []any, value any) (map[string]any, bool) {
	fields, ok := value.(map[string]any)
	if !ok {
		w.note(path, "%s must be an object with named fields", text(path))
	}
	return fields, ok
}

func (w *walk) fields(path []any, want reflect.Type, object map[string]any) {
	known := fieldsOf(want)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		at := append(slices.Clone(path), name)
		if field, ok := known[name]; ok {
			w.value(at, field, object[name])
			continue
		}
		w.unknown(at, name, maps.Keys(known))
	}
}

func (w *walk) unknown(at []any, name string, known iter.Seq[string]) {
	hint := "remove it, or correct its name"
	if meant := Nearest(name, known, len(name)/3+1); meant != "" {
		hint = fmt.Sprintf("did you mean %q?", meant)
	}
	w.note(at, "unknown field %s: %s", text(at), hint)
}

// decoded lets a type that has a form of its own, or none within, decide.
func (w *walk) decoded(path []any, want reflect.Type, value any) {
	data, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(data, reflect.New(want).Interface())
	}
	if err != nil { // its text quotes the value, and names types of Go
		w.note(path, "%s must be %s", text(path), describe(want))
	}
}

func describe(want reflect.Type) string {
	switch want.Kind() {
	case reflect.String:
		return "text: put the value in quotes"
	case reflect.Bool:
		return "true or false, without quotes"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number, without quotes"
	default:
		switch want.Name() {
		case "Time", "MicroTime":
			return `a time such as "2026-01-31T12:00:00Z"`
		case "Duration":
			return `a duration such as "10s"`
		default:
			return "of another type: see its documentation"
		}
	}
}

// fieldsOf returns the fields of a type by their JSON names, with those of types that are embedded inline.
func fieldsOf(of reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for field := range of.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && name == "":
			maps.Copy(fields, fieldsOf(field.Type))
		case name != "" && name != "-":
			fields[name] = field.Type
		}
	}
	return fields
}

// text writes a path as "spec.rules[0].name".
func text(path []any) string {
	var b strings.Builder
	for _, step := range path {
		switch step := step.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", step)
		case string:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(step)
		}
	}
	return b.String()
}
