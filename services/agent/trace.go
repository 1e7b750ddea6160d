package agent

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/telemetry"
)

// watched begins the trace of changes in the cluster. Its first span is as old as the first of them.
func (p *publisher) watched(ctx context.Context) (context.Context, trace.Span) {
	if p.pending == 0 {
		return ctx, trace.SpanFromContext(ctx)
	}
	ctx = telemetry.WithChangedAt(ctx, p.since)
	return p.cfg.Tracer.Start(ctx, "agent.watch", trace.WithNewRoot(), trace.WithTimestamp(p.since), trace.WithAttributes( //nolint:spancheck // who asked for it ends it
		attribute.String("meshweir.cluster", p.cfg.Cluster), attribute.String("meshweir.source", p.cfg.source()),
		attribute.Int("meshweir.changes", p.pending)))
}

// addCauses notes what led to a keyspace's state that is not dealt with yet.
func (p *applier) addCauses(name keyspace.Name, causes []telemetry.Cause) {
	const most = 64 // links of one span; a cluster that was away for long has more causes than anybody reads
	p.mu.Lock()
	defer p.mu.Unlock()
	all := append(p.causes[name], causes...)
	p.causes[name] = all[max(0, len(all)-most):]
}

func (p *applier) takeCauses(name keyspace.Name) []telemetry.Cause {
	p.mu.Lock()
	defer p.mu.Unlock()
	causes := p.causes[name]
	delete(p.causes, name)
	return causes
}

// acts counts the steps of a pass that change something in the cluster.
func acts(steps []step) int {
	n := 0
	for _, s := range steps {
		if isAct(s) {
			n++
		}
	}
	return n
}

func isAct(s step) bool { return s.verb == apply || s.verb == remove }

// begin begins the span of applying what a keyspace holds: the changes that led to it are its parent, and its links.
// Where there is neither a cause nor anything to do, there is none. end takes how it went, and the age of what is applied now.
func (p *applier) begin(ctx context.Context, operation string, name keyspace.Name, at keyspace.Position, causes []telemetry.Cause, acts int,
) (working context.Context, end func(error)) {
	if acts == 0 && len(causes) == 0 {
		return ctx, func(error) {}
	}
	ctx, span := telemetry.Start(ctx, p.cfg.Tracer, operation, causes, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("messaging.system", "redis"),
		attribute.String("messaging.operation.type", "process"),
		attribute.String("messaging.destination.name", name.EventsKey()),
		attribute.String("meshweir.cluster", p.cfg.Cluster),
		attribute.String("meshweir.keyspace", string(name)),
		attribute.String("meshweir.epoch", at.Epoch.String()),
		attribute.Int64("meshweir.revision", int64(at.Revision)), //nolint:gosec // G115: one for each write, far below 2^63
		attribute.Int("meshweir.changes", acts)))
	return ctx, func(err error) {
		defer span.End()
		if err != nil {
			span.RecordError(err)
			span.SetStatus(codes.Error, telemetry.ErrorClass(err))
			return
		}
		if age, known := telemetry.Since(ctx, time.Now()); known && acts > 0 {
			p.vitals.age.Record(ctx, age.Seconds(), metric.WithAttributes(p.vitals.cluster))
		}
	}
}
