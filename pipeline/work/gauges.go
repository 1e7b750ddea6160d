package work

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/stream"
)

// lookTime bounds what a scrape asks Redis.
const lookTime = 800 * time.Millisecond

// measure makes the gauges of the worker, which ask Redis when they are read:
//
//	meshweir.work.lag      revisions of a keyspace that no successful pass of this replica has seen, by group and keyspace
//	meshweir.work.pending  events that the replicas of the group were given and have not acked, by group and keyspace
//	meshweir.work.age      seconds since the oldest of these was written, by group and keyspace; 0 where there is none
//
// While Redis does not answer they are absent.
func (w *Worker) measure() error {
	lag, err1 := w.cfg.Meter.Int64ObservableGauge("meshweir.work.lag", metric.WithUnit("{revision}"),
		metric.WithDescription("Revisions that no successful pass of this replica has seen."))
	pending, err2 := w.cfg.Meter.Int64ObservableGauge("meshweir.work.pending", metric.WithUnit("{event}"),
		metric.WithDescription("Events that the group was given and has not acked."))
	age, err3 := w.cfg.Meter.Float64ObservableGauge("meshweir.work.age", metric.WithUnit("s"),
		metric.WithDescription("How long ago the oldest event was written that the group has not acked."))
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	_, err := w.cfg.Meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		ctx, cancel := context.WithTimeout(ctx, lookTime)
		defer cancel()
		for _, s := range w.standing(ctx) {
			of := metric.WithAttributes(attribute.String("group", w.cfg.Group), attribute.String("keyspace", string(s.name)))
			o.ObserveInt64(lag, s.lag, of)
			o.ObserveInt64(pending, s.pending, of)
			o.ObserveFloat64(age, s.age.Seconds(), of)
		}
		return nil // a Redis that is away has gauges of its own, and must not spoil the others
	}, lag, pending, age)
	return err
}

// standing is how far the group is with one keyspace.
type standing struct {
	name         keyspace.Name
	lag, pending int64
	age          time.Duration
}

// standing asks Redis how far the group is; nil where it does not answer.
func (w *Worker) standing(ctx context.Context) []standing {
	w.mu.Lock()
	worked := w.worked
	w.mu.Unlock()
	var names []keyspace.Name
	for name := range w.follows.Told() {
		if slices.Contains(w.cfg.Kinds, name.Kind()) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	metas, err := w.store.Metas(ctx, names...)
	if err != nil {
		return nil
	}
	cmds := make([]*redis.XPendingCmd, len(names))
	_, _ = w.clients.Commands.Pipelined(ctx, func(p redis.Pipeliner) error { // each command has its own error
		for i, name := range names {
			cmds[i] = p.XPending(ctx, name.EventsKey(), w.cfg.Group)
		}
		return nil
	})
	var all []standing
	for i, name := range names {
		s := standing{name: name, lag: behind(metas[i].Position, worked[name])}
		if pending := cmds[i].Val(); cmds[i].Err() == nil && pending.Count > 0 {
			s.pending, s.age = pending.Count, max(0, time.Since(stream.TimeOf(pending.Lower)))
		}
		all = append(all, s)
	}
	return all
}

// behind counts the revisions from one position to a later one. Of another epoch nothing was seen.
func behind(stored, seen keyspace.Position) int64 {
	if stored.Epoch == seen.Epoch {
		return int64(max(stored.Revision, seen.Revision) - seen.Revision) //nolint:gosec // G115: a count of writes
	}
	return int64(stored.Revision) //nolint:gosec // G115: a count of writes
}

// retries counts the deliveries of events that were delivered before, by handler: meshweir.messages.retries.
func retries(meter metric.Meter, handlers ...string) (message.HandlerMiddleware, error) {
	retried, err := meter.Int64Counter("meshweir.messages.retries", metric.WithUnit("{message}"),
		metric.WithDescription("Deliveries of messages that were delivered before."))
	if err != nil {
		return nil, err
	}
	for _, handler := range handlers { // the first would else be no increase
		retried.Add(context.Background(), 0, metric.WithAttributes(attribute.String("handler", handler)))
	}
	return func(next message.HandlerFunc) message.HandlerFunc {
		return func(m *message.Message) ([]*message.Message, error) {
			if stream.Attempt(m) > 1 {
				retried.Add(m.Context(), 1, metric.WithAttributes(attribute.String("handler", message.HandlerNameFromCtx(m.Context()))))
			}
			return next(m)
		}
	}, nil
}
