package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/stream"
)

func TestWorksOnARedisCluster(t *testing.T) {
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: pipelinetest.RealCluster(t).Addrs})
	t.Cleanup(func() { client.Close() })
	streams := make([]string, 12) // on all three nodes
	for i := range streams {
		streams[i] = fmt.Sprintf("{%d}:events", i)
	}
	d := newDeadLetters(t, client)
	for _, group := range []string{"g", ""} {
		cfg := fast(group)
		cfg.Expand = func(context.Context, string) ([]string, error) { return streams, nil }
		s := newSubscriber(t, client, cfg)
		messages := subscribe(t, s, "all")
		for _, stream := range streams {
			publish(t, client, stream, stream)
		}
		got := read(t, messages, len(streams))
		slices.Sort(got)
		if want := slices.Sorted(slices.Values(streams)); !slices.Equal(got, want) {
			t.Errorf("group %q: got %q, want %q", group, got, want)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, stream := range streams {
		if n := pending(t, client, stream, "g"); n != 0 {
			t.Errorf("stream %s: %d entries are pending after Close, want none", stream, n)
		}
	}
	publish(t, client, "s", "bad")
	route(t, client, stream.RouterConfig{DeadLetters: d}, func(*message.Message) error { return stream.Permanent(errors.New("bad")) })
	if err := d.Replay(t.Context(), onlyLetter(t, d).ID); err != nil {
		t.Error(err)
	}
	sweep(t, client, now, append(streams, "s")...)
}
