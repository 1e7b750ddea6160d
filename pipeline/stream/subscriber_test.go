package stream_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/stream"
)

// byPayload puts "x1" and "x2" into lane "x".
func byPayload(_ string, msg *message.Message) string { return string(msg.Payload[:1]) }

func TestKeepsOrderWithinALaneAndGoesOnInOthers(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		publish(t, client, "s", "a1", "b1", "a2", "b2")
		cfg := fast("g")
		cfg.Lane = byPayload
		messages := subscribe(t, newSubscriber(t, client, cfg), "s")
		first := map[string]*message.Message{}
		for range 2 {
			msg := next(t, messages)
			first[string(msg.Payload)] = msg
		}
		if first["a1"] == nil || first["b1"] == nil {
			t.Fatalf("got %v first, want a1 and b1", first)
		}
		none(t, messages, 50*time.Millisecond)
		first["b1"].Ack()
		if got := read(t, messages, 1); got[0] != "b2" {
			t.Errorf("got %q while lane a waits, want b2", got)
		}
		first["a1"].Ack()
		if got := read(t, messages, 1); got[0] != "a2" {
			t.Errorf("got %q, want a2", got)
		}
	})
}

func TestRedeliversWithBackoffInItsOwnLane(t *testing.T) {
	client := pipelinetest.Embedded(t)
	publish(t, client, "s", "a1", "a2", "b1", "b2", "b3")
	cfg := fast("g")
	cfg.Lane = byPayload
	const wait = 2 * time.Second // for lane b to end meanwhile
	cfg.Backoff, cfg.MaxBackoff = wait, wait
	messages := subscribe(t, newSubscriber(t, client, cfg), "s")
	var got []string
	var nacked time.Time
	for len(got) < 6 {
		msg := next(t, messages)
		got = append(got, fmt.Sprintf("%s#%d", msg.Payload, stream.Attempt(msg)))
		if got[len(got)-1] == "a1#1" {
			nacked = time.Now()
			msg.Nack()
			continue
		}
		if got[len(got)-1] == "a1#2" && time.Since(nacked) < wait*8/10 {
			t.Errorf("redelivered after %s, want the backoff of %s", time.Since(nacked), wait)
		}
		msg.Ack()
	}
	b3, a1 := slices.Index(got, "b3#1"), slices.Index(got, "a1#2")
	if b3 < 0 || a1 < b3 || got[5] != "a2#1" {
		t.Errorf("got %q, want lane b to end before a1 comes again, and a2 last", got)
	}
}

func TestTakesOverFromTheDeadAndCountsTheirAttempts(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		publish(t, client, "s", "a", "b")
		xgroup(t, client, "s", "g")
		give(t, client, "s", "g", "dead", 2)
		cfg := fast("g")
		cfg.ClaimIdle = 300 * time.Millisecond
		messages := subscribe(t, newSubscriber(t, client, cfg), "s")
		for _, payload := range []string{"a", "b"} {
			msg := next(t, messages)
			if got := stream.Attempt(msg); string(msg.Payload) != payload || got != 2 {
				t.Errorf("got %q, attempt %d, want %q, attempt 2", msg.Payload, got, payload)
			}
			msg.Ack()
		}
		eventually(t, "acked", func() bool { return pending(t, client, "s", "g") == 0 })
	})
}

func TestNobodyTakesOverFromASlowHandler(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		publish(t, client, "s", "a", "waiting in the lane")
		cfg := fast("g")
		cfg.ClaimIdle = time.Second
		slow := subscribe(t, newSubscriber(t, client, cfg), "s")
		msg := next(t, slow)
		other := subscribe(t, newSubscriber(t, client, cfg), "s")
		none(t, other, 2500*time.Millisecond)
		msg.Ack()
		read(t, slow, 1)
	})
}

func TestAcksPendingEntriesThatLeftTheStream(t *testing.T) {
	client := pipelinetest.Real(t)
	publish(t, client, "s", "a", "b")
	xgroup(t, client, "s", "g")
	give(t, client, "s", "g", "me", 2)
	client.XTrimMaxLen(t.Context(), "s", 1)
	cfg := fast("g")
	cfg.Consumer, cfg.DeadLetters = "me", newDeadLetters(t, client)
	messages := subscribe(t, newSubscriber(t, client, cfg), "s")
	if got := read(t, messages, 1); got[0] != "b" {
		t.Errorf("got %q, want b", got)
	}
	eventually(t, "both acked", func() bool { return pending(t, client, "s", "g") == 0 })
	if n, err := cfg.DeadLetters.Count(t.Context()); n != 0 || err != nil {
		t.Errorf("got %d dead letters, error %v, want none", n, err)
	}
}

