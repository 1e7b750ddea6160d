package stream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/stream"
)

// route runs a router with one handler on stream "s" until the test ends.
func route(t *testing.T, client redis.UniversalClient, cfg stream.RouterConfig, handle message.NoPublishHandlerFunc) *stream.DeadLetters {
	t.Helper()
	if cfg.DeadLetters == nil {
		cfg.DeadLetters = newDeadLetters(t, client)
	}
	cfg.Group = "g"
	router, err := stream.NewRouter(quiet(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	subscriber := fast("g")
	subscriber.DeadLetters = cfg.DeadLetters
	router.AddConsumerHandler("test", "s", newSubscriber(t, client, subscriber), handle)
	var running sync.WaitGroup
	running.Go(func() {
		if err := router.Run(context.Background()); err != nil {
			t.Errorf("the router ended with %v", err)
		}
	})
	t.Cleanup(func() {
		if err := router.Close(); err != nil {
			t.Errorf("closing the router: %v", err)
		}
		running.Wait()
	})
	return cfg.DeadLetters
}

func onlyLetter(t *testing.T, d *stream.DeadLetters) stream.DeadLetter {
	t.Helper()
	var letters []stream.DeadLetter
	eventually(t, "a dead letter", func() bool {
		var err error
		if letters, err = d.List(t.Context(), stream.Page{}); err != nil {
			t.Fatal(err)
		}
		return len(letters) > 0
	})
	if len(letters) != 1 {
		t.Fatalf("got %d dead letters, want 1", len(letters))
	}
	return letters[0]
}

func TestPermanentErrorIsDeadLetteredAtOnce(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		msg := message.NewMessage(watermill.NewUUID(), []byte("bad"))
		msg.Metadata.Set("traceparent", "00-1234")
		if err := newPublisher(t, client, stream.PublisherConfig{}).Publish("s", msg); err != nil {
			t.Fatal(err)
		}
		var calls atomic.Int64
		d := route(t, client, stream.RouterConfig{}, func(*message.Message) error {
			calls.Add(1)
			return fmt.Errorf("handling: %w", stream.Permanent(errors.New("not JSON")))
		})
		got := onlyLetter(t, d)
		if got.Class != stream.ClassPermanent || got.Error != "handling: not JSON" || got.Attempts != 1 || got.TraceParent != "00-1234" ||
			got.Stream != "s" || got.Group != "g" || got.Message == nil || !got.Message.Equals(msg) {
			t.Errorf("got %+v, message %+v", got, got.Message)
		}
		eventually(t, "acked", func() bool { return pending(t, client, "s", "g") == 0 })
		if n := calls.Load(); n != 1 {
			t.Errorf("got %d calls, want 1", n)
		}
	})
}

func TestPassingErrorIsRetriedUntilItPasses(t *testing.T) {
	client := pipelinetest.Embedded(t)
	publish(t, client, "s", "a")
	var calls atomic.Int64
	d := route(t, client, stream.RouterConfig{}, func(*message.Message) error {
		if calls.Add(1) < 8 { // the third delivery
			return errors.New("not yet")
		}
		return nil
	})
	eventually(t, "handled", func() bool { return calls.Load() == 8 && pending(t, client, "s", "g") == 0 })
	if n, err := d.Count(t.Context()); n != 0 || err != nil {
		t.Errorf("got %d dead letters, error %v, want none", n, err)
	}
}

func TestErrorThatDoesNotPassIsGivenUp(t *testing.T) {
	for _, test := range []struct {
		name   string
		handle message.NoPublishHandlerFunc
		class  stream.Class
	}{
		{"an error", func(*message.Message) error { return errors.New("always") }, stream.ClassExhausted},
		{"a panic", func(*message.Message) error { panic("always") }, stream.ClassPanic},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := pipelinetest.Embedded(t)
			publish(t, client, "s", "a")
			var calls atomic.Int64
			d := route(t, client, stream.RouterConfig{MaxAttempts: 3, QuickRetries: -1}, func(msg *message.Message) error {
				calls.Add(1)
				return test.handle(msg)
			})
			if got := onlyLetter(t, d); got.Class != test.class || got.Attempts != 3 {
				t.Errorf("got class %q after %d attempts, want %q after 3", got.Class, got.Attempts, test.class)
			}
			if n := calls.Load(); n != 3 {
				t.Errorf("got %d calls, want 3", n)
			}
		})
	}
}

func TestWhatIsUnavailableNeverMakesADeadLetter(t *testing.T) {
	down := []error{
		context.Canceled, context.DeadlineExceeded, io.EOF, redis.ErrClosed, redis.ErrPoolTimeout,
		fmt.Errorf("reading: %w", errors.Join(errors.New("a"), context.Canceled)),
		stream.Permanent(fmt.Errorf("decoding: %w", context.Canceled)), stream.Blameless(errors.New("NOPERM")),
	}
	client := pipelinetest.Embedded(t)
	publish(t, client, "s", "a")
	unreachable := dial(t, client, func(o *redis.Options) { o.Network, o.Addr = "unix", "/nowhere" })
	var calls atomic.Int64
	d := route(t, client, stream.RouterConfig{MaxAttempts: 2, QuickRetries: -1}, func(msg *message.Message) error {
		n := int(calls.Add(1)) - 1
		switch {
		case n < len(down):
			return down[n]
		case n == len(down):
			return unreachable.Ping(context.Background()).Err()
		case n == len(down)+1: // the first attempt that counts
			if got := stream.Attempt(msg); got != 1 {
				t.Errorf("got attempt %d, want 1: nothing so far was the message's fault", got)
			}
			return errors.New("passing")
		}
		return nil
	})
	eventually(t, "handled", func() bool { return int(calls.Load()) == len(down)+3 && pending(t, client, "s", "g") == 0 })
	if n, err := d.Count(t.Context()); n != 0 || err != nil {
		t.Errorf("got %d dead letters, error %v, want none", n, err)
	}
}

func TestMessageStaysWhileTheDeadLettersCannotBeWritten(t *testing.T) {
	client := pipelinetest.Embedded(t)
	publish(t, client, "s", "a")
	client.Set(t.Context(), "dead", "not a stream", 0)
	var calls atomic.Int64
	d := route(t, client, stream.RouterConfig{}, func(*message.Message) error {
		calls.Add(1)
		return stream.Permanent(errors.New("bad"))
	})
	eventually(t, "several attempts", func() bool { return calls.Load() > 3 })
	if n := pending(t, client, "s", "g"); n != 1 {
		t.Errorf("%d entries are pending, want 1", n)
	}
	client.Del(t.Context(), "dead")
	onlyLetter(t, d)
}

func TestMiddlewaresAreOutermostAndSeeTheClass(t *testing.T) {
	client := pipelinetest.Embedded(t)
	publish(t, client, "s", "a")
	seen := make(chan string, 1)
	outer := func(next message.HandlerFunc) message.HandlerFunc {
		return func(msg *message.Message) ([]*message.Message, error) {
			produced, err := next(msg)
			seen <- fmt.Sprint(err, " ", msg.Metadata.Get(stream.ClassKey))
			return produced, err
		}
	}
	route(t, client, stream.RouterConfig{Middlewares: []message.HandlerMiddleware{outer}}, func(*message.Message) error {
		return stream.Permanent(errors.New("bad"))
	})
	select {
	case got := <-seen:
		if got != "<nil> permanent" {
			t.Errorf("got %q, want no error and the class", got)
		}
	case <-time.After(patience):
		t.Fatal("not called")
	}
}
