package kubernetes

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/meshweir/meshweir/services/agent/cluster"
)

// watchDefinitions notes the names of CustomResourceDefinitions and gives a hint when one changes, until ctx ends. Without the
// right to do so, kinds that come later are found by asking now and then.
func (c *Cluster) watchDefinitions(ctx context.Context, m *mirror, hints chan<- struct{}) {
	objects := c.metadata.Resource(definitions())
	reflector := c.newReflector(ctx, definitions(), &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return objects.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return objects.Watch(ctx, options)
		},
	}, hinting{m, hints})
	for failures := 0; ; failures++ {
		if err := reflector.ListAndWatchWithContext(ctx); err == nil {
			failures = 0
		} else if failures == 0 && ctx.Err() == nil {
			c.log.WarnContext(ctx, "custom resource definitions cannot be watched, kinds that come later are found later", "every", c.cfg.Rediscover.String(), "error", err)
		}
		if !c.reach.pause(ctx, cluster.Backoff(failures+1)) {
			return
		}
	}
}

// hinting is a [cache.ReflectorStore] that keeps nothing but names.
type hinting struct {
	mirror *mirror
	hints  chan<- struct{}
}

func (h hinting) hint() {
	select {
	case h.hints <- struct{}{}:
	default:
	}
}

// Add is part of [cache.ReflectorStore].
func (h hinting) Add(object any) error { return h.Update(object) }

// Update is part of [cache.ReflectorStore].
func (h hinting) Update(object any) error { return h.Replace([]any{object}, "") }

// Delete is part of [cache.ReflectorStore].
func (h hinting) Delete(any) error {
	h.hint()
	return nil
}

// Replace is part of [cache.ReflectorStore].
func (h hinting) Replace(objects []any, _ string) error {
	h.mirror.mu.Lock()
	defer h.mirror.mu.Unlock()
	for _, object := range objects {
		accessor, err := meta.Accessor(object)
		if err != nil {
			return err
		}
		h.mirror.definitions[accessor.GetName()] = true
	}
	h.hint()
	return nil
}

// Resync is part of [cache.ReflectorStore].
func (h hinting) Resync() error { return nil }