func TestUndecodableEntryIsDeadLetteredAndAcked(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		id := client.XAdd(t.Context(), &redis.XAddArgs{Stream: "s", Values: []string{"garbage", "\xff\x00"}}).Val()
		publish(t, client, "s", "a")
		cfg := fast("g")
		cfg.DeadLetters = newDeadLetters(t, client)
		messages := subscribe(t, newSubscriber(t, client, cfg), "s")
		read(t, messages, 1)
		letters, err := cfg.DeadLetters.List(t.Context(), stream.Page{})
		if err != nil || len(letters) != 1 {
			t.Fatalf("got dead letters %v, error %v, want 1", letters, err)
		}
		got := letters[0]
		if got.Class != stream.ClassUndecodable || got.Stream != "s" || got.EntryID != id || got.Group != "g" || string(got.Raw["garbage"]) != "\xff\x00" {
			t.Errorf("got %+v, want the raw fields and where they came from", got)
		}
		eventually(t, "both acked", func() bool { return pending(t, client, "s", "g") == 0 })
	})
}

func TestNewStreamsJoinARunningSubscription(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		for _, group := range []string{"g", ""} {
			var streams atomic.Value
			streams.Store([]string{group + "1"})
			cfg := fast(group)
			cfg.Expand = func(context.Context, string) ([]string, error) { return streams.Load().([]string), nil }
			messages := subscribe(t, newSubscriber(t, client, cfg), "all")
			publish(t, client, group+"1", "a")
			read(t, messages, 1)
			publish(t, client, group+"2", "b")
			streams.Store([]string{group + "1", group + "2"})
			msg := next(t, messages)
			if got := msg.Metadata.Get(stream.StreamKey); got != group+"2" || string(msg.Payload) != "b" {
				t.Errorf("got %q from stream %q, want b from the new one", msg.Payload, got)
			}
			msg.Ack()
		}
	})
}

func TestDoesNotRecreateAStreamThatIsNoLongerListed(t *testing.T) {
	client := pipelinetest.Embedded(t)
	var gone atomic.Bool
	cfg := fast("g")
	cfg.Expand = func(context.Context, string) ([]string, error) {
		if gone.Load() {
			return []string{"stays"}, nil
		}
		return []string{"goes", "stays"}, nil
	}
	messages := subscribe(t, newSubscriber(t, client, cfg), "all")
	gone.Store(true)
	client.Del(t.Context(), "goes")
	publish(t, client, "stays", "a")
	read(t, messages, 1)
	time.Sleep(200 * time.Millisecond)
	if n := client.Exists(t.Context(), "goes").Val(); n != 0 {
		t.Error("the stream is there again")
	}
}

func TestOneRefusedStreamDoesNotKeepItFromTheOthers(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		for _, group := range []string{"g", ""} {
			cfg := fast(group)
			client.Del(t.Context(), "bad")
			cfg.Expand = func(context.Context, string) ([]string, error) { return []string{"bad", "good"}, nil }
			messages := subscribe(t, newSubscriber(t, client, cfg), "all")
			client.Del(t.Context(), "bad")
			client.Set(t.Context(), "bad", "not a stream", 0)
			time.Sleep(100 * time.Millisecond)
			publish(t, client, "good", "a")
			if got := read(t, messages, 1); got[0] != "a" {
				t.Errorf("group %q: got %q, want a", group, got)
			}
			client.Del(t.Context(), "good")
		}
	})
}

func TestFanOutGivesEveryEntryToEverySubscription(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		publish(t, client, "s", "before")
		s := newSubscriber(t, client, fast(""))
		one, two := subscribe(t, s, "s"), subscribe(t, s, "s")
		publish(t, client, "s", "a", "b")
		for _, messages := range []<-chan *message.Message{one, two} {
			if got := read(t, messages, 2); !slices.Equal(got, []string{"a", "b"}) {
				t.Errorf("got %q, want a and b", got)
			}
		}
	})
}

