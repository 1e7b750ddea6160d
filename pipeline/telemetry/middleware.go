package telemetry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// Tracing is a Watermill middleware that runs each handler in a span of its own,
// named after the handler. The parent is the span in the message's context, or
// else the one in its metadata. What the handler produces carries the span on.
// Put it inside of the retry middleware: each try is a span.
func Tracing(tracer trace.Tracer) message.HandlerMiddleware {
	return func(next message.HandlerFunc) message.HandlerFunc {
		return func(m *message.Message) ([]*message.Message, error) {
			before := m.Context()
			ctx := before
			if !trace.SpanContextFromContext(ctx).IsValid() {
				ctx = Extract(ctx, m.Metadata)
			}
			ctx, span := tracer.Start(ctx, handlerName(before), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
				attribute.String("messaging.system", "redis"),
				attribute.String("messaging.operation.type", "process"),
				attribute.String("messaging.destination.name", message.SubscribeTopicFromCtx(before)),
				attribute.String("messaging.message.id", m.UUID),
			))
			defer span.End()
			m.SetContext(ctx)
			defer m.SetContext(before) // the next try is no child of this one

			produced, err := next(m)
			if err != nil {
				span.RecordError(err)
				span.SetStatus(codes.Error, ErrorClass(err))
			}
			for _, p := range produced {
				Inject(ctx, p.Metadata)
			}
			return produced, err
		}
	}
}

// Metrics returns a Watermill middleware that measures handlers:
//
//	meshweir.messages.handled   messages, by handler and outcome: "ok" or the class of the error
//	meshweir.messages.duration  seconds that handling took, by handler
//	meshweir.messages.age       seconds from when the change was first seen until it was handled, by handler
func Metrics(meter metric.Meter) (message.HandlerMiddleware, error) {
	handled, err1 := meter.Int64Counter("meshweir.messages.handled", metric.WithUnit("{message}"),
		metric.WithDescription("Messages that handlers were given, by outcome."))
	duration, err2 := meter.Float64Histogram("meshweir.messages.duration", metric.WithUnit("s"), SecondsBuckets(),
		metric.WithDescription("How long handling took."))
	age, err3 := meter.Float64Histogram("meshweir.messages.age", metric.WithUnit("s"), SecondsBuckets(),
		metric.WithDescription("How long ago the change was first seen when it had been handled."))
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("making the instruments of messages: %w", err)
	}
	return func(next message.HandlerFunc) message.HandlerFunc {
		return func(m *message.Message) ([]*message.Message, error) {
			started := time.Now()
			produced, err := next(m)
			ended, ctx := time.Now(), m.Context()
			handler := attribute.String("handler", handlerName(ctx))
			outcome := attribute.String("outcome", ErrorClass(err))
			handled.Add(ctx, 1, metric.WithAttributes(handler, outcome))
			duration.Record(ctx, ended.Sub(started).Seconds(), metric.WithAttributes(handler))
			if at, ok := ChangedAt(m.Metadata); ok && err == nil {
				age.Record(ctx, max(0, ended.Sub(at).Seconds()), metric.WithAttributes(handler))
			}
			return produced, err
		}
	}, nil
}

// SecondsBuckets reach from a cached answer to a fleet's discovery.
func SecondsBuckets() metric.HistogramOption {
	return metric.WithExplicitBucketBoundaries(.0001, .0005, .001, .005, .01, .05, .1, .5, 1, 5, 10, 30, 60)
}

func handlerName(ctx context.Context) string {
	if name := message.HandlerNameFromCtx(ctx); name != "" {
		return name
	}
	return "handle" // not inside of a router
}

// ErrorClass returns a short word for an error, fit for a metric's label: what
// its Class method says, if it or one that it wraps has one; "canceled",
// "timeout", "error" otherwise; and "ok" for nil.
func ErrorClass(err error) string {
	var classed interface {
		error
		Class() string
	}
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &classed):
		return classed.Class()
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "error"
}
