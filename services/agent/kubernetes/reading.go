package kubernetes

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/snapshot"
)

// reading is what is kept of an object as it arrives.
type reading struct {
	name    name
	uid     types.UID
	version string
	// object is what goes into the snapshot; without a value, nothing does.
	object snapshot.Object
	// problem reports why the object is left out, where somebody should know.
	problem *snapshot.Object
	// standing is what the target needs to know, nil for most objects.
	standing *standing
}

// standing is an object that we wrote, or whose status we may write.
type standing struct {
	uid     types.UID
	version string
	// object is what we applied of it, as it stands now; nil when the object is not ours.
	object *unstructured.Unstructured
	// others are the entries of other managers in the managedFields of an object that is ours.
	others []metav1.ManagedFieldsEntry
	// status is what we wrote of its status, nil for nothing.
	status map[string]any
	// parents is status.parents of a route as a whole: it can only be written as a whole.
	parents []any
	// class is the class of a Gateway, and the controller of a GatewayClass.
	class string
}

// read takes from an object what is kept. It may change the object.
func (c *Cluster) read(object *unstructured.Unstructured) *reading {
	r := &reading{
		name: name{object.GetNamespace(), object.GetName()}, uid: object.GetUID(), version: object.GetResourceVersion(),
		standing: stand(object),
	}
	kind := object.GroupVersionKind().GroupKind()
	if c.own(kind, r.name) {
		return r
	}
	var err error
	if r.object, err = c.reducer.Reduce(object, ""); err != nil && !errors.Is(err, snapshot.ErrNotTaken) && !errors.Is(err, snapshot.ErrUnknownKind) {
		r.problem = problem(resource.Key{Group: kind.Group, Kind: kind.Kind, Namespace: r.name.namespace, Name: r.name.name}, err)
	}
	return r
}

// own reports whether an object is our own memory, which changes with everything that is applied.
func (c *Cluster) own(kind schema.GroupKind, n name) bool {
	return kind == schema.GroupKind{Kind: "ConfigMap"} && n == name{c.cfg.Namespace, Name}
}

// stand returns what the target needs to know of an object.
func stand(object *unstructured.Unstructured) *standing {
	applied := appliedObject(object)
	group := object.GroupVersionKind().Group
	if applied == nil && group != resource.GatewayGroup && group != resource.Group {
		return nil
	}
	s := &standing{uid: object.GetUID(), version: object.GetResourceVersion(), object: applied}
	if applied != nil {
		s.others = otherManagers(object)
	}
	switch {
	case isRoute(object.GroupVersionKind().GroupKind()):
		parents, _, _ := unstructured.NestedSlice(object.Object, "status", "parents")
		s.parents = parents
		if own := slices.DeleteFunc(slices.Clone(parents), isForeign); len(own) > 0 {
			s.status = map[string]any{"parents": own}
		}
	default:
		s.status = appliedStatus(object)
	}
	for _, field := range []string{"gatewayClassName", "controllerName"} {
		if class, _, _ := unstructured.NestedString(object.Object, "spec", field); class != "" {
			s.class = class
		}
	}
	return s
}

// isRoute reports whether the status of a kind lists the parents of an object, each with the controller that reports it.
func isRoute(kind schema.GroupKind) bool {
	return kind.Group == resource.GatewayGroup && strings.HasSuffix(kind.Kind, "Route")
}

// isForeign reports whether an entry of a route's status.parents is another controller's.
func isForeign(parent any) bool {
	entry, _ := parent.(map[string]any)
	return entry["controllerName"] != resource.ControllerName
}

// problemKey is where a problem with an object is reported.
func problemKey(of resource.Key) resource.Key {
	parts := []string{strings.ToLower(of.Kind)}
	if of.Group != "" {
		parts = append(parts, of.Group)
	}
	if of.Namespace != "" {
		parts = append(parts, of.Namespace)
	}
	return resource.Key{
		Group: resource.InternalGroup, Kind: internalv1.KindManifestProblem,
		Name: strings.Join(append(parts, of.Name), "."),
	}
}

func problem(of resource.Key, err error) *snapshot.Object {
	key := problemKey(of)
	value, _ := json.Marshal(internalv1.ManifestProblem{ // texts and numbers: it does not fail
		TypeMeta:   metav1.TypeMeta{APIVersion: internalv1.APIVersion, Kind: internalv1.KindManifestProblem},
		ObjectMeta: metav1.ObjectMeta{Name: key.Name},
		Spec:       internalv1.ManifestProblemSpec{File: of.String(), Message: err.Error()},
	})
	return &snapshot.Object{Key: key, Value: value}
}
