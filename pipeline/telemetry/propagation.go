package telemetry

import (
	"context"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// metadataChangedAt holds when the change was first seen, in Unix milliseconds.
const metadataChangedAt = "changed_at"

// Inject writes the trace context of ctx into a message's metadata
// ("traceparent" and "tracestate", W3C Trace Context).
func Inject(ctx context.Context, metadata message.Metadata) {
	propagation.TraceContext{}.Inject(ctx, propagation.MapCarrier(metadata))
}

// Extract returns ctx with the trace context that [Inject] wrote, or ctx itself
// where there is none or it is damaged.
func Extract(ctx context.Context, metadata message.Metadata) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier(metadata))
}

// SetChangedAt notes when the change that a message tells of was first seen, for
// the age that [Metrics] measures.
func SetChangedAt(metadata message.Metadata, at time.Time) {
	metadata.Set(metadataChangedAt, strconv.FormatInt(at.UnixMilli(), 10))
}

// ChangedAt returns what [SetChangedAt] noted; false where there is nothing.
func ChangedAt(metadata message.Metadata) (time.Time, bool) {
	millis, err := strconv.ParseInt(metadata.Get(metadataChangedAt), 10, 64)
	return time.UnixMilli(millis), err == nil
}

// maxLinks bounds the links of a span, as the OpenTelemetry SDK would.
const maxLinks = 128

// Start begins a span that several changes caused: the first cause is its
// parent, the others become links. Causes without a trace, and those that stand
// there twice, count once or not at all. With no cause left, the parent is that of ctx.
func Start(ctx context.Context, tracer trace.Tracer, name string, causes []trace.SpanContext, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	type id struct {
		trace trace.TraceID
		span  trace.SpanID
	}
	seen := map[id]bool{}
	var links []trace.Link
	for _, cause := range causes {
		key := id{cause.TraceID(), cause.SpanID()}
		if !cause.IsValid() || seen[key] || len(seen) > maxLinks {
			continue
		}
		if len(seen) == 0 {
			ctx = trace.ContextWithRemoteSpanContext(ctx, cause)
		} else {
			links = append(links, trace.Link{SpanContext: cause})
		}
		seen[key] = true
	}
	return tracer.Start(ctx, name, append(options, trace.WithLinks(links...))...) //nolint:spancheck // the caller ends the span
}
