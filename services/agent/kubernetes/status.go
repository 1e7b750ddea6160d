package kubernetes

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/cluster"
)

// Statuses returns the statuses that Meshweir wrote, as they stand now; of a
// route, the entries of its parents that are ours. It waits until the cluster was listed.
func (c *Cluster) Statuses(ctx context.Context) (map[resource.Key]map[string]any, error) {
	m, err := c.listed(ctx)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	statuses := map[resource.Key]map[string]any{}
	for key, s := range m.standing {
		if w, ok := m.wroteStatus[key]; ok {
			if w.status != nil {
				statuses[key] = w.status
			}
		} else if s.status != nil {
			statuses[key] = s.status
		}
	}
	return statuses, nil
}

// SetStatus makes an object's status stand as given, by server-side apply of
// its status alone. A nil status takes away what is ours of it. It returns [cluster.ErrGone] when the object does not exist,
// and [cluster.ErrConflict] for one that is not Meshweir's to report on.
func (c *Cluster) SetStatus(ctx context.Context, key resource.Key, status map[string]any) error {
	of := schema.GroupKind{Group: key.Group, Kind: key.Kind}
	k, err := c.writable(of)
	if err != nil {
		return fmt.Errorf("writing the status of %s: %w", key, err)
	}
	target := c.resource(k.served.resource, key)
	stands := k.mirror.lookForStatus(key)
	for range attempts {
		if stands == nil && status == nil {
			return nil
		}
		if stands == nil {
			return fmt.Errorf("writing the status of %s: %w", key, cluster.ErrGone)
		}
		if status != nil && !k.mirror.reportsOn(key, stands.class) {
			return fmt.Errorf("writing the status of %s: %w: its class is another controller's", key, cluster.ErrConflict)
		}
		patch := statusPatch(k.served.kind, key, stands, status)
		got, err := withTimeout(ctx, func(ctx context.Context) (*unstructured.Unstructured, error) {
			return target.ApplyStatus(ctx, key.Name, patch, metav1.ApplyOptions{FieldManager: resource.ManagedBy, Force: true})
		})
		switch {
		case err == nil:
			k.mirror.wroteStatusOf(key, written{uid: got.GetUID(), version: got.GetResourceVersion(), status: status}, stand(got))
			return nil
		case !apierrors.IsConflict(err) && !apierrors.IsNotFound(err):
			return fmt.Errorf("writing the status of %s: %w", key, err)
		}
		var exists bool
		notFound := err
		if stands, exists, err = c.lookAgain(ctx, target, key); err != nil {
			return err
		}
		if exists && apierrors.IsNotFound(notFound) {
			return fmt.Errorf("writing the status of %s: the kind has no status: %w", key, notFound)
		}
	}
	return fmt.Errorf("writing the status of %s: it was changed by others %d times meanwhile", key, attempts)
}

// statusPatch returns what is to be applied. A route's parents are one value, so
// that other controllers' entries must be in it: the version that they were read at must still stand.
func statusPatch(kind schema.GroupVersionKind, key resource.Key, stands *standing, status map[string]any) *unstructured.Unstructured {
	patch := &unstructured.Unstructured{Object: map[string]any{}}
	patch.SetGroupVersionKind(kind)
	patch.SetNamespace(key.Namespace)
	patch.SetName(key.Name)
	patch.SetUID(stands.uid)
	patch.SetResourceVersion(stands.version)
	switch {
	case isRoute(kind.GroupKind()):
		ours, _ := status["parents"].([]any)
		others := slices.DeleteFunc(slices.Clone(stands.parents), func(parent any) bool { return !isForeign(parent) })
		patch.Object["status"] = map[string]any{"parents": slices.Concat([]any{}, others, ours)}
	case status != nil:
		patch.Object["status"] = status
	}
	return patch
}

// lookForStatus returns what is known of an object whose status is to be written, or nil.
func (m *mirror) lookForStatus(key resource.Key) *standing {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.standing[key]
}

// reportsOn reports whether an object's status is Meshweir's to write: of Gateways
// and GatewayClasses, only when their class is ours. A class that the cluster does not describe is judged by its name.
func (m *mirror) reportsOn(key resource.Key, class string) bool {
	if key.Group != resource.GatewayGroup {
		return true
	}
	switch key.Kind {
	case "GatewayClass":
		return class == resource.ControllerName
	case "Gateway":
		m.mu.Lock()
		defer m.mu.Unlock()
		if s := m.standing[resource.Key{Group: resource.GatewayGroup, Kind: "GatewayClass", Name: class}]; s != nil {
			return s.class == resource.ControllerName
		}
		return class == resource.GatewayClass
	default:
		return true
	}
}

// wroteStatusOf remembers what we wrote, and how the object stands since, until the reflector brings it.
func (m *mirror) wroteStatusOf(key resource.Key, w written, now *standing) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.standing[key]; s == nil || newer(s.version, w.version) {
		return
	}
	m.standing[key] = now
	m.wroteStatus[key] = w
}
