package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/cluster"
	"github.com/meshweir/meshweir/services/agent/snapshot"
)

// served is a kind as the API server serves it.
type served struct {
	kind     schema.GroupVersionKind
	resource schema.GroupVersionResource
}

// kind mirrors the objects of one kind. It is the store of its reflector; the mirror's lock guards its fields.
type kind struct {
	cluster *Cluster
	mirror  *mirror
	served  served
	stop    context.CancelFunc

	// ended says that the kind is not mirrored any more; what its reflector still brings is dropped.
	ended   bool
	objects map[name]seen
	listed  bool
	// version is that of the latest change that the reflector brought.
	version string
	// unread says why the objects cannot be read now; empty when they can, as far as is known.
	unread string
	// recalled says that the stored snapshot was asked what it holds of the kind.
	recalled bool
}

func (k *kind) key(n name) resource.Key {
	return resource.Key{Group: k.served.kind.Group, Kind: k.served.kind.Kind, Namespace: n.namespace, Name: n.name}
}

// shownAs reports whether the snapshot holds the objects of this kind under such keys.
func (k *kind) shownAs(key resource.Key) bool {
	of := schema.GroupKind{Group: key.Group, Kind: key.Kind}
	if k.served.kind.GroupKind() == (schema.GroupKind{Kind: "Secret"}) {
		return of == schema.GroupKind{Group: resource.InternalGroup, Kind: internalv1.KindCertificate}
	}
	return of == k.served.kind.GroupKind()
}

// run lists and watches until ctx ends.
func (k *kind) run(ctx context.Context) {
	reflector := k.cluster.newReflector(ctx, k.served.resource, k.listWatch(), k)
	refusals := 0
	for failures := 0; ; failures++ {
		began := time.Now()
		err := reflector.ListAndWatchWithContext(ctx)
		if time.Since(began) > cluster.Backoff(11) {
			failures = 0
		}
		wait := cluster.Backoff(failures + 1)
		if why, most := k.refusal(err); why == "" {
			refusals = 0
		} else if refusals++; refusals > most && k.cluster.reach.believes(ctx) {
			k.refuse(ctx, why, err)
			wait = k.cluster.cfg.Rediscover
		}
		if !k.cluster.reach.pause(ctx, wait) {
			return
		}
	}
}

// refusal returns what an error says about the kind: why it cannot be read, and how
// often that may be said without meaning much; or nothing, where it says nothing about the kind.
func (k *kind) refusal(err error) (why string, most int) {
	answer := apierrors.APIStatus(nil)
	switch {
	case apierrors.IsTooManyRequests(err):
		return fmt.Sprintf("the API server cannot read it: %v", err), 2
	case apierrors.IsForbidden(err):
		return fmt.Sprintf("the agent may not read it: grant get, list and watch on %s", k.served.resource.GroupResource()), 1
	case errors.As(err, &answer) && answer.Status().Code >= http.StatusInternalServerError:
		return fmt.Sprintf("the API server cannot read it: %s", answer.Status().Message), 4
	default:
		return "", 0
	}
}

// end stops the reflector for good.
func (k *kind) end() {
	k.ended = true
	k.stop()
}

func (k *kind) listWatch() cache.ListerWatcher {
	objects := k.cluster.objects.Resource(k.served.resource)
	// Of Secrets nothing but certificates is taken: the others need not come here at all.
	narrow := func(options *metav1.ListOptions) {
		if k.served.kind.GroupKind() == (schema.GroupKind{Kind: "Secret"}) {
			options.FieldSelector = "type=kubernetes.io/tls"
		}
	}
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			narrow(&options)
			return objects.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			narrow(&options)
			w, err := objects.Watch(ctx, options)
			if apierrors.IsTooManyRequests(err) { // the client has waited as it was told to; the reflector would try for ever
				err = apierrors.NewServiceUnavailable(err.Error())
			}
			return w, err
		},
	}
}

// refuse takes that the kind cannot be read.
func (k *kind) refuse(ctx context.Context, why string, err error) {
	k.mirror.mu.Lock()
	defer k.mirror.mu.Unlock()
	if k.ended || ctx.Err() != nil {
		return
	}
	if k.unread == "" {
		k.cluster.log.WarnContext(ctx, "kind cannot be read, what is known of it stays", "kind", k.served.kind.GroupKind().String(), "error", err)
	}
	k.setUnread(why)
}

