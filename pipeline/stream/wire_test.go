package stream_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/stream"
)

func samples() []*message.Message {
	plain := message.NewMessage("1", []byte("payload"))
	rich := message.NewMessage("5f3c2f0e", []byte("\x00\xff binary"))
	rich.Metadata.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	rich.Metadata.Set("ключ", "значение")
	return []*message.Message{plain, rich, message.NewMessage("", nil)}
}

func TestThePlainLibraryReadsWhatWePublish(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		if err := newPublisher(t, client, stream.PublisherConfig{}).Publish("s", samples()...); err != nil {
			t.Fatal(err)
		}
		messages := subscribe(t, reference{}.subscriber(t, dial(t, client, nil), options{group: "g"}), "s")
		for _, want := range samples() {
			got := next(t, messages)
			if !got.Equals(want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			got.Ack()
		}
	})
}

func TestWeReadWhatThePlainLibraryPublishes(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		if err := (reference{}).publisher(t, client).Publish("s", samples()...); err != nil {
			t.Fatal(err)
		}
		messages := subscribe(t, newSubscriber(t, client, fast("g")), "s")
		for _, want := range samples() {
			got := next(t, messages)
			for _, ours := range []string{stream.StreamKey, stream.EntryIDKey, stream.AttemptKey} {
				if got.Metadata.Get(ours) == "" {
					t.Errorf("got no metadata %q", ours)
				}
				delete(got.Metadata, ours)
			}
			if !got.Equals(want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			got.Ack()
		}
	})
}

func TestFieldsAreInAFixedOrder(t *testing.T) {
	for _, msg := range samples() {
		for range 10 {
			values, err := stream.Values(msg)
			if err != nil {
				t.Fatal(err)
			}
			got := []any{values[0], values[2], values[4]}
			if want := []any{redisstream.UUIDHeaderKey, "metadata", "payload"}; !slices.Equal(got, want) {
				t.Fatalf("got fields %v, want %v", got, want)
			}
		}
	}
}

func TestRefusesMetadataThatTheFormatReserves(t *testing.T) {
	msg := message.NewMessage("1", nil)
	msg.Metadata.Set(redisstream.UUIDHeaderKey, "2")
	if _, err := stream.Values(msg); err == nil {
		t.Error("got no error")
	}
}

func TestDecodeRefusesWhatIsNoMessage(t *testing.T) {
	for name, values := range map[string]map[string]any{
		"no fields":          nil,
		"other fields":       {"a": "b"},
		"a number":           {redisstream.UUIDHeaderKey: 1},
		"broken metadata":    {redisstream.UUIDHeaderKey: "1", "metadata": "\xde\xad\xbe\xef"},
		"metadata of a list": {redisstream.UUIDHeaderKey: "1", "metadata": "\x93\x01\x02\x03"},
	} {
		if _, err := stream.Decode(values); !errors.Is(err, stream.ErrUndecodable) {
			t.Errorf("%s: got error %v, want ErrUndecodable", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, msg := range samples() {
		values, err := stream.Values(msg)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(fmt.Sprintf("%s", values[1]), fmt.Sprintf("%s", values[3]), fmt.Sprintf("%s", values[5]))
	}
	f.Add("1", "\xde\xad\xbe\xef", "")
	f.Add("1", "\xdf\xff\xff\xff\xff", "")
	f.Fuzz(func(t *testing.T, uuid, metadata, payload string) {
		msg, err := stream.Decode(map[string]any{redisstream.UUIDHeaderKey: uuid, "metadata": metadata, "payload": payload})
		if err != nil {
			if !errors.Is(err, stream.ErrUndecodable) {
				t.Fatalf("got error %v, want ErrUndecodable", err)
			}
			return
		}
		if msg.UUID != uuid || string(msg.Payload) != payload || msg.Metadata == nil {
			t.Fatalf("got %+v, want uuid %q and payload %q", msg, uuid, payload)
		}
		msg.Metadata.Set("a", "b") // as the Subscriber does
	})
}
