package stream

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

const (
	minOutagePause = 100 * time.Millisecond
	maxOutagePause = 5 * time.Second
)

// outage paces and reports one activity that fails for a while: one line in the
// log when it begins, one when it is over.
type outage struct {
	log      *slog.Logger
	what     string
	failures int
	began    time.Time
}

// failed notes a failure and returns how long to wait before the next try.
func (o *outage) failed(ctx context.Context, err error) time.Duration {
	if o.failures == 0 {
		o.began = time.Now()
		o.log.WarnContext(ctx, "redis trouble", "what", o.what, "error", err)
	}
	o.failures++
	return backoff(minOutagePause, maxOutagePause, o.failures)
}

// over notes a success.
func (o *outage) over(ctx context.Context) {
	if o.failures == 0 {
		return
	}
	o.log.InfoContext(ctx, "redis trouble over", "what", o.what, "failures", o.failures, "seconds", time.Since(o.began).Seconds())
	o.failures = 0
}

// backoff returns the wait after the n-th failure, from 1: least, doubled with
// each failure up to most, give or take a fifth so that those who failed
// together do not come back together.
func backoff(least, most time.Duration, n int) time.Duration {
	d := least
	for ; n > 1 && d < most; n-- {
		d *= 2
	}
	d = min(d, most)
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}

// pause waits for d and reports whether ctx let it.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
