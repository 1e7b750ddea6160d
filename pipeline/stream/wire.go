package stream

import (
	"errors"
	"fmt"

	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
)

// The fields of a stream entry, those of watermill-redisstream's default marshaller.
const (
	fieldUUID     = redisstream.UUIDHeaderKey
	fieldMetadata = "metadata"
	fieldPayload  = "payload"
)

// ErrUndecodable is wrapped by the errors of [Decode]: such an entry will never
// become readable by trying again.
var ErrUndecodable = errors.New("undecodable stream entry")

// Values returns the fields of the entry that carries msg, as XADD takes them.
// It is the wire format of watermill-redisstream in a fixed order of fields:
// Redis stores the names of fields once per node only while entries agree on
// them and on their order, which a map cannot promise.
func Values(msg *message.Message) ([]any, error) {
	fields, err := redisstream.DefaultMarshallerUnmarshaller{}.Marshal("", msg)
	if err != nil {
		return nil, fmt.Errorf("encoding message %q: %w", msg.UUID, err)
	}
	return []any{
		fieldUUID, fields[fieldUUID],
		fieldMetadata, fields[fieldMetadata],
		fieldPayload, fields[fieldPayload],
	}, nil
}

// Decode reads what [Values], or watermill-redisstream's Publisher, wrote. Its
// errors wrap [ErrUndecodable].
func Decode(values map[string]any) (*message.Message, error) {
	for _, field := range []string{fieldUUID, fieldMetadata, fieldPayload} {
		if v, ok := values[field]; ok && v != nil {
			if _, ok := v.(string); !ok {
				return nil, fmt.Errorf("%w: field %q is a %T, want text", ErrUndecodable, field, v)
			}
		}
	}
	msg, err := unmarshal(values)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUndecodable, err)
	}
	if msg.Metadata == nil {
		msg.Metadata = message.Metadata{}
	}
	return msg, nil
}

// unmarshal turns a panic of the msgpack decoder, which reads bytes that anyone
// may have written, into an error.
func unmarshal(values map[string]any) (msg *message.Message, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("decoding the metadata: %v", r)
		}
	}()
	return redisstream.DefaultMarshallerUnmarshaller{}.Unmarshal(values)
}
