package counter

import (
	"context"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// Replicas knows how many limiters there are: each says in Redis that it lives. While Redis is away, it is as many as there last were.
type Replicas struct {
	log    *slog.Logger
	client redis.UniversalClient
	name   string
	count  atomic.Int64
}

const (
	// sayEvery is how often a limiter says that it lives; thoughtGone is after how long it is thought gone.
	sayEvery    = 5 * time.Second
	thoughtGone = 3 * sayEvery
)

// NewReplicas returns a count that is 1 until Run learns more.
func NewReplicas(log *slog.Logger, client redis.UniversalClient) *Replicas {
	r := &Replicas{log: log, client: client, name: uuid.NewString()}
	r.count.Store(1)
	return r
}

// Count is how many limiters there are, this one included.
func (r *Replicas) Count() int { return int(r.count.Load()) }

// Run says that this limiter lives, and counts the others, until ctx ends.
func (r *Replicas) Run(ctx context.Context) error {
	tick := time.NewTicker(sayEvery)
	defer tick.Stop()
	for {
		if err := r.say(ctx, time.Now()); err != nil && ctx.Err() == nil {
			r.log.DebugContext(ctx, "limiters not counted", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			r.client.ZRem(last, replicasKey, r.name) // else it is thought gone a little later
			return nil
		}
	}
}

func (r *Replicas) say(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, sayEvery)
	defer cancel()
	pipe := r.client.Pipeline()
	pipe.ZAdd(ctx, replicasKey, redis.Z{Score: float64(now.UnixMilli()), Member: r.name})
	pipe.ZRemRangeByScore(ctx, replicasKey, "-inf", strconv.FormatInt(now.Add(-thoughtGone).UnixMilli(), 10))
	count := pipe.ZCard(ctx, replicasKey)
	pipe.PExpire(ctx, replicasKey, time.Minute)
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	r.count.Store(max(count.Val(), 1))
	return nil
}
