package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// Cause is what led to some work: a change that somebody published.
type Cause struct {
	// Span is the one that published it; not valid where nobody traces.
	Span trace.SpanContext
	// At is when the change was first seen; zero where nobody knows.
	At time.Time
}

// CauseOf returns ctx as a cause: its span, and what [WithChangedAt] noted.
func CauseOf(ctx context.Context) Cause {
	return Cause{Span: trace.SpanContextFromContext(ctx), At: ChangedAtOf(ctx)}
}

type changedAtKey struct{}

// WithChangedAt returns ctx with when the change that it works on was first seen.
// Of two times the earlier one stays: work is as old as the oldest change in it.
func WithChangedAt(ctx context.Context, at time.Time) context.Context {
	if known := ChangedAtOf(ctx); at.IsZero() || !known.IsZero() && !at.Before(known) {
		return ctx
	}
	return context.WithValue(ctx, changedAtKey{}, at)
}

// ChangedAtOf returns what [WithChangedAt] noted; zero where there is nothing.
func ChangedAtOf(ctx context.Context) time.Time {
	at, _ := ctx.Value(changedAtKey{}).(time.Time)
	return at
}

// maxLinks bounds the links of a span, as the OpenTelemetry SDK would.
const maxLinks = 128

// Start begins a span that several changes caused: the first cause is its
// parent, the others become links. Causes without a trace, and those that stand
// there twice, count once or not at all. With no cause left, the parent is that of ctx.
// The context that it returns is as old as the oldest of the causes.
func Start(ctx context.Context, tracer trace.Tracer, name string, causes []Cause, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	type id struct {
		trace trace.TraceID
		span  trace.SpanID
	}
	seen := map[id]bool{}
	var links []trace.Link
	for _, cause := range causes {
		ctx = WithChangedAt(ctx, cause.At)
		key := id{cause.Span.TraceID(), cause.Span.SpanID()}
		if !cause.Span.IsValid() || seen[key] || len(seen) > maxLinks {
			continue
		}
		if len(seen) == 0 {
			ctx = trace.ContextWithRemoteSpanContext(ctx, cause.Span)
		} else {
			links = append(links, trace.Link{SpanContext: cause.Span})
		}
		seen[key] = true
	}
	return tracer.Start(ctx, name, append(options, trace.WithLinks(links...))...) //nolint:spancheck // the caller ends the span
}

// Continue returns ctx as part of the trace of the first cause that has one, and
// as old as the oldest of them: what is begun in it is a child of that cause.
func Continue(ctx context.Context, causes []Cause) context.Context {
	parent := trace.SpanContextFromContext(ctx)
	for _, cause := range causes {
		ctx = WithChangedAt(ctx, cause.At)
		if !parent.IsValid() && cause.Span.IsValid() {
			parent = cause.Span
			ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
		}
	}
	return ctx
}

// Since is how long ago the change that ctx works on was first seen; false where nobody knows.
func Since(ctx context.Context, now time.Time) (time.Duration, bool) {
	at := ChangedAtOf(ctx)
	return max(0, now.Sub(at)), !at.IsZero() // clocks of two machines may differ
}