// setUnread notes, and delivers, why the kind cannot be read; empty means that it can.
func (k *kind) setUnread(why string) {
	if k.unread == why {
		return
	}
	k.unread = why
	marker := unreadMarker(k.served.kind.GroupKind(), why)
	if why == "" {
		marker.Value = nil
	}
	k.mirror.pending[marker.Key] = marker.Value
	k.mirror.signal()
}

func unreadMarker(of schema.GroupKind, why string) snapshot.Object {
	key := resource.Key{Group: resource.InternalGroup, Kind: internalv1.KindUnreadKind, Name: strings.ToLower(of.String())}
	value, _ := json.Marshal(internalv1.UnreadKind{ // texts: it does not fail
		TypeMeta:   metav1.TypeMeta{APIVersion: internalv1.APIVersion, Kind: internalv1.KindUnreadKind},
		ObjectMeta: metav1.ObjectMeta{Name: key.Name},
		Spec:       internalv1.UnreadKindSpec{Group: of.Group, Kind: of.Kind, Message: why},
	})
	return snapshot.Object{Key: key, Value: value}
}

// Transformer is part of [cache.TransformingStore]: objects are reduced as soon as they are decoded.
func (k *kind) Transformer() cache.TransformFunc {
	return func(object any) (any, error) { return k.read(object) }
}

func (k *kind) read(object any) (*reading, error) {
	switch object := object.(type) {
	case *reading:
		return object, nil
	case *unstructured.Unstructured:
		return k.cluster.read(object), nil
	default:
		return nil, fmt.Errorf("reading a %s: got a %T", k.served.kind.Kind, object)
	}
}

// take changes the mirror by what the reflector brought, unless the kind has ended.
func (k *kind) take(change func()) {
	k.mirror.mu.Lock()
	defer k.mirror.mu.Unlock()
	if !k.ended {
		change()
		k.mirror.signal()
	}
}

// Add is part of [cache.ReflectorStore].
func (k *kind) Add(object any) error { return k.Update(object) }

// Update is part of [cache.ReflectorStore].
func (k *kind) Update(object any) error {
	r, err := k.read(object)
	if err != nil {
		return err
	}
	k.take(func() {
		k.mirror.set(k, r)
		k.version = r.version
	})
	return nil
}

// Delete is part of [cache.ReflectorStore].
func (k *kind) Delete(object any) error {
	r, err := k.read(object)
	if err != nil {
		return err
	}
	k.take(func() {
		k.mirror.unset(k, r.name)
		k.mirror.forget(k.key(r.name), r.version)
		k.version = r.version
	})
	return nil
}

// Replace is part of [cache.ReflectorStore]: it takes a whole list.
func (k *kind) Replace(objects []any, version string) error {
	readings := make(map[name]*reading, len(objects))
	for _, object := range objects {
		r, err := k.read(object)
		if err != nil {
			return err
		}
		readings[r.name] = r
	}
	k.take(func() {
		for n := range k.objects {
			if readings[n] == nil {
				k.mirror.unset(k, n)
			}
		}
		for _, r := range readings {
			k.mirror.set(k, r)
		}
		k.forgetAbsent(readings, version)
		k.listed, k.version = true, version
		k.setUnread("")
	})
	return nil
}

// forgetAbsent drops what we wrote to objects that a list of some version does not have.
func (k *kind) forgetAbsent(listed map[name]*reading, version string) {
	for _, writes := range k.mirror.writes() {
		for key := range writes {
			if k.has(key) && listed[name{key.Namespace, key.Name}] == nil {
				k.mirror.forget(key, version)
			}
		}
	}
}

// forgetAll drops what we wrote to objects of the kind, which is gone.
func (k *kind) forgetAll() {
	for _, writes := range k.mirror.writes() {
		maps.DeleteFunc(writes, func(key resource.Key, _ written) bool { return k.has(key) })
	}
}

// has reports whether a key is that of an object of the kind.
func (k *kind) has(key resource.Key) bool {
	return schema.GroupKind{Group: key.Group, Kind: key.Kind} == k.served.kind.GroupKind()
}

// Resync is part of [cache.ReflectorStore].
func (k *kind) Resync() error { return nil }
