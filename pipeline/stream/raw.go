package stream

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
)

// rawMessage carries the fields of an entry that could not be decoded.
func rawMessage(e *entry, group string) (*message.Message, error) {
	raw := make(map[string][]byte, len(e.values))
	for field, value := range e.values {
		text, _ := value.(string) // XREADGROUP returns text
		raw[field] = []byte(text)
	}
	payload, err := encodeRaw(raw)
	if err != nil {
		return nil, err
	}
	msg := message.NewMessage(watermill.NewUUID(), payload)
	msg.Metadata = message.Metadata{
		StreamKey: e.stream, EntryIDKey: e.id, AttemptKey: strconv.Itoa(e.attempt), GroupKey: group,
		ClassKey: string(ClassUndecodable), rawKey: "true", middleware.ReasonForPoisonedKey: e.undecodable.Error(),
	}
	return msg, nil
}

// encodeRaw writes fields as a JSON object, or, where one has a name that is no text and that JSON would change, as a list of names and values.
func encodeRaw(raw map[string][]byte) ([]byte, error) {
	var pairs [][2][]byte
	text := true
	for field, value := range raw {
		text = text && utf8.ValidString(field)
		pairs = append(pairs, [2][]byte{[]byte(field), value})
	}
	if text {
		return json.Marshal(raw)
	}
	return json.Marshal(pairs)
}

// decodeRaw reads what encodeRaw wrote; nil for anything else.
func decodeRaw(payload []byte) map[string][]byte {
	var raw map[string][]byte
	if json.Unmarshal(payload, &raw) == nil {
		return raw
	}
	var pairs [][2][]byte
	if json.Unmarshal(payload, &pairs) != nil {
		return nil
	}
	raw = make(map[string][]byte, len(pairs))
	for _, pair := range pairs {
		raw[string(pair[0])] = pair[1]
	}
	return raw
}
