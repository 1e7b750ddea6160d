package kubernetes

import (
	"context"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
)

// newReflector returns a reflector that tries again within seconds, and ends when ctx does.
func newReflector(ctx context.Context, of schema.GroupVersionResource, from cache.ListerWatcher, to cache.ReflectorStore) *cache.Reflector {
	return cache.NewReflectorWithOptions(from, nil, to, cache.ReflectorOptions{
		Name: of.String(), TypeDescription: of.String(), Clock: ending{ctx: ctx},
		Backoff: &wait.Backoff{Duration: backoff(0), Cap: backoff(10), Factor: 2, Jitter: 0.5, Steps: 10},
	})
}

// ending is a clock on which no wait lasts longer than its context: a reflector
// that cannot reach the API server waits without looking at its own.
type ending struct {
	clock.RealClock
	ctx context.Context
}

// After is part of [clock.Clock].
func (e ending) After(d time.Duration) <-chan time.Time {
	fired := make(chan time.Time, 1)
	timer := time.AfterFunc(d, func() { fire(fired) })
	context.AfterFunc(e.ctx, func() {
		if timer.Stop() {
			fire(fired)
		}
	})
	return fired
}

func fire(fired chan<- time.Time) {
	select {
	case fired <- time.Now():
	default:
	}
}

// ready reports whether the API server says that it is ready, or does not let us
// ask. One that starts denies everything until it has read the roles: such a denial means nothing.
func (c *Cluster) ready(ctx context.Context) bool {
	var code int
	_, _ = withTimeout(ctx, func(ctx context.Context) (struct{}, error) {
		c.plain.Get().AbsPath("/readyz").Do(ctx).StatusCode(&code)
		return struct{}{}, nil
	})
	return code == http.StatusOK || code == http.StatusForbidden || code == http.StatusUnauthorized
}
