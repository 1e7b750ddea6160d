package stream_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/stream"
)

func TestCloseDrainsAndLeavesNothingBehind(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		publish(t, client, "s", "a", "b", "c")
		cfg := fast("g")
		cfg.ClaimIdle = time.Hour // what is given back needs no waiting for
		cfg.Grace = time.Minute
		s := newSubscriber(t, client, cfg)
		messages := subscribe(t, s, "s")
		msg := next(t, messages)
		var closed sync.WaitGroup
		closed.Go(func() { s.Close() })
		time.Sleep(100 * time.Millisecond)
		if err := msg.Context().Err(); err != nil {
			t.Errorf("the message in hand lost its context: %v", err)
		}
		msg.Ack()
		closed.Wait()
		if got, ok := <-messages; ok {
			t.Errorf("got message %q after Close", got.Payload)
		}
		if n := pending(t, client, "s", "g"); n != 2 {
			t.Errorf("%d entries are pending, want the two that nobody handled", n)
		}
		if got := read(t, subscribe(t, newSubscriber(t, client, cfg), "s"), 2); !slices.Equal(got, []string{"b", "c"}) {
			t.Errorf("the next consumer got %q, want b and c", got)
		}
		if _, err := s.Subscribe(t.Context(), "s"); !errors.Is(err, stream.ErrClosed) {
			t.Errorf("got error %v after Close, want ErrClosed", err)
		}
	})
}

func TestEndOfTheContextDrainsAsCloseDoes(t *testing.T) {
	client := pipelinetest.Embedded(t)
	publish(t, client, "s", "a", "b")
	ctx, cancel := context.WithCancel(t.Context())
	cfg := fast("g")
	cfg.Grace = time.Minute
	messages, err := newSubscriber(t, client, cfg).Subscribe(ctx, "s")
	if err != nil {
		t.Fatal(err)
	}
	msg := next(t, messages)
	cancel()
	time.Sleep(100 * time.Millisecond)
	if err := msg.Context().Err(); err != nil {
		t.Errorf("the message in hand lost its context: %v", err)
	}
	msg.Ack()
	if got, ok := <-messages; ok {
		t.Errorf("got message %q after the end", got.Payload)
	}
	if n := pending(t, client, "s", "g"); n != 1 {
		t.Errorf("%d entries are pending, want the one that nobody handled", n)
	}
}

func TestGraceEndsForAHandlerThatDoesNot(t *testing.T) {
	client := pipelinetest.Embedded(t)
	publish(t, client, "s", "a")
	cfg := fast("g")
	cfg.Grace, cfg.ClaimIdle = 100*time.Millisecond, 300*time.Millisecond
	s := newSubscriber(t, client, cfg)
	msg := next(t, subscribe(t, s, "s"))
	s.Close()
	if msg.Context().Err() == nil {
		t.Error("the message kept its context")
	}
	again := next(t, subscribe(t, newSubscriber(t, client, cfg), "s"))
	if got := stream.Attempt(again); got != 2 {
		t.Errorf("got attempt %d, want 2: the first was under way", got)
	}
	again.Ack()
}

func TestCloseTakesAnIdleConsumerOutOfItsGroup(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		publish(t, client, "s", "a")
		s := newSubscriber(t, client, fast("g"))
		read(t, subscribe(t, s, "s"), 1)
		s.Close()
		if got := client.XInfoConsumers(t.Context(), "s", "g").Val(); len(got) != 0 {
			t.Errorf("got consumers %v, want none", got)
		}
	})
}

func TestRefusesConfigurationsThatCannotWork(t *testing.T) {
	client := pipelinetest.Embedded(t)
	for name, cfg := range map[string]stream.Config{
		"a block of an hour":          {Block: time.Hour},
		"a consumer without a group":  {Consumer: "me"},
		"an unknown start":            {Group: "g", Start: "5-5"},
		"a negative limit":            {InFlight: -1},
		"a cap below the backoff":     {Backoff: time.Second, MaxBackoff: time.Millisecond},
		"a claim while it is handled": {Group: "g", ClaimIdle: time.Nanosecond},
	} {
		if _, err := stream.NewSubscriber(quiet(), client, cfg); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}
