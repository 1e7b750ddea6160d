package fleet

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/schemas/resource"
)

// Ref names an object of a cluster, or, without a key, a cluster.
type Ref struct {
	Cluster string
	Key     resource.Key
}

// KindOf returns the kind of a key.
func KindOf(key resource.Key) Input {
	if key.Group == "" {
		return Input(key.Kind)
	}
	return Input(key.Kind + "." + key.Group)
}

// KeyOf returns the key of an object of a kind.
func KeyOf(kind Input, namespace, name string) resource.Key {
	k, group, _ := strings.Cut(string(kind), ".")
	return resource.Key{Group: group, Kind: k, Namespace: namespace, Name: name}
}

// Insight returns the ref as insights have it.
func (r Ref) Insight() insight.Ref {
	if r.Key.Kind == "" {
		return insight.Ref{Cluster: r.Cluster}
	}
	return insight.Ref{Cluster: r.Cluster, Object: r.Key.String()}
}

// ParseRef reads "cluster:key", as annotations have it.
func ParseRef(text string) (Ref, bool) {
	cluster, text, _ := strings.Cut(text, ":")
	key, err := resource.ParseKey(text)
	return Ref{cluster, key}, err == nil && cluster != ""
}

// Compare orders refs by cluster, then key.
func (r Ref) Compare(o Ref) int {
	return cmp.Or(strings.Compare(r.Cluster, o.Cluster), r.Key.Compare(o.Key))
}

// value is a decoded object.
type value interface {
	Metadata() *Meta
	trim()
}

// Object is one decoded object of a snapshot.
type Object struct {
	Key resource.Key
	// value is nil for a kind that no check reads, and for what cannot be read.
	value value
}

// Ignored reports whether no check reads the object.
func (o Object) Ignored() bool { return o.value == nil }

// Decode reads one value of a snapshot: of the kinds that checks read, what they read of it. An object that cannot be read says
// nothing, and its author hears of it elsewhere.
func Decode(key string, data []byte) (Object, error) {
	k, err := resource.ParseKey(key)
	if err != nil {
		return Object{}, err
	}
	v := newValue(KindOf(k))
	if v == nil {
		return Object{Key: k}, nil
	}
	if err := json.Unmarshal(data, v); err != nil {
		return Object{Key: k}, fmt.Errorf("decoding %s: %w", key, err)
	}
	v.trim()
	m := v.Metadata()
	m.Namespace, m.Name = k.Namespace, k.Name
	return Object{k, v}, nil
}

func (o Object) equal(other Object) bool { return reflect.DeepEqual(o.value, other.value) }
