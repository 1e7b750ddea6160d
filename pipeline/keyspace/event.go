package keyspace

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"

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

func traceOf(msg *message.Message) context.Context {
	return telemetry.Extract(context.Background(), msg.Metadata)
}
