package agent

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
)

// wanted is one object of an output.
type wanted struct {
	object *unstructured.Unstructured
	// at is where in the output the object last changed.
	at   keyspace.Position
	hash string
	// err says why the object cannot be applied.
	err error
}

// step is what is to be done about one object.
type step struct {
	key    resource.Key
	verb   verb
	wanted wanted
	// stands is the object as it stands; nil for none.
	stands *unstructured.Unstructured
	// reason says why the step is refused, or on hold.
	reason string
}

type verb int

const (
	keep   verb = iota // the object stands as it should
	apply              // the object is to be made, or changed
	remove             // the object is to be taken away
	refuse             // what stands is newer than the output
	hold               // what is wanted cannot be read: what stands stays
	await              // the output was computed without a sight of what stands
)

// plan compares a complete output, at a position, with what stands, and returns
// what to do, in order: what requests reach later is made first and taken away last, and what
// is new comes before what changes, so that a request finds its way at every moment.
// Nothing is done that is older than what stands. Where Redis has lost its memory since an object was
// applied, the object is not touched before the output was computed from a snapshot that has it, as sees tells: only
// then is it known whether it depends on something that is not back yet.
func plan(output map[resource.Key]wanted, at keyspace.Position, live map[resource.Key]*unstructured.Unstructured, sees func(resource.Key, string) bool) []step {
	unseen := func(key resource.Key, stands *unstructured.Unstructured) bool {
		applied := appliedAt(stands)
		return applied.Epoch != keyspace.Epoch{} && applied.Epoch != at.Epoch && !sees(key, applied.String())
	}
	steps := make([]step, 0, len(output))
	for key, want := range output {
		s := step{key: key, verb: apply, wanted: want, stands: live[key]}
		if want.err != nil {
			s.verb, s.reason = hold, want.err.Error()
		} else if stands := live[key]; stands != nil {
			switch applied := appliedAt(stands); {
			case equal(want.object, stands):
				s.verb = keep
			case applied.Compare(want.at) > 0:
				s.verb = refuse
				s.reason = fmt.Sprintf("what stands was applied from output %s, which is newer than %s", applied, want.at)
			case unseen(key, stands):
				s.verb = await
			}
		}
		steps = append(steps, s)
	}
	for key, stands := range live {
		if _, ok := output[key]; ok {
			continue
		}
		s := step{key: key, verb: remove, wanted: wanted{at: at}}
		if applied := appliedAt(stands); applied.Compare(at) > 0 {
			s.verb = refuse
			s.reason = fmt.Sprintf("it is not in the output, but was applied from output %s, which is newer than %s", applied, at)
		} else if unseen(key, stands) {
			s.verb = await
		}
		steps = append(steps, s)
	}
	slices.SortFunc(steps, func(a, b step) int {
		order := cmp.Compare(rank(a.key.Kind), rank(b.key.Kind))
		if a.verb == remove && b.verb == remove {
			order = -order
		}
		return cmp.Or(compareBools(a.verb == remove, b.verb == remove), order, compareBools(live[a.key] != nil, live[b.key] != nil),
			cmp.Compare(a.key.Group, b.key.Group), cmp.Compare(a.key.Kind, b.key.Kind),
			cmp.Compare(a.key.Namespace, b.key.Namespace), cmp.Compare(a.key.Name, b.key.Name))
	})
	return steps
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

// rank orders kinds: hosts, then how they are reached and who may, then the routes to them, then what lets requests in.
func rank(kind string) int {
	switch kind {
	case "ServiceEntry", "WorkloadEntry":
		return 0
	case "DestinationRule":
		return 1
	case "VirtualService":
		return 3
	case "Gateway":
		return 4
	default:
		return 2
	}
}

// appliedAt returns the position of the output that an object was applied from; zero for none.
func appliedAt(object *unstructured.Unstructured) keyspace.Position {
	p, err := keyspace.ParsePosition(object.GetAnnotations()[resource.OutputAnnotation])
	if err != nil {
		return keyspace.Position{}
	}
	return p
}

// prepare returns the object as it is to stand: with our label, and the position it comes from.
func prepare(w wanted) *unstructured.Unstructured {
	object := w.object.DeepCopy()
	annotations := maps.Clone(object.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[resource.OutputAnnotation] = w.at.String()
	object.SetAnnotations(annotations)
	return object
}

// result returns what is reported of a step that is done, given the error that it ended with.
func (s step) result(err error, isConflict bool) internalv1.Applied {
	record := internalv1.Applied{Result: internalv1.ResultApplied, Hash: s.wanted.hash}
	if s.wanted.object != nil {
		record.Output = s.wanted.at.String()
	}
	switch {
	case isConflict:
		record.Result = internalv1.ResultConflict
	case err != nil:
		record.Result = internalv1.ResultError
	case s.verb == hold:
		record.Result, record.Message = internalv1.ResultError, s.reason
	case s.verb == refuse:
		record.Result, record.Message = internalv1.ResultRefused, s.reason
	}
	if err != nil {
		record.Message = err.Error()
	}
	if record.Result != internalv1.ResultApplied {
		record.Hash = ""
	}
	return record
}
