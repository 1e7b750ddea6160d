package view

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/resource"
)

// Bounds of what is kept of the past.
const (
	// MaxSteps is how many steps are kept of one object.
	MaxSteps = 30
	// MaxHistories is how many objects of one cluster have a history: those that changed last.
	MaxHistories = 2000
	// maxChanges caps the changes of one step.
	maxChanges = 12
	// maxValue caps a value of a change, in bytes.
	maxValue = 160
)

// History is what became of one object, the newest first.
type History struct {
	Steps []Transition `json:"steps"`
}

// Transition is one change of one source keyspace.
type Transition struct {
	// At is when it was written.
	At time.Time `json:"at"`
	// Kind is that of the keyspace: snapshot (the cluster), output (what the cluster should hold), status or applied.
	Kind string `json:"kind"`
	// Position is where the keyspace stood then, as "epoch/revision". With Kind it tells steps apart.
	Position string `json:"position"`
	// Changes are what became something else.
	Changes []Change `json:"changes"`
	// More counts the changes beyond those.
	More int `json:"more,omitempty"`
}

// Change is one field, condition or result that became something else.
type Change struct {
	// What is the path of a field, the name of a condition, "result", or empty for the object as a whole.
	What string `json:"what,omitempty"`
	// Before and After are empty for what was or is not there.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// there is what Before or After say of an object as a whole.
const there = "there"

// Add notes a step, unless it is noted, or a later one of the same keyspace is. It reports whether it was.
func (h *History) Add(s Transition) bool {
	at, err := keyspace.ParsePosition(s.Position)
	if err != nil {
		return false
	}
	for _, old := range h.Steps {
		if noted, err := keyspace.ParsePosition(old.Position); err == nil && old.Kind == s.Kind && noted.Compare(at) >= 0 {
			return false
		}
	}
	if h.removed(s) {
		return false
	}
	h.Steps = append(h.Steps, s)
	slices.SortStableFunc(h.Steps, func(a, b Transition) int { return b.At.Compare(a.At) })
	h.Steps = h.Steps[:min(len(h.Steps), MaxSteps)]
	return true
}

// removed reports whether a step takes away what the newest step of its kind took away. A replica that follows several
// revisions at once tells a removal by the last of them, another one by its own.
func (h *History) removed(s Transition) bool {
	i := slices.IndexFunc(h.Steps, func(old Transition) bool { return old.Kind == s.Kind })
	return i >= 0 && len(s.Changes) > 0 && slices.Equal(h.Steps[i].Changes, s.Changes) && !slices.ContainsFunc(s.Changes, func(c Change) bool { return c.After != "" })
}

// Last is when the newest step was; zero for none.
func (h *History) Last() time.Time {
	if len(h.Steps) == 0 {
		return time.Time{}
	}
	return h.Steps[0].At
}

// Remembered reports whether objects with this key have a history: not what controllers make and replace all the time.
func Remembered(key string) bool {
	k, err := resource.ParseKey(key)
	return err == nil && !slices.Contains([]string{"Pod", "EndpointSlice", "ReplicaSet"}, k.Kind)
}

// TransitionOf says what changed from one value of a source keyspace to the next; nil stands for none. ok is false where
// nothing did that is worth a line.
func TransitionOf(kind string, before, after *Fact) (s Transition, ok bool) {
	s.Kind = kind
	var changes []Change
	switch kind {
	case KindStatus:
		changes = diff(conditionFields(before), conditionFields(after))
	case KindApplied:
		changes = diff(resultFields(before), resultFields(after))
	default:
		switch {
		case before == nil && after != nil:
			changes = []Change{{After: there}}
		case before != nil && after == nil:
			changes = []Change{{Before: there}}
		case before != nil:
			changes = diff(objectFields(before), objectFields(after))
		}
	}
	if len(changes) > maxChanges {
		s.More = len(changes) - maxChanges
		changes = changes[:maxChanges]
	}
	s.Changes = changes
	return s, len(changes) > 0
}

func conditionFields(f *Fact) map[string]string {
	fields := map[string]string{}
	if f == nil {
		return fields
	}
	for _, c := range f.Conditions {
		name := c.Type
		if c.Scope != "" {
			name += " (" + c.Scope + ")"
		}
		fields[name] = c.Status
		if c.Reason != "" && c.Reason != c.Type {
			fields[name] += ", " + c.Reason
		}
	}
	return fields
}

func resultFields(f *Fact) map[string]string {
	if f == nil || f.Applied == nil {
		return nil
	}
	text := string(f.Applied.Result)
	if f.Applied.Message != "" {
		text += ": " + f.Applied.Message
	}
	return map[string]string{"result": text}
}

// objectFields are the labels of an object, and the leaves of its spec where that is kept, else the few words that say what
// it is about.
func objectFields(f *Fact) map[string]string {
	fields := map[string]string{}
	var spec any
	if len(f.Spec) > 0 && json.Unmarshal(f.Spec, &spec) == nil {
		flatten("spec", spec, fields)
	} else if f.Detail != "" {
		fields["about"] = f.Detail
	}
	for name, value := range f.Labels {
		fields["metadata.labels["+name+"]"] = value
	}
	if f.Manifest != nil {
		fields["problem"] = f.Manifest.Message
	}
	return fields
}

func flatten(path string, value any, into map[string]string) {
	switch v := value.(type) {
	case map[string]any:
		for name, field := range v {
			flatten(path+"."+name, field, into)
		}
	case []any:
		for i, element := range v {
			flatten(path+"["+strconv.Itoa(i)+"]", element, into)
		}
	case nil:
	case string:
		into[path] = v
	default:
		into[path] = fmt.Sprint(v)
	}
}

func diff(before, after map[string]string) []Change {
	names := maps.Clone(before)
	if names == nil {
		names = map[string]string{}
	}
	maps.Copy(names, after)
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if before[name] != after[name] {
			changes = append(changes, Change{What: name, Before: short(before[name]), After: short(after[name])})
		}
	}
	return changes
}

func short(value string) string {
	if len(value) <= maxValue {
		return value
	}
	return strings.ToValidUTF8(value[:maxValue], "") + "…"
}

// Oldest returns the keys of the histories that are too many, in no order.
func Oldest(all map[string]History, keep int) []string {
	if len(all) <= keep {
		return nil
	}
	keys := slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		x, y := all[a], all[b]
		return cmp.Or(y.Last().Compare(x.Last()), strings.Compare(a, b))
	})
	return keys[keep:]
}
