package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"github.com/meshweir/meshweir/services/agent/cluster"
)

func definitions() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
}

// discover keeps a reflector for every kind that is taken and served, until ctx ends.
func (c *Cluster) discover(ctx context.Context, m *mirror, start func(*kind)) {
	hints := make(chan struct{}, 1)
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() { c.watchDefinitions(ctx, m, hints) })
	failures := 0
	// A definition changes a moment before what is served does.
	var soon int
	for {
		err := c.rediscover(ctx, m, start)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			if failures == 0 && !errors.Is(err, errNotReady) {
				c.log.WarnContext(ctx, "kinds cannot be discovered, it is tried again", "error", err)
			}
			failures++
			if !c.reach.pause(ctx, cluster.Backoff(failures)) {
				return
			}
			continue
		}
		failures = 0
		wait := c.cfg.Rediscover
		if soon > 0 {
			soon--
			wait = min(wait, time.Second)
		}
		select {
		case <-hints:
			soon = 5
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

var errNotReady = errors.New("the API server does not say that it is ready")

// rediscover asks which kinds are served, starts what is new and ends what is gone. A server that
// is not ready is not asked: it does not know yet what it serves.
func (c *Cluster) rediscover(ctx context.Context, m *mirror, start func(*kind)) error {
	if !c.reach.believes(ctx) {
		return errNotReady
	}
	found, failed, err := c.servedKinds(ctx)
	if err != nil {
		return err
	}
	m.mu.Lock()
	for of, s := range found {
		fresh := &kind{cluster: c, mirror: m, served: s, objects: map[name]seen{}}
		if k := m.kinds[of]; k != nil {
			if k.served == s {
				continue
			}
			k.end() // another version is preferred now
			fresh.objects, fresh.listed, fresh.version, fresh.unread, fresh.recalled = k.objects, k.listed, k.version, k.unread, k.recalled
		}
		m.kinds[of] = fresh
		start(fresh)
	}
	var vanished []*kind
	for of, k := range m.kinds {
		if _, ok := found[of]; !ok && !failed[of.Group] {
			vanished = append(vanished, k)
		}
	}
	m.discovered = m.discovered || !slices.ContainsFunc(slices.Collect(maps.Keys(failed)), c.reducer.TakesGroup)
	m.signal()
	m.mu.Unlock()
	for _, k := range vanished {
		if err := c.vanish(ctx, m, k); err != nil {
			return err
		}
	}
	if len(failed) > 0 {
		c.log.DebugContext(ctx, "kinds of some groups are not known", "groups", slices.Sorted(maps.Keys(failed)))
	}
	return nil
}

// servedKinds returns the kinds that are taken and served, in the version that the API server prefers, and the
// groups of which it could not say what they serve.
func (c *Cluster) servedKinds(ctx context.Context) (found map[schema.GroupKind]served, failed map[string]bool, err error) {
	lists, err := withTimeout(ctx, c.kinds.ServerPreferredResourcesWithContext)
	failed = map[string]bool{}
	if some := (*discovery.ErrGroupDiscoveryFailed)(nil); errors.As(err, &some) {
		for version := range some.Groups {
			failed[version.Group] = true
		}
	} else if err != nil {
		return nil, nil, fmt.Errorf("asking which kinds are served: %w", err)
	}
	found = map[schema.GroupKind]served{}
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue // no group of ours
		}
		for _, r := range list.APIResources {
			of := version.WithKind(r.Kind)
			if c.reducer.Takes(of.GroupKind()) && slices.Contains(r.Verbs, "list") && slices.Contains(r.Verbs, "watch") {
				found[of.GroupKind()] = served{of, version.WithResource(r.Name)}
			}
		}
	}
	return found, failed, nil
}

// vanish takes that a kind is not served any more. Its objects are gone if its definition is; otherwise they are unknown.
func (c *Cluster) vanish(ctx context.Context, m *mirror, k *kind) error {
	definition := k.served.resource.GroupResource().String()
	_, err := withTimeout(ctx, func(ctx context.Context) (*metav1.PartialObjectMetadata, error) {
		return c.metadata.Resource(definitions()).Get(ctx, definition, metav1.GetOptions{})
	})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err) {
		return fmt.Errorf("reading the definition of %s: %w", k.served.kind.GroupKind(), err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !apierrors.IsNotFound(err) || !m.definitions[definition] { // what no definition was seen of is built in
		k.setUnread("the API server does not serve it now, and its CustomResourceDefinition is not known to be gone")
		return nil
	}
	c.log.InfoContext(ctx, "kind is gone, and its objects with it", "kind", k.served.kind.GroupKind().String())
	k.end()
	k.setUnread("")
	for n := range k.objects {
		m.unset(k, n)
	}
	k.forgetAll()
	delete(m.kinds, k.served.kind.GroupKind())
	m.signal()
	return nil
}
