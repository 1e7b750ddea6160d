package redisconn

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/metric"
)

// answersWithin is how soon a Redis that can be worked with answers.
const answersWithin = 500 * time.Millisecond

// Measure asks Redis every now and then, until ctx ends, and shows in a gauge whether it answered within half a second, of a
// Cluster every master:
//
//	meshweir.redis.reachable  1 while it does, else 0
func (c *Conn) Measure(ctx context.Context, meter metric.Meter, every time.Duration) error {
	reachable, err := meter.Int64ObservableGauge("meshweir.redis.reachable", metric.WithDescription("Whether Redis answers."))
	if err != nil {
		return fmt.Errorf("measuring Redis: %w", err)
	}
	var answers atomic.Int64
	ask := func() {
		if c.answers(ctx) {
			answers.Store(1)
		} else {
			answers.Store(0)
		}
	}
	ask()
	registration, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveInt64(reachable, answers.Load())
		return nil
	}, reachable)
	if err != nil {
		return fmt.Errorf("measuring Redis: %w", err)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			ask()
		case <-ctx.Done():
			return registration.Unregister()
		}
	}
}

func (c *Conn) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	ping := func(ctx context.Context, node *redis.Client) error { return node.Ping(ctx).Err() }
	if cluster, ok := c.Client.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, ping) == nil
	}
	return c.Client.Ping(ctx).Err() == nil
}
