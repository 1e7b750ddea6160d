// Package resource names the Kubernetes objects that cross between rooms.
//
// An object travels as the JSON of the object itself, pruned, under a [Key].
// Objects that Meshweir wrote into a cluster carry the labels and annotations
// below; objects that an agent computes in memory (they exist in no cluster)
// are of the group [InternalGroup].
package resource

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// Groups that more than one room speaks of.
const (
	// Group is the API group of Meshweir's own custom resources.
	Group = "meshweir.io"
	// InternalGroup is the API group of resources that an agent computes and that exist in no cluster.
	InternalGroup = "internal.meshweir.io"
	// GatewayGroup is the API group of the Kubernetes Gateway API.
	GatewayGroup = "gateway.networking.k8s.io"
)

// Marks on every object that Meshweir writes into a cluster.
const (
	// ManagedByLabel has the value [ManagedBy] on every object that Meshweir wrote.
	ManagedByLabel = "app.kubernetes.io/managed-by"
	// ManagedBy is the value of [ManagedByLabel], and the field manager of server-side apply.
	ManagedBy = "meshweir"
	// SourcesAnnotation lists the objects that an output was made from: "cluster:key" joined by commas, sorted.
	SourcesAnnotation = "meshweir.io/sources"
	// SourceClustersAnnotation lists the clusters that an output was made from, joined by commas, sorted.
	SourceClustersAnnotation = "meshweir.io/source-clusters"
	// FileAnnotation names, on an object of a folder, the file that it is in: a path within the cluster's folder.
	FileAnnotation = "meshweir.io/file"
	// OutputAnnotation is the position ("epoch/revision") in output/<cluster> at which the object last changed.
	// The agent sets it when it applies.
	OutputAnnotation = "meshweir.io/output"
)

// GatewayClass is the gatewayClassName that Meshweir's translator answers to.
const GatewayClass = "meshweir"

// ControllerName identifies the translator in Gateway API status, as the Gateway API's spec demands of a controller.
const ControllerName = "meshweir.io/gateway-controller"

// Key names one object within one cluster. The API version is not part of it.
type Key struct {
	// Group is the API group; empty is the core group.
	Group string
	// Kind is the kind in CamelCase, as in a manifest.
	Kind string
	// Namespace is empty for objects that have none.
	Namespace string
	// Name is the object's name.
	Name string
}

// String returns "Kind[.group]/namespace/name", the form in which keys stand in keyspaces and annotations.
func (k Key) String() string {
	kind := k.Kind
	if k.Group != "" {
		kind += "." + k.Group
	}
	return kind + "/" + k.Namespace + "/" + k.Name
}

// Compare orders keys by group, then kind, namespace and name.
func (k Key) Compare(o Key) int {
	return cmp.Or(
		strings.Compare(k.Group, o.Group),
		strings.Compare(k.Kind, o.Kind),
		strings.Compare(k.Namespace, o.Namespace),
		strings.Compare(k.Name, o.Name),
	)
}

// ErrKey says that a text is no key.
var ErrKey = errors.New(`want "Kind[.group]/namespace/name"`)

// ParseKey reads what [Key.String] wrote.
func ParseKey(s string) (Key, error) {
	kind, rest, ok := strings.Cut(s, "/")
	namespace, name, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 || name == "" || strings.Contains(name, "/") {
		return Key{}, fmt.Errorf("parsing object key %q: %w", s, ErrKey)
	}
	k := Key{Namespace: namespace, Name: name}
	k.Kind, k.Group, _ = strings.Cut(kind, ".")
	if k.Kind == "" || kind == k.Kind+"." {
		return Key{}, fmt.Errorf("parsing object key %q: %w", s, ErrKey)
	}
	return k, nil
}

// Selects reports whether labels have all that a selector asks for; an empty selector selects everything.
func Selects(selector, labels map[string]string) bool {
	for name, value := range selector {
		if got, ok := labels[name]; !ok || got != value {
			return false
		}
	}
	return true
}
