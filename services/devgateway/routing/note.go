package routing

import (
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Note says what of an object is not executed, and why.
type Note struct {
	// Object is the key of the object, and Field where in it: "spec.http[0].corsPolicy".
	Object string `json:"object"`
	Field  string `json:"field,omitempty"`
	Why    string `json:"why"`
}

// Why some things are not executed.
const (
	notExecuted = "the development gateway does not execute this"
	leftOut     = ", so what it stands in is left out"
)

// notes collects what is not executed, each once.
type notes struct {
	all  []Note
	seen map[Note]bool
}

func (n *notes) add(object, field, why string) {
	note := Note{object, field, why}
	if n.seen[note] {
		return
	}
	if n.seen == nil {
		n.seen = map[Note]bool{}
	}
	n.seen[note] = true
	n.all = append(n.all, note)
}

// besides returns the names of the fields of a message that are set and are none of those that are known, in order.
func besides(m proto.Message, known ...protoreflect.Name) []string {
	var found []string
	m.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if !slices.Contains(known, field.Name()) {
			found = append(found, field.JSONName())
		}
		return true
	})
	slices.Sort(found)
	return found
}

// refuse notes the fields of a message that are set and not executed, and reports whether there are any.
func (n *notes) refuse(object, at, why string, m proto.Message, known ...protoreflect.Name) bool {
	fields := besides(m, known...)
	for _, field := range fields {
		n.add(object, at+"."+field, why)
	}
	return len(fields) > 0
}
