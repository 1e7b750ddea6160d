package stream

import (
	"strconv"

	"github.com/ThreeDotsLabs/watermill/message"
)

// Metadata that the [Subscriber] sets on every message it hands out.
const (
	// StreamKey is the key of the stream that the message was read from.
	StreamKey = "meshweir_stream"
	// EntryIDKey is the id of the entry in that stream.
	EntryIDKey = "meshweir_entry_id"
	// AttemptKey counts the deliveries of the entry, from "1". It goes on over
	// restarts and other consumers, as far as Redis remembers.
	AttemptKey = "meshweir_attempt"
)

// Metadata that a dead letter carries beside that of its message.
const (
	// ClassKey is the class of the error, a [Class].
	ClassKey = "meshweir_error_class"
	// GroupKey is the consumer group that gave the message up.
	GroupKey = "meshweir_group"
	// rawKey marks a payload that holds the fields of an undecodable entry.
	rawKey = "meshweir_raw_fields"
)

// excusedKey marks a nacked message that could not be handled for a reason
// outside of it: the attempt does not count.
const excusedKey = "meshweir_excused"

// Attempt returns how often msg has been delivered, this time included; 1 for a
// message that no [Subscriber] handed out.
func Attempt(msg *message.Message) int {
	n, err := strconv.Atoi(msg.Metadata.Get(AttemptKey))
	if err != nil || n < 1 {
		return 1
	}
	return n
}
