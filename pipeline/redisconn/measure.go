package redisconn

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// Measure makes a gauge that asks Redis when it is read, until stop is called:
//
//	meshweir.redis.reachable  1 while Redis answers within half a second, else 0
func (c *Conn) Measure(meter metric.Meter) (stop func() error, err error) {
	reachable, err := meter.Int64ObservableGauge("meshweir.redis.reachable", metric.WithDescription("Whether Redis answers."))
	if err != nil {
		return nil, fmt.Errorf("measuring Redis: %w", err)
	}
	registration, err := meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		answers := int64(0)
		if c.Client.Ping(ctx).Err() == nil {
			answers = 1
		}
		o.ObserveInt64(reachable, answers)
		return nil
	}, reachable)
	if err != nil {
		return nil, fmt.Errorf("measuring Redis: %w", err)
	}
	return registration.Unregister, nil
}
