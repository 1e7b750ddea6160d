package stream_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/meshweir/meshweir/pipeline/stream"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// What watermill-redisstream leaves behind for half a second is one of its ways.
		goleak.IgnoreAnyFunction("github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream.(*Subscriber).read"),
		// Watermill's suite leaves what it does not read in its own multiplier.
		goleak.IgnoreAnyFunction("github.com/ThreeDotsLabs/watermill/internal/subscriber.(*multiplier).Subscribe.func2"),
		goleak.IgnoreAnyFunction("github.com/ThreeDotsLabs/watermill/internal/subscriber.(*multiplier).Subscribe.func3"),
	)
}

// patience is how long tests wait for what must happen: the machine may be busy.
const patience = time.Minute

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// fast are settings with which tests need not wait. A consumer that a busy machine
// keeps from showing that it lives loses nothing; tests of that set ClaimIdle.
func fast(group string) stream.Config {
	return stream.Config{
		Group: group, Block: 50 * time.Millisecond, ExpandEvery: 50 * time.Millisecond,
		Backoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond,
		ClaimIdle: time.Minute, ClaimEvery: 100 * time.Millisecond, Grace: time.Second,
	}
}

func newSubscriber(t testing.TB, client redis.UniversalClient, cfg stream.Config) *stream.Subscriber {
	t.Helper()
	s, err := stream.NewSubscriber(quiet(), client, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing a subscriber: %v", err)
		}
	})
	return s
}

func newPublisher(t testing.TB, client redis.UniversalClient, cfg stream.PublisherConfig) *stream.Publisher {
	t.Helper()
	p, err := stream.NewPublisher(client, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newDeadLetters(t testing.TB, client redis.UniversalClient) *stream.DeadLetters {
	t.Helper()
	d, err := stream.NewDeadLetters(client, "dead", stream.DeadLettersConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func subscribe(t testing.TB, s message.Subscriber, topic string) <-chan *message.Message {
	t.Helper()
	messages, err := s.Subscribe(context.Background(), topic)
	if err != nil {
		t.Fatal(err)
	}
	return messages
}

func publish(t testing.TB, client redis.UniversalClient, topic string, payloads ...string) {
	t.Helper()
	messages := make([]*message.Message, len(payloads))
	for i, payload := range payloads {
		messages[i] = message.NewMessage(watermill.NewUUID(), []byte(payload))
	}
	if err := newPublisher(t, client, stream.PublisherConfig{}).Publish(topic, messages...); err != nil {
		t.Fatal(err)
	}
}

// next returns the next message, not acked.
func next(t testing.TB, messages <-chan *message.Message) *message.Message {
	t.Helper()
	select {
	case msg, ok := <-messages:
		if !ok {
			t.Fatal("the subscription has ended")
		}
		return msg
	case <-time.After(patience):
		t.Fatalf("no message within %s", patience)
	}
	return nil
}

// read acks the next n messages and returns their payloads.
func read(t testing.TB, messages <-chan *message.Message, n int) []string {
	t.Helper()
	payloads := make([]string, n)
	for i := range payloads {
		msg := next(t, messages)
		payloads[i] = string(msg.Payload)
		msg.Ack()
	}
	return payloads
}

// none fails when a message comes within d.
func none(t testing.TB, messages <-chan *message.Message, d time.Duration) {
	t.Helper()
	select {
	case msg, ok := <-messages:
		if ok {
			t.Fatalf("got message %q, want none", msg.Payload)
		}
		t.Fatal("the subscription has ended")
	case <-time.After(d):
	}
}

// eventually fails unless the condition holds within patience.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %s, not yet: %s", patience, what)
		}
	}
}

func pending(t testing.TB, client redis.UniversalClient, topic, group string) int64 {
	t.Helper()
	p, err := client.XPending(context.Background(), topic, group).Result()
	if err != nil {
		t.Fatal(err)
	}
	return p.Count
}