func TestFanOutFollowsAStreamThatBeganAnew(t *testing.T) {
	client := pipelinetest.Embedded(t)
	publish(t, client, "s", "old")
	messages := subscribe(t, newSubscriber(t, client, fast("")), "s")
	client.Del(t.Context(), "s")
	values, err := stream.Values(message.NewMessage("1", []byte("new")))
	if err != nil {
		t.Fatal(err)
	}
	client.XAdd(t.Context(), &redis.XAddArgs{Stream: "s", ID: "5-5", Values: values}) // a clock that went back
	if got := read(t, messages, 1); got[0] != "new" {
		t.Errorf("got %q, want new", got)
	}
}

func TestAcksAndReadsInBatches(t *testing.T) {
	client := pipelinetest.Embedded(t)
	payloads := make([]string, 1000)
	for i := range payloads {
		payloads[i] = "x"
	}
	publish(t, client, "s", payloads...)
	counting := dial(t, client, nil)
	var commands atomic.Int64
	counting.AddHook(before(func(words string) {
		if strings.HasPrefix(words, "xack ") || strings.HasPrefix(words, "xreadgroup ") {
			commands.Add(1)
		}
	}))
	cfg := fast("g")
	cfg.Block = time.Second // so that waiting takes few reads
	read(t, subscribe(t, newSubscriber(t, counting, cfg), "s"), 1000)
	eventually(t, "all acked", func() bool { return pending(t, client, "s", "g") == 0 })
	if got := commands.Load(); got > 500 {
		t.Errorf("got %d reads and acks for 1000 messages, want at most 500", got)
	}
}

func TestHoldsNoMoreThanItsLimit(t *testing.T) {
	client := pipelinetest.Embedded(t)
	cfg := fast("g")
	cfg.InFlight = 10
	streams := []string{"s1", "s2", "s3", "s4"}
	cfg.Expand = func(context.Context, string) ([]string, error) { return streams, nil }
	for _, s := range streams {
		publish(t, client, s, slices.Repeat([]string{"x"}, 20)...)
	}
	messages := subscribe(t, newSubscriber(t, client, cfg), "all")
	for range 20 {
		msg := next(t, messages)
		// While this one is in hand nothing but acks that are on their way can make the others fewer.
		eventually(t, "it holds 10 at most", func() bool {
			held := int64(0)
			for _, s := range streams {
				held += pending(t, client, s, "g")
			}
			return held <= 10
		})
		msg.Ack()
	}
	read(t, messages, 60)
}

func TestServesMoreStreamsThanOneReadTakes(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, server redis.UniversalClient) {
		client := dial(t, server, func(o *redis.Options) { o.PoolSize = 200 })
		for _, cfg := range []stream.Config{fast("g"), fast("h"), fast("")} {
			cfg.OneStreamPerRead = cfg.Group == "h" // as on a Redis Cluster
			streams := make([]string, 120)
			for i := range streams {
				streams[i] = fmt.Sprint(cfg.Group, i)
			}
			cfg.Expand = func(context.Context, string) ([]string, error) { return streams, nil }
			s := newSubscriber(t, client, cfg)
			messages := subscribe(t, s, "all")
			for _, stream := range streams {
				publish(t, client, stream, stream)
			}
			got := read(t, messages, len(streams))
			slices.Sort(got)
			if want := slices.Sorted(slices.Values(streams)); !slices.Equal(got, want) { // Expand still reads streams
				t.Errorf("group %q: got %q, want one message of each stream", cfg.Group, got)
			}
			s.Close()
		}
	})
}

func TestAQuietConsumerIsSeenToLive(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		messages := subscribe(t, newSubscriber(t, client, fast("g")), "s")
		publish(t, client, "s", "a")
		next(t, messages).Ack()
		time.Sleep(2 * time.Second) // long enough to be told from what takes its time on a busy machine
		consumers, err := client.XInfoConsumers(t.Context(), "s", "g").Result()
		if err != nil || len(consumers) != 1 || consumers[0].Idle > time.Second {
			t.Errorf("got %+v, %v, want one that asked for entries within the last second", consumers, err)
		}
	})
}
