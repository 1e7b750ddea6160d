package kubernetes

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"github.com/meshweir/meshweir/services/agent/cluster"
)

// newReflector returns a reflector that tries again within seconds, at once when the API server is back, and ends when ctx does.
func (c *Cluster) newReflector(ctx context.Context, of schema.GroupVersionResource, from cache.ListerWatcher, to cache.ReflectorStore) *cache.Reflector {
	return cache.NewReflectorWithOptions(from, nil, to, cache.ReflectorOptions{
		Name: of.String(), TypeDescription: of.String(), Clock: patient{ctx: ctx, reach: c.reach},
		Backoff: &wait.Backoff{Duration: cluster.Backoff(1), Cap: cluster.Backoff(11), Factor: 2, Jitter: 0.5, Steps: 10},
	})
}

// patient is the clock of a reflector, which waits by it for nothing but its next attempt.
type patient struct {
	clock.RealClock
	ctx   context.Context
	reach *reach
}

// After is part of [clock.Clock].
func (p patient) After(d time.Duration) <-chan time.Time {
	fired := make(chan time.Time, 1)
	go func() {
		p.reach.pause(p.ctx, d)
		fired <- time.Now()
	}()
	return fired
}
