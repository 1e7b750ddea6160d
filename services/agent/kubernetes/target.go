package kubernetes

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/cluster"
)

// written is what we wrote last to an object, and the version that came of it. While the object
// has that version, it stands as we wrote it, whatever defaults and webhooks made of it.
type written struct {
	uid     types.UID
	version string
	deleted bool
	object  *unstructured.Unstructured
	status  map[string]any
}

// errNewer says that what stands is not to be touched: an output that is newer than ours wanted it so.
var errNewer = errors.New("what stands was applied from a newer output")

// attempts is how often a write is made that others get in the way of.
const attempts = 4

// Managed returns the objects that Meshweir wrote as they stand now, in the form in which they were applied. It waits until the cluster was listed.
func (c *Cluster) Managed(ctx context.Context) (map[resource.Key]*unstructured.Unstructured, error) {
	m, err := c.listed(ctx)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	objects := make(map[resource.Key]*unstructured.Unstructured, len(m.standing))
	for key, s := range m.standing {
		if s.object != nil {
			objects[key] = s.object
		}
	}
	for key, w := range m.applied {
		if w.deleted {
			delete(objects, key)
		} else {
			objects[key] = w.object
		}
	}
	return objects, nil
}

// look returns what is known of an object: whether it exists, and what of it is ours.
func (m *mirror) look(k *kind, key resource.Key) (s *standing, exists bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s = m.standing[key]
	_, exists = k.objects[name{key.Namespace, key.Name}]
	if w, ok := m.applied[key]; ok {
		if w.deleted {
			return nil, false
		}
		return &standing{uid: w.uid, version: w.version, object: w.object}, true
	}
	return s, exists
}

// Apply makes an object stand as given, by server-side apply. It returns
// [cluster.ErrConflict] where an object stands that Meshweir did not apply, and refuses to put something older in the place of something newer.
func (c *Cluster) Apply(ctx context.Context, object *unstructured.Unstructured) error {
	kind, key := object.GroupVersionKind(), keyOf(object)
	k, err := c.writable(kind.GroupKind())
	if err != nil {
		return fmt.Errorf("applying %s: %w", key, err)
	}
	target := c.resource(schema.GroupVersionResource{Group: kind.Group, Version: kind.Version, Resource: k.served.resource.Resource}, key)
	stands, exists := k.mirror.look(k, key)
	for range attempts {
		if err := applicable(object, stands, exists); err != nil {
			return fmt.Errorf("applying %s: %w", key, err)
		}
		patch := object.DeepCopy()
		if exists {
			patch.SetUID(stands.uid)
			patch.SetResourceVersion(stands.version)
		} else {
			// No object has this version: where there is one after all, this is a conflict.
			patch.SetResourceVersion("1")
		}
		got, err := withTimeout(ctx, func(ctx context.Context) (*unstructured.Unstructured, error) {
			return target.Apply(ctx, key.Name, patch, metav1.ApplyOptions{FieldManager: resource.ManagedBy, Force: true})
		})
		switch {
		case err == nil:
			k.mirror.wrote(key, written{uid: got.GetUID(), version: got.GetResourceVersion(), object: object})
			return nil
		case !apierrors.IsConflict(err):
			return fmt.Errorf("applying %s: %w", key, err)
		}
		if stands, exists, err = c.lookAgain(ctx, target, key); err != nil {
			return err
		}
	}
	return fmt.Errorf("applying %s: it was changed by others %d times meanwhile", key, attempts)
}

// applicable refuses to write over what is not ours, or newer.
func applicable(object *unstructured.Unstructured, stands *standing, exists bool) error {
	switch {
	case !exists:
		return nil
	case stands == nil || stands.object == nil:
		return fmt.Errorf("%w: rename or remove that one", cluster.ErrConflict)
	case appliedAt(stands.object).Compare(appliedAt(object)) > 0:
		return errNewer
	default:
		return nil
	}
}

