package telemetry

import (
	"context"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.opentelemetry.io/otel/propagation"
)

// metadataChangedAt holds when the change was first seen, in Unix milliseconds.
const metadataChangedAt = "changed_at"

// Inject writes into a message's metadata the trace context of ctx ("traceparent"
// and "tracestate", W3C Trace Context), and when its change was first seen.
func Inject(ctx context.Context, metadata message.Metadata) {
	propagation.TraceContext{}.Inject(ctx, propagation.MapCarrier(metadata))
	if at := ChangedAtOf(ctx); !at.IsZero() {
		SetChangedAt(metadata, at)
	}
}

// Extract returns ctx with what [Inject] wrote, or without what is not there or damaged.
func Extract(ctx context.Context, metadata message.Metadata) context.Context {
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier(metadata))
	if at, ok := ChangedAt(metadata); ok {
		ctx = WithChangedAt(ctx, at)
	}
	return ctx
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
