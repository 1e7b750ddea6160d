package keyspace

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshweir/meshweir/pipeline/stream"
	"github.com/meshweir/meshweir/pipeline/telemetry"
	"github.com/meshweir/meshweir/schemas/events"
)

// DecodeEvent reads an entry of a keyspace's stream: the event, and the message that carried it.
func DecodeEvent(entry redis.XMessage) (events.Changed, *message.Message, error) {
	msg, err := stream.Decode(entry.Values)
	if err != nil {
		return events.Changed{}, nil, fmt.Errorf("reading entry %s: %w", entry.ID, err)
	}
	e, err := ParseEvent(msg.Payload)
	return e, msg, err
}

// ParseEvent reads the payload of an event of a keyspace.
func ParseEvent(payload []byte) (events.Changed, error) {
	var e events.Changed
	if err := json.Unmarshal(payload, &e); err != nil {
		return e, fmt.Errorf("reading an event: %w", err)
	}
	if e.Version != 1 {
		return e, fmt.Errorf("reading an event: version %d is not known, want 1", e.Version)
	}
	if _, err := ParseName(e.Keyspace); err != nil {
		return e, fmt.Errorf("reading an event: %w", err)
	}
	if epoch, err := ParseEpoch(e.Epoch); err != nil || epoch == (Epoch{}) || e.Revision == 0 {
		return e, fmt.Errorf("reading an event: position %q/%d is none", e.Epoch, e.Revision)
	}
	return e, nil
}

// EventPosition is the position of the keyspace after the event's write.
func EventPosition(e events.Changed) Position {
	epoch, _ := ParseEpoch(e.Epoch) // ParseEvent has seen it
	return Position{epoch, e.Revision}
}

// causeOf is the write that a message tells of.
func causeOf(msg *message.Message) telemetry.Cause {
	return telemetry.CauseOf(telemetry.Extract(context.Background(), msg.Metadata))
}

// span begins the span of a write. Its event carries it on, and when the change was first seen.
func (s *Store) span(ctx context.Context, w write) (context.Context, trace.Span) {
	ctx = telemetry.WithChangedAt(telemetry.WithChangedAt(ctx, w.since), w.next.ChangedAt)
	return s.cfg.Tracer.Start(ctx, "publish "+w.name.Kind(), //nolint:spancheck // who asked for it ends it
		trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
			attribute.String("messaging.system", "redis"),
			attribute.String("messaging.operation.type", "send"),
			attribute.String("messaging.destination.name", w.name.EventsKey()),
			attribute.String("messaging.message.id", w.next.WriteID),
			attribute.String("meshweir.keyspace", string(w.name)),
			attribute.String("meshweir.epoch", w.next.Epoch.String()),
			attribute.Int64("meshweir.revision", int64(w.next.Revision)), //nolint:gosec // G115: one for each write, far below 2^63
			attribute.Int("meshweir.keys.set", len(w.set)),
			attribute.Int("meshweir.keys.deleted", len(w.del)),
		))
}