// Delete takes away an object that Meshweir applied, and no other. It refuses to take away what was applied
// from an output that is newer than at. One that is gone already is no error.
func (c *Cluster) Delete(ctx context.Context, key resource.Key, at keyspace.Position) error {
	k, err := c.writable(schema.GroupKind{Group: key.Group, Kind: key.Kind})
	if err != nil {
		return fmt.Errorf("deleting %s: %w", key, err)
	}
	target := c.resource(k.served.resource, key)
	stands, exists := k.mirror.look(k, key)
	for range attempts {
		switch {
		case !exists:
			return nil
		case stands == nil || stands.object == nil:
			return fmt.Errorf("deleting %s: %w", key, cluster.ErrConflict)
		case appliedAt(stands.object).Compare(at) > 0:
			return fmt.Errorf("deleting %s: %w", key, errNewer)
		}
		_, err := withTimeout(ctx, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, target.Delete(ctx, key.Name, metav1.DeleteOptions{
				Preconditions: &metav1.Preconditions{UID: &stands.uid, ResourceVersion: &stands.version},
			})
		})
		switch {
		case err == nil, apierrors.IsNotFound(err):
			k.mirror.wrote(key, written{uid: stands.uid, version: stands.version, deleted: true})
			return nil
		case !apierrors.IsConflict(err):
			return fmt.Errorf("deleting %s: %w", key, err)
		}
		if stands, exists, err = c.lookAgain(ctx, target, key); err != nil {
			return err
		}
	}
	return fmt.Errorf("deleting %s: it was changed by others %d times meanwhile", key, attempts)
}

// lookAgain asks the API server about an object.
func (c *Cluster) lookAgain(ctx context.Context, target dynamic.ResourceInterface, key resource.Key) (s *standing, exists bool, err error) {
	object, err := withTimeout(ctx, func(ctx context.Context) (*unstructured.Unstructured, error) {
		return target.Get(ctx, key.Name, metav1.GetOptions{})
	})
	switch {
	case apierrors.IsNotFound(err):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("reading %s: %w", key, err)
	default:
		return stand(object), true, nil
	}
}

// wrote remembers what we wrote until the reflector brings it, or something newer.
func (m *mirror) wrote(key resource.Key, w written) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, k := m.standing[key], m.kinds[schema.GroupKind{Group: key.Group, Kind: key.Kind}]
	if k == nil || s != nil && newer(s.version, w.version) {
		return
	}
	if s == nil && !w.deleted && newer(k.version, w.version) {
		return // the reflector is past what we wrote: the object is gone, or somebody else's
	}
	_, exists := k.objects[name{key.Namespace, key.Name}]
	if _, behind := m.applied[key]; w.deleted && !exists && !behind {
		return // the reflector has brought the end of it already
	}
	m.applied[key] = w
}

// writable returns the mirror of a kind that may be written: it is served, and what stands is known.
func (c *Cluster) writable(of schema.GroupKind) (*kind, error) {
	m := c.current()
	m.mu.Lock()
	defer m.mu.Unlock()
	switch k := m.kinds[of]; {
	case k == nil:
		return nil, fmt.Errorf("this cluster does not have the kind %s: install its CustomResourceDefinition", of)
	case k.unread != "":
		return nil, fmt.Errorf("what stands of the kind %s is not known: %s", of, k.unread)
	case !k.listed:
		return nil, fmt.Errorf("what stands of the kind %s is not known yet", of)
	default:
		return k, nil
	}
}

func (c *Cluster) resource(of schema.GroupVersionResource, key resource.Key) dynamic.ResourceInterface {
	if key.Namespace == "" {
		return c.objects.Resource(of)
	}
	return c.objects.Resource(of).Namespace(key.Namespace)
}

func keyOf(o *unstructured.Unstructured) resource.Key {
	kind := o.GroupVersionKind()
	return resource.Key{Group: kind.Group, Kind: kind.Kind, Namespace: o.GetNamespace(), Name: o.GetName()}
}

// appliedAt returns the position of the output that an object was applied from; zero for none.
func appliedAt(object *unstructured.Unstructured) keyspace.Position {
	p, err := keyspace.ParsePosition(object.GetAnnotations()[resource.OutputAnnotation])
	if err != nil {
		return keyspace.Position{}
	}
	return p
}
