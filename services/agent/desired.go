package agent

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kjson "k8s.io/apimachinery/pkg/util/json"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
)

// content is a value of output/<cluster> or status/<cluster>.
type content struct {
	object map[string]any
	hash   string
	// err says why the value cannot be used. It is kept, because what is wanted
	// by a value that cannot be read is unknown, and not nothing.
	err error
}

func decodeContent(_ string, value []byte) (content, error) {
	c := content{hash: internalv1.HashOf(value)}
	if err := kjson.Unmarshal(value, &c.object); err != nil {
		c.err = fmt.Errorf("decoding the value: %w", err)
	}
	return c, nil
}

// output returns what should stand and the keyspace's word on it, or nil while that is not known.
func (p *applier) output() (output map[resource.Key]wanted, meta keyspace.Meta) {
	p.outputs.View(func(v keyspace.View[content]) {
		meta = v.Meta(p.names.output)
		if !meta.Exists() || !meta.Complete {
			return
		}
		output = make(map[resource.Key]wanted, v.Len(p.names.output))
		for text, c := range v.All(p.names.output) {
			key, err := resource.ParseKey(text)
			if err != nil {
				p.log.Debug("output holds what is no object", "key", text, "error", err)
				continue
			}
			w := wanted{object: &unstructured.Unstructured{Object: c.object}, at: v.Position(p.names.output, text), hash: c.hash, err: c.err}
			if w.err == nil {
				w.err = matches(w.object, key)
			}
			if w.at.Compare(meta.Position) > 0 {
				w.at = meta.Position // written in an epoch that was lost, and still equal
			}
			output[key] = w
		}
	})
	return output, meta
}

// matches refuses an object that is not what its key says, or that lacks the label by which it is known as ours.
func matches(object *unstructured.Unstructured, key resource.Key) error {
	kind := object.GroupVersionKind()
	is := resource.Key{Group: kind.Group, Kind: kind.Kind, Namespace: object.GetNamespace(), Name: object.GetName()}
	if is != key {
		return fmt.Errorf("the object is %s", is)
	}
	if object.GetLabels()[resource.ManagedByLabel] != resource.ManagedBy {
		return fmt.Errorf("the label %s is missing", resource.ManagedByLabel)
	}
	return nil
}

// statuses returns the statuses that objects should have, or nil while they are
// not known. A single one that is nil is not known: it stays as it is.
func (p *applier) statuses() (statuses map[resource.Key]map[string]any, at keyspace.Position) {
	p.outputs.View(func(v keyspace.View[content]) {
		meta := v.Meta(p.names.status)
		if !meta.Exists() || !meta.Complete {
			return
		}
		at = meta.Position
		statuses = make(map[resource.Key]map[string]any, v.Len(p.names.status))
		for text, c := range v.All(p.names.status) {
			key, err := resource.ParseKey(text)
			if err != nil {
				p.log.Debug("status of what is no object", "key", text, "error", err)
				continue
			}
			statuses[key], _ = c.object["status"].(map[string]any)
		}
	})
	return statuses, at
}
