package ratelimiter

import (
	"sync"
	"time"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"github.com/meshweir/meshweir/schemas/limits"
	"github.com/meshweir/meshweir/services/ratelimiter/counter"
	"github.com/meshweir/meshweir/services/ratelimiter/rules"
)

// compiled is one configuration, with what each of its limits needs to be counted, shown and measured.
type compiled struct {
	rules  *rules.Config
	limits []*limit // by the rule's Index

	mu        sync.RWMutex
	overrides map[*rules.Limit]*limit
}

// limit is a limit of the configuration, or one that a call brought along.
type limit struct {
	*rules.Limit
	count  *counter.Limit
	shown  *pb.RateLimitResponse_RateLimit // the same in all answers, which never change it
	series *series
	near   uint32 // with no more than so many remaining it is near its end
}

func (d *decider) compile(config *rules.Config) *compiled {
	c := &compiled{rules: config, overrides: map[*rules.Limit]*limit{}}
	for _, l := range config.Limits() {
		c.limits = append(c.limits, d.compileLimit(l))
	}
	return c
}

func (d *decider) compileLimit(l *rules.Limit) *limit {
	made := &limit{
		Limit: l,
		shown: &pb.RateLimitResponse_RateLimit{Name: l.Name, RequestsPerUnit: l.Requests, Unit: unitOf(l.Period.Unit)},
		// Overrides share one series, whatever callers send.
		series: d.metrics.of(l.Domain, l.Rule, l.Name),
		near:   l.Requests / 5,
	}
	if l.Unlimited {
		return made
	}
	count := &counter.Limit{
		Name: l.ID, Domain: l.Domain, Requests: l.Requests, Period: l.Period.Length, Burst: l.Burst,
		CountDenied: l.CountDenied, Together: l.AllOrNothing,
		Algorithm: map[limits.Algorithm]counter.Algorithm{
			limits.FixedWindow: counter.FixedWindow, limits.SlidingWindow: counter.SlidingWindow, limits.GCRA: counter.GCRA,
		}[l.Algorithm],
		OnError: map[limits.OnError]counter.OnError{
			limits.Allow: counter.Allow, limits.Deny: counter.Deny, limits.Local: counter.Local,
		}[l.OnError],
	}
	if l.Period.Calendar() {
		count.Window = l.Period.Window
		start, end := l.Period.Window(time.Now())
		count.Period = end.Sub(start)
	}
	switch {
	case l.Shadow:
		count.Effect = counter.Shadows
	case l.Quota || d.cfg.Quota:
		count.Effect = counter.Spends
	}
	made.count = count.Ready()
	return made
}

// of returns what was compiled of a limit that a call met.
func (c *compiled) of(d *decider, l *rules.Limit) *limit {
	if l.Index >= 0 {
		return c.limits[l.Index]
	}
	c.mu.RLock()
	made := c.overrides[l]
	c.mu.RUnlock()
	if made != nil {
		return made
	}
	made = d.compileLimit(l)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.overrides) >= mostOverrides {
		clear(c.overrides)
	}
	c.overrides[l] = made
	return made
}

// mostOverrides bounds what is kept of limits that calls bring along.
const mostOverrides = 1024

func unitOf(name string) pb.RateLimitResponse_RateLimit_Unit {
	switch name {
	case "second":
		return pb.RateLimitResponse_RateLimit_SECOND
	case "minute":
		return pb.RateLimitResponse_RateLimit_MINUTE
	case "hour":
		return pb.RateLimitResponse_RateLimit_HOUR
	case "day":
		return pb.RateLimitResponse_RateLimit_DAY
	case "week":
		return pb.RateLimitResponse_RateLimit_WEEK
	case "month":
		return pb.RateLimitResponse_RateLimit_MONTH
	case "year":
		return pb.RateLimitResponse_RateLimit_YEAR
	}
	return pb.RateLimitResponse_RateLimit_UNKNOWN
}
