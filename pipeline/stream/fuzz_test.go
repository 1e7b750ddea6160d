package stream

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"
)

// fieldsOf is an entry as Redis returns it.
func fieldsOf(values []any) map[string]any {
	fields := map[string]any{}
	for i := 0; i < len(values); i += 2 {
		fields[fmt.Sprint(values[i])] = fmt.Sprintf("%s", values[i+1])
	}
	return fields
}

// A message that was given up is replayed as it was published, and its dead letter says from where and why.
func FuzzDeadLetterOfAMessage(f *testing.F) {
	f.Add("id", "traceparent", "00-a-b-01", []byte(`{"a":1}`), "reason")
	f.Add("", "", "", []byte(nil), "")
	f.Add("\xff", "\xff", "\xff", []byte("\xff"), strings.Repeat("\u00e9", maxReason))
	f.Fuzz(func(t *testing.T, uuid, key, value string, payload []byte, reason string) {
		if deadLetterMetadata(key) {
			return
		}
		msg := message.NewMessage(uuid, payload)
		msg.Metadata.Set(key, value)
		published, err := Values(msg)
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range map[string]string{StreamKey: "s", EntryIDKey: "1-1", AttemptKey: "3", GroupKey: "g", ClassKey: "panic", middleware.ReasonForPoisonedKey: reason} {
			msg.Metadata.Set(k, v)
		}
		given, err := Values(msg)
		if err != nil {
			t.Fatal(err)
		}
		letter := parseDeadLetter(redis.XMessage{ID: "2-1", Values: fieldsOf(given)})
		if letter.Stream != "s" || letter.EntryID != "1-1" || letter.Group != "g" || letter.Class != ClassPanic || letter.Attempts != 3 || letter.Error != reason || letter.Raw != nil {
			t.Errorf("got %+v", letter)
		}
		replayed, err := letter.values()
		if diff := cmp.Diff(fieldsOf(published), fieldsOf(replayed)); err != nil || diff != "" {
			t.Errorf("replaying: %v (-published +replayed):\n%s", err, diff)
		}
	})
}

// An entry that nobody can decode is replayed field for field.
func FuzzDeadLetterOfAnEntry(f *testing.F) {
	f.Add("garbage", "\xff", "", "")
	f.Add("\xff", "a", "\xfe", "b")
	f.Add(fieldMetadata, "\xdf\xff\xff\xff\xff", fieldPayload, "a")
	f.Fuzz(func(t *testing.T, name, value, second, other string) {
		fields := map[string]any{name: value, second: other}
		msg, err := rawMessage(&entry{entryKey: entryKey{"s", "1-1"}, attempt: 1, values: fields, undecodable: ErrUndecodable}, "g")
		if err != nil {
			t.Fatal(err)
		}
		values, err := Values(msg)
		if err != nil {
			t.Fatal(err)
		}
		letter := parseDeadLetter(redis.XMessage{ID: "2-1", Values: fieldsOf(values)})
		if letter.Stream != "s" || letter.Class != ClassUndecodable || letter.Message != nil {
			t.Errorf("got %+v", letter)
		}
		replayed, err := letter.values()
		if diff := cmp.Diff(fields, fieldsOf(replayed)); err != nil || diff != "" {
			t.Errorf("replaying: %v (-fields +replayed):\n%s", err, diff)
		}
	})
}

// Whatever is in the stream of dead letters, it is listed as a message or as fields, and can be written out again.
func FuzzParseDeadLetter(f *testing.F) {
	for _, payload := range []string{"", "null", "{}", "[]", `{"a":"YQ==","b":1}`, `[["YQ=="]]`, "a"} {
		f.Add("true", "1", payload)
	}
	f.Add("", "-1", "a")
	f.Add("true", "99999999999999999999", "{}")
	f.Fuzz(func(t *testing.T, raw, attempt, payload string) {
		msg := message.NewMessage("id", []byte(payload))
		msg.Metadata = message.Metadata{rawKey: raw, AttemptKey: attempt, StreamKey: "s"}
		values, err := Values(msg)
		if err != nil {
			t.Fatal(err)
		}
		letter := parseDeadLetter(redis.XMessage{ID: "2-1", Values: fieldsOf(values)})
		if (letter.Message == nil) != (letter.Raw != nil) || letter.Stream != "s" {
			t.Errorf("got %+v", letter)
		}
		again, err := letter.values()
		if letter.Message != nil {
			want := message.NewMessage("id", []byte(payload))
			got, wrong := Decode(fieldsOf(again))
			if err != nil || wrong != nil || !cmp.Equal(got.Metadata, want.Metadata, cmpopts.EquateEmpty()) || string(got.Payload) != payload {
				t.Errorf("got %v, %v, %v, want %v", got, err, wrong, want)
			}
		}
	})
}
