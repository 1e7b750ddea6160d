package stream_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/stream"
)

// now keeps nothing for its age.
var now = stream.JanitorConfig{Keep: time.Nanosecond, KeepUngrouped: time.Nanosecond}

// many is more than the nodes of a stream that an approximate trim leaves alone.
const many = 1000

func fill(t *testing.T, client redis.UniversalClient, topic string, n int) {
	t.Helper()
	publish(t, client, topic, slices.Repeat([]string{"x"}, n)...)
	time.Sleep(2 * time.Millisecond) // older than no time at all
}

func ackAll(t *testing.T, client redis.UniversalClient, topic, group string) {
	t.Helper()
	for _, entry := range client.XRange(t.Context(), topic, "-", "+").Val() {
		client.XAck(t.Context(), topic, group, entry.ID)
	}
}

func TestTrimsWhatEveryGroupHasBehindIt(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx := t.Context()
		fill(t, client, "s", many)
		xgroup(t, client, "s", "fast")
		xgroup(t, client, "s", "slow")
		give(t, client, "s", "fast", "c", many)
		ackAll(t, client, "s", "fast")

		sweep(t, client, now, "s")
		if n := client.XLen(ctx, "s").Val(); n != many {
			t.Fatalf("%d entries are left, want all %d: one group has read nothing", n, many)
		}
		give(t, client, "s", "slow", "c", many/2)
		first := client.XRange(ctx, "s", "-", "+").Val()[0].ID
		sweep(t, client, now, "s")
		if n := client.XLen(ctx, "s").Val(); n != many {
			t.Fatalf("%d entries are left, want all %d: the oldest is not acked", n, many)
		}
		ackAll(t, client, "s", "slow")
		sweep(t, client, now, "s")
		if n := client.XLen(ctx, "s").Val(); n < many/2 || n > many/2+200 {
			t.Errorf("%d entries are left, want the %d that one group has not read", n, many/2)
		}
		if got := client.XRangeN(ctx, "s", "-", "+", 1).Val()[0].ID; got == first {
			t.Error("the oldest entry is still there")
		}
	})
}

func TestKeepsYoungEntriesForThoseWithoutAGroup(t *testing.T) {
	client := pipelinetest.Embedded(t)
	fill(t, client, "s", many)
	xgroup(t, client, "s", "g")
	give(t, client, "s", "g", "c", many)
	ackAll(t, client, "s", "g")
	sweep(t, client, stream.JanitorConfig{}, "s")
	if n := client.XLen(t.Context(), "s").Val(); n != many {
		t.Errorf("%d entries are left, want all", n)
	}
}

func TestTrimsUngroupedStreamsByAgeAlone(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		fill(t, client, "s", many)
		sweep(t, client, stream.JanitorConfig{Keep: time.Nanosecond}, "s")
		if n := client.XLen(t.Context(), "s").Val(); n != many {
			t.Errorf("%d entries are left, want all: they are not a day old", n)
		}
		sweep(t, client, now, "s")
		if n := client.XLen(t.Context(), "s").Val(); n > 200 {
			t.Errorf("%d entries are left, want next to none", n)
		}
	})
}

func TestHardCapProtectsMemoryFromAGroupThatNeverReads(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		fill(t, client, "s", many)
		xgroup(t, client, "s", "g")
		sweep(t, client, stream.JanitorConfig{MaxLength: 100}, "s")
		if n := client.XLen(t.Context(), "s").Val(); n < 100 || n > 300 {
			t.Errorf("%d entries are left, want about 100", n)
		}
	})
}

func TestRemovesConsumersThatAreIdleAndHaveNothing(t *testing.T) {
	client := pipelinetest.Real(t) // the embedded Redis does not know how long a consumer is idle
	ctx := t.Context()
	fill(t, client, "s", 2)
	xgroup(t, client, "s", "g")
	give(t, client, "s", "g", "gone", 1)
	give(t, client, "s", "g", "working", 1)
	names := func() (names []string) {
		for _, c := range client.XInfoConsumers(ctx, "s", "g").Val() {
			names = append(names, c.Name)
		}
		return names
	}
	const idle = 3 * time.Second // more than a busy machine needs from a sign of life to the sweep
	time.Sleep(idle + 100*time.Millisecond)
	cfg := stream.JanitorConfig{ConsumerIdle: idle}
	entries := client.XRange(ctx, "s", "-", "+").Val()
	client.XAck(ctx, "s", "g", entries[0].ID)
	sweep(t, client, cfg, "s")
	if got := names(); len(got) != 2 {
		t.Errorf("got consumers %q, want both: the group is not at rest", got)
	}
	client.XAck(ctx, "s", "g", entries[1].ID)
	publish(t, client, "s", "x")
	give(t, client, "s", "g", "working", 1) // a sign of life
	ackAll(t, client, "s", "g")
	sweep(t, client, cfg, "s")
	if got := names(); !slices.Equal(got, []string{"working"}) {
		t.Errorf("got consumers %q, want the one that reads", got)
	}
}

func TestOneBadStreamDoesNotKeepTheJanitorFromTheOthers(t *testing.T) {
	client := pipelinetest.Embedded(t)
	client.Set(t.Context(), "bad", "not a stream", 0)
	fill(t, client, "good", many)
	cfg := now
	cfg.Every = 10 * time.Millisecond
	cfg.Expand = func(context.Context) ([]string, error) { return []string{"missing", "bad", "good"}, nil }
	j, err := stream.NewJanitor(quiet(), client, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Sweep(t.Context()); err == nil {
		t.Error("got no error for the stream that is none")
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- j.Run(ctx) }()
	for i := range 2 {
		eventually(t, fmt.Sprintf("trimmed, round %d", i), func() bool { return client.XLen(t.Context(), "good").Val() == 0 })
		fill(t, client, "good", many)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run ended with %v, want nil", err)
	}
}
