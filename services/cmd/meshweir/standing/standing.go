// Package standing compares what a cluster should have with what its agent made
// of it and with what stands there, as far as its snapshot tells.
package standing

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
)

// State says how an object stands.
type State string

// The states of an object.
const (
	// Same means that the object stands as it should.
	Same State = "same"
	// Missing means that it should stand and does not.
	Missing State = "missing"
	// Extra means that Meshweir wrote it and it should stand no more.
	Extra State = "extra"
	// Added means that it stands as it should, and that others added fields to it, which are theirs.
	Added State = "added"
	// Differs means that it stands otherwise than it should.
	Differs State = "differs"
	// Held means that the agent left what stands, or does not, as it is: Why says why.
	Held State = "held"
)

// Object is one object of a cluster.
type Object struct {
	Key   string `json:"object"`
	State State  `json:"state"`
	// Why is what the agent says of an object that it did not apply, or that it did not get to.
	Why string `json:"why,omitempty"`
	// Fields are those that differ, and those that others added.
	Fields []resource.Difference `json:"fields,omitempty"`
	// Desired and Live are what should stand and what does, without what says nothing of its content; nil for none.
	Desired map[string]any `json:"-"`
	Live    map[string]any `json:"-"`
}

// Wrong reports whether the object stands otherwise than it should.
func (o Object) Wrong() bool { return o.State != Same && o.State != Added }

// Known is what is known of one cluster, by the object's key.
type Known struct {
	// Desired is output/<cluster>, Applied applied/<cluster> and Live snapshot/<cluster>.
	Desired, Live map[string][]byte
	Applied       map[string]internalv1.Applied
}

// Compare compares every object that Meshweir wants, or wrote, sorted by key.
func Compare(k Known) ([]Object, error) {
	keys := map[string]bool{}
	for key := range k.Desired {
		keys[key] = true
	}
	live := map[string]map[string]any{}
	for key, value := range k.Live {
		_, wanted := k.Desired[key]
		if !wanted && !strings.Contains(string(value), resource.ManagedBy) {
			continue
		}
		object, err := content(value)
		if err != nil {
			return nil, fmt.Errorf("reading what stands as %s: %w", key, err)
		}
		if wanted || isOurs(object) {
			live[key], keys[key] = object, true
		}
	}
	var all []Object
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		o := Object{Key: key, Live: live[key]}
		value, wanted := k.Desired[key]
		if wanted {
			var err error
			if o.Desired, err = content(value); err != nil {
				return nil, fmt.Errorf("reading what should stand as %s: %w", key, err)
			}
		}
		o.judge(k.Applied[key], value)
		all = append(all, o)
	}
	return all, nil
}

// judge says how the object stands, given what the agent last did with it. While it has not applied what is desired now, a field
// that nothing is desired of may be one that it has not taken away yet.
func (o *Object) judge(record internalv1.Applied, desired []byte) {
	done := record.Result == internalv1.ResultApplied || record.Result == internalv1.ResultDeleted
	if o.Desired != nil && o.Live != nil {
		o.Fields = differences(o.Desired, o.Live)
	}
	switch {
	case o.Desired != nil && o.Live != nil && len(o.Fields) == 0:
		o.State = Same
	case record.Result != "" && !done:
		o.State, o.Why = Held, fmt.Sprintf("%s: %s", record.Result, record.Message)
	case o.Desired == nil:
		o.State, o.Why = Extra, "the output has it no more, and the agent has not removed it yet"
	case o.Live == nil && record.Result == "":
		o.State, o.Why = Missing, "the agent has not come to it yet"
	case o.Live == nil:
		o.State, o.Why = Missing, "it was applied, and the snapshot has it no more, or not yet"
	case !slices.ContainsFunc(o.Fields, func(d resource.Difference) bool { return !d.Added }) &&
		record.Result == internalv1.ResultApplied && record.Hash == internalv1.HashOf(desired):
		o.State = Added
	default:
		o.State = Differs
	}
}

// content decodes an object, without what the cluster and the agent add to it.
func content(value []byte) (map[string]any, error) {
	var object map[string]any
	if err := json.Unmarshal(value, &object); err != nil {
		return nil, err
	}
	delete(object, "status")
	meta, _ := object["metadata"].(map[string]any)
	for field := range meta {
		switch field {
		case "name", "namespace", "labels", "annotations":
		default:
			delete(meta, field)
		}
	}
	if annotations, _ := meta["annotations"].(map[string]any); annotations != nil {
		delete(annotations, resource.OutputAnnotation)
		if len(annotations) == 0 {
			delete(meta, "annotations")
		}
	}
	return object, nil
}

func isOurs(object map[string]any) bool {
	meta, _ := object["metadata"].(map[string]any)
	labels, _ := meta["labels"].(map[string]any)
	return labels[resource.ManagedByLabel] == resource.ManagedBy
}

// differences returns the fields that differ, but for labels and annotations that others added.
func differences(desired, live map[string]any) []resource.Difference {
	return slices.DeleteFunc(resource.Differences(desired, live), func(d resource.Difference) bool {
		return d.Added && strings.HasPrefix(d.Path, "metadata.")
	})
}
