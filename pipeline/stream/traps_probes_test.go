package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
)

func undecodableEntry(t *testing.T, k kit) error {
	client := pipelinetest.Embedded(t)
	client.XAdd(t.Context(), &redis.XAddArgs{Stream: "s", Values: []string{"garbage", "x"}})
	publish(t, client, "s", "a", "b", "c")
	messages := subscribe(t, k.subscriber(t, dial(t, client, nil), options{group: "g"}), "s")
	return want(gather(messages, 3, k.soon()), []string{"a", "b", "c"})
}

func slowHandler(t *testing.T, k kit) error {
	client := pipelinetest.Embedded(t)
	publish(t, client, "s", "a")
	s := k.subscriber(t, dial(t, client, nil), options{group: "g", claimIdle: 100 * time.Millisecond})
	messages := subscribe(t, s, "s")
	msg := next(t, messages)
	time.Sleep(500 * time.Millisecond)
	msg.Ack()
	return want(gather(messages, 1, 300*time.Millisecond), nil)
}

func cancelledSubscription(t *testing.T, k kit) error {
	client := pipelinetest.Embedded(t)
	ctx, cancel := context.WithCancel(t.Context())
	first := k.subscriber(t, dial(t, client, nil), options{group: "g", consumer: "first"})
	messages, err := first.Subscribe(ctx, "s")
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	cancel()
	for range messages {
	}
	publish(t, client, "s", "a")
	second := subscribe(t, k.subscriber(t, dial(t, client, nil), options{group: "g", consumer: "second"}), "s")
	return want(gather(second, 1, k.soon()), []string{"a"})
}

func nackSpins(t *testing.T, k kit) error {
	client := pipelinetest.Embedded(t)
	publish(t, client, "s", "a")
	messages := subscribe(t, k.subscriber(t, dial(t, client, nil), options{group: "g"}), "s")
	calls := 0
	for timeout := time.After(500 * time.Millisecond); ; calls++ {
		select {
		case msg := <-messages:
			msg.Nack()
			continue
		case <-timeout:
		}
		break
	}
	if calls > 10 {
		return fmt.Errorf("%d calls in half a second", calls)
	}
	return nil
}

func closeClosesClient(t *testing.T, k kit) error {
	client := dial(t, pipelinetest.Embedded(t), nil)
	s, p := k.subscriber(t, client, options{group: "g"}), k.publisher(t, client)
	return errors.Join(s.Close(), p.Close(), client.Ping(t.Context()).Err())
}

func boundedStream(t *testing.T, k kit) error {
	client := pipelinetest.Embedded(t)
	xgroup(t, client, "s", "g")
	messages := make([]*message.Message, 500)
	for i := range messages {
		messages[i] = message.NewMessage(watermill.NewUUID(), []byte("x"))
	}
	k.publishBounded(t, client, "s", messages)
	got := gather(subscribe(t, k.subscriber(t, dial(t, client, nil), options{group: "g"}), "s"), 500, k.soon())
	if len(got) != 500 {
		return fmt.Errorf("got %d messages, want 500", len(got))
	}
	return nil
}

func ackAtShutdown(t *testing.T, k kit) error {
	client := pipelinetest.Embedded(t)
	payloads := []string{"a", "b", "c", "d", "e", "f"}
	publish(t, client, "s", payloads...)
	router, err := message.NewRouter(message.RouterConfig{}, watermill.NopLogger{})
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{}, len(payloads))
	var mu sync.Mutex
	var handled []string
	slow := func(msg *message.Message) error {
		started <- struct{}{}
		time.Sleep(300 * time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		handled = append(handled, string(msg.Payload))
		return nil
	}
	router.AddConsumerHandler("slow", "s", k.subscriber(t, dial(t, client, nil), options{group: "g", grace: patience}), slow)
	var running sync.WaitGroup
	running.Go(func() { router.Run(context.Background()) }) //nolint:errcheck // how it ends shows in what it handled
	<-started
	time.Sleep(100 * time.Millisecond) // it may take more meanwhile
	router.Close()
	running.Wait()
	// What was handled is acked; what was not comes to the next consumer at once.
	first := client.XRangeN(t.Context(), "s", "-", "+", 1).Val()[0].ID
	acked := len(client.XPendingExt(t.Context(), &redis.XPendingExtArgs{Stream: "s", Group: "g", Start: first, End: first, Count: 1}).Val()) == 0
	after := subscribe(t, k.subscriber(t, dial(t, client, nil), options{group: "g"}), "s")
	mu.Lock() // watermill-redisstream's handlers may go on
	defer mu.Unlock()
	left := gather(after, len(payloads)-len(handled), k.soon())
	if !acked {
		return fmt.Errorf("handled %q, and the first of them is still pending", handled)
	}
	return want(slices.Concat(handled, left), payloads)
}

func lostGroup(t *testing.T, k kit) error {
	client := pipelinetest.Embedded(t)
	messages := subscribe(t, k.subscriber(t, dial(t, client, nil), options{group: "g"}), "s")
	publish(t, client, "s", "a")
	if err := want(read(t, messages, 1), []string{"a"}); err != nil {
		t.Fatal(err)
	}
	client.FlushAll(t.Context())
	publish(t, client, "s", "b")
	return want(gather(messages, 1, 2*k.soon()), []string{"b"})
}

