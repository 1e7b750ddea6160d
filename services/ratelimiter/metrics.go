package ratelimiter

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/meshweir/meshweir/services/ratelimiter/counter"
)

// result is what a limit said of a descriptor.
type result int

const (
	resultOK result = iota
	resultNear
	resultOver
	resultShadow
	resultFailed
	results
)

func (r result) String() string {
	return [...]string{"ok", "near_limit", "over_limit", "shadow", "error"}[r]
}

// series counts what one limit said. There are as many as the configuration has limits: callers make none.
type series struct {
	hits, local, fallback atomic.Int64 // hits of all decisions; decisions from memory, and without Redis
	said                  [results]atomic.Int64
	labels                attribute.Set
	byResult              [results]attribute.Set
}

type seriesKey struct{ domain, rule, name string }

// metrics keeps its own counts, which are read when somebody looks: a call pays for additions only.
type metrics struct {
	mu     sync.Mutex
	series map[seriesKey]*series
	// unmatched counts calls that met no limit.
	unmatched, denied, allowed, failed atomic.Int64

	duration, batch metric.Float64Histogram
	size            metric.Int64Histogram
	background      context.Context
}

func newMetrics(meter metric.Meter, open func() error) (*metrics, error) {
	if meter == nil {
		meter = noop.Meter{}
	}
	m := &metrics{series: map[seriesKey]*series{}, background: context.Background()}
	var errs [8]error
	sub := metric.WithExplicitBucketBoundaries(.00005, .0001, .0002, .0003, .0005, .00075, .001, .0015, .002, .003, .005, .0075, .01, .015, .02, .05, .1, 1)
	m.duration, errs[0] = meter.Float64Histogram("meshweir.ratelimit.duration", metric.WithUnit("s"), sub, metric.WithDescription("How long a decision took."))
	m.batch, errs[1] = meter.Float64Histogram("meshweir.ratelimit.redis.duration", metric.WithUnit("s"), sub, metric.WithDescription("How long Redis took for a batch."))
	m.size, errs[2] = meter.Int64Histogram("meshweir.ratelimit.redis.batch", metric.WithExplicitBucketBoundaries(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
		metric.WithDescription("How many commands a batch has."))
	calls, err := meter.Int64ObservableCounter("meshweir.ratelimit.calls", metric.WithDescription("Calls, by what was answered."))
	errs[3] = err
	decisions, err := meter.Int64ObservableCounter("meshweir.ratelimit.decisions", metric.WithDescription("What each limit said of descriptors that met it."))
	errs[4] = err
	hits, err := meter.Int64ObservableCounter("meshweir.ratelimit.hits", metric.WithDescription("Hits that were asked for, by limit."))
	errs[5] = err
	without, err := meter.Int64ObservableCounter("meshweir.ratelimit.unasked", metric.WithDescription("Decisions that Redis was not asked for, or did not answer, by limit and why."))
	errs[6] = err
	breaker, err := meter.Int64ObservableGauge("meshweir.ratelimit.breaker", metric.WithDescription("1 while Redis is not asked because it did not answer."))
	errs[7] = err
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for name, n := range map[string]*atomic.Int64{"ok": &m.allowed, "over_limit": &m.denied, "error": &m.failed, "unmatched": &m.unmatched} {
			o.ObserveInt64(calls, n.Load(), metric.WithAttributes(attribute.String("result", name)))
		}
		var is int64
		if open() != nil {
			is = 1
		}
		o.ObserveInt64(breaker, is)
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, s := range m.series {
			o.ObserveInt64(hits, s.hits.Load(), metric.WithAttributeSet(s.labels))
			for r := range s.said {
				o.ObserveInt64(decisions, s.said[r].Load(), metric.WithAttributeSet(s.byResult[r]))
			}
			o.ObserveInt64(without, s.local.Load(), metric.WithAttributeSet(s.labels), metric.WithAttributes(attribute.String("why", "known_over_limit")))
			o.ObserveInt64(without, s.fallback.Load(), metric.WithAttributeSet(s.labels), metric.WithAttributes(attribute.String("why", "redis_error")))
		}
		return nil
	}, calls, decisions, hits, without, breaker)
	return m, err
}

// of returns the series of a limit; it goes on counting over changes of the configuration.
func (m *metrics) of(domain, rule, name string) *series {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := seriesKey{domain, rule, name}
	s := m.series[key]
	if s == nil {
		labels := []attribute.KeyValue{attribute.String("domain", domain), attribute.String("rule", rule), attribute.String("limit", name)}
		s = &series{labels: attribute.NewSet(labels...)}
		for r := range results {
			s.byResult[r] = attribute.NewSet(append(labels[:3:3], attribute.String("result", r.String()))...)
		}
		m.series[key] = s
	}
	return s
}

// observe is told of each batch.
func (m *metrics) observe(commands int, took time.Duration, err error) {
	m.batch.Record(m.background, took.Seconds())
	m.size.Record(m.background, int64(commands))
}

// measure counts what became of a call.
func (d *decider) measure(now time.Time, s *scratch, v verdict) {
	m := d.metrics
	switch {
	case v.over && !d.cfg.Shadow:
		m.denied.Add(1)
	case v.err != nil:
		m.failed.Add(1)
	case len(s.asks) == 0:
		m.unmatched.Add(1)
	default:
		m.allowed.Add(1)
	}
	for n := range s.asks {
		l, a := s.limits[s.asked[n]], &s.answers[n]
		hits := s.asks[n].Hits
		l.series.hits.Add(max(hits, 0))
		switch a.From {
		case counter.FromMemory:
			l.series.local.Add(1)
		case counter.FromFallback:
			l.series.fallback.Add(1)
		case counter.FromRedis, counter.FromLimit:
		}
		is := resultOK
		switch {
		case a.Err != nil && l.count.OnError == counter.Fail:
			is = resultFailed
		case a.Over && l.count.Effect == counter.Shadows:
			is = resultShadow
		case a.Over:
			is = resultOver
		case a.Remaining <= l.near:
			is = resultNear
		}
		l.series.said[is].Add(1)
		if a.From == counter.FromRedis && a.Err == nil && (a.Over || is == resultNear) {
			d.watch.note(now, l, s.asks[n].Parts, &s.mets[s.asked[n]], *a, d.secrets)
		}
	}
}