func fanOutGap(t *testing.T, k kit) error {
	server := pipelinetest.Embedded(t)
	publish(t, server, "s", "old")
	reads := 0
	client := dial(t, server, nil)
	client.AddHook(before(func(words string) {
		if !strings.HasPrefix(words, "xread ") {
			return
		}
		if reads++; reads == 2 { // the first read found nothing
			publish(t, server, "s", "a")
		}
	}))
	messages := subscribe(t, k.subscriber(t, client, options{}), "s")
	return want(gather(messages, 1, k.soon()), []string{"a"})
}

func prefetch(t *testing.T, k kit) error {
	client := pipelinetest.Embedded(t)
	publish(t, client, "s", "a", "b", "c", "d")
	messages := subscribe(t, k.subscriber(t, dial(t, client, nil), options{group: "g", limit: 1}), "s")
	msg := next(t, messages)
	time.Sleep(200 * time.Millisecond)
	n := pending(t, client, "s", "g")
	msg.Ack()
	if n != 1 {
		return fmt.Errorf("%d entries are pending while 1 is handled", n)
	}
	return nil
}

func halfBatch(t *testing.T, k kit) error {
	server := pipelinetest.Embedded(t)
	p := newProxy(t, server)
	client := p.dial(t, -1)
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	messages := make([]*message.Message, 10)
	for i := range messages {
		messages[i] = message.NewMessage(watermill.NewUUID(), make([]byte, 1000))
	}
	p.cutAfter.Store(5500)
	if err := k.publisher(t, client).Publish("s", messages...); err == nil {
		t.Fatal("publishing succeeded over a connection that broke")
	}
	var n int64
	k.await(func() bool { // the server may still be at it
		n = server.XLen(t.Context(), "s").Val()
		return n > 0
	})
	if n > 0 {
		return fmt.Errorf("%d of 10 messages were published", n)
	}
	return nil
}

func restartedConsumer(t *testing.T, k kit) error {
	client := pipelinetest.Embedded(t)
	xgroup(t, client, "s", "g")
	publish(t, client, "s", "a", "b", "c", "d", "e", "f")
	give(t, client, "s", "g", "me", 3)
	time.Sleep(10 * time.Millisecond)
	s := k.subscriber(t, dial(t, client, nil), options{group: "g", consumer: "me", claimIdle: 300 * time.Millisecond})
	return want(gather(subscribe(t, s, "s"), 6, k.soon()), []string{"a", "b", "c", "d", "e", "f"})
}

func consumerRace(t *testing.T, k kit) error {
	server := pipelinetest.Real(t)
	xgroup(t, server, "s", "g")
	publish(t, server, "s", "a")
	give(t, server, "s", "g", "sleepy", 1)
	server.XAck(t.Context(), "s", "g", server.XRange(t.Context(), "s", "-", "+").Val()[0].ID)
	time.Sleep(20 * time.Millisecond)
	var once sync.Once
	var awoken atomic.Bool
	client := dial(t, server, nil)
	client.AddHook(before(func(words string) {
		if strings.HasPrefix(words, "xgroup delconsumer") {
			once.Do(func() { // the consumer wakes up just now
				giveNew(t, server, "s", "g", "sleepy")
				awoken.Store(true)
			})
		}
	}))
	k.removeConsumers(t, client, "s", "g")
	eventually(t, "somebody tries to delete the consumer", awoken.Load)
	var n int64
	k.await(func() bool { // the deletion is on its way
		n = pending(t, server, "s", "g")
		return n != 1
	})
	if n != 1 {
		return fmt.Errorf("%d entries are pending, want the one that was given", n)
	}
	return nil
}

func claimStarves(t *testing.T, k kit) error {
	client := pipelinetest.Embedded(t)
	xgroup(t, client, "s", "g")
	publish(t, client, "s", "a", "b", "c", "d")
	give(t, client, "s", "g", "living", 3)
	give(t, client, "s", "g", "dead", 1)
	if _, ok := k.(ours); ok { // ours know the living by their signs of life
		keepAlive(t, client, "s", "g", "living")
	}
	s := k.subscriber(t, dial(t, client, nil), options{group: "g", claimIdle: time.Second, spare: "living"})
	return want(gather(subscribe(t, s, "s"), 1, time.Second+k.soon()), []string{"d"})
}

func cancelledPublish(t *testing.T, k kit) error {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	msg := message.NewMessage(watermill.NewUUID(), []byte("a"))
	msg.SetContext(ctx)
	return k.publisher(t, dial(t, pipelinetest.Embedded(t), nil)).Publish("s", msg)
}

func poolStarves(t *testing.T, k kit) error {
	server := pipelinetest.Embedded(t)
	client := dial(t, server, func(o *redis.Options) { o.PoolSize, o.PoolTimeout = 5, 300*time.Millisecond })
	topics := make([]string, 30)
	for i := range topics {
		topics[i] = fmt.Sprintf("s%d", i)
	}
	channels, err := k.subscribeAll(t.Context(), t, client, topics)
	if err != nil {
		return err
	}
	publish(t, server, topics[29], "a")
	return want(gather(channels[len(channels)-1], 1, k.soon()), []string{"a"})
}

func lostReply(t *testing.T, k kit) error {
	server := pipelinetest.Embedded(t)
	p := newProxy(t, server)
	client := p.dial(t, 3) // as go-redis has it by default
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	word := "xadd"
	p.loseReply.Store(&word)
	err := k.publisher(t, client).Publish("s", message.NewMessage(watermill.NewUUID(), []byte("a")))
	if n := server.XLen(t.Context(), "s").Val(); n != 1 {
		return fmt.Errorf("one Publish made %d entries and returned %w", n, err)
	}
	return nil
}
