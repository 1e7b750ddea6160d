package counter

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
)

func TestLimitersAreCounted(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		log := slog.New(slog.DiscardHandler)
		one, two := NewReplicas(log, client), NewReplicas(log, client)
		now := time.Now()
		for _, r := range []*Replicas{one, two, one} {
			if err := r.say(t.Context(), now); err != nil {
				t.Fatal(err)
			}
		}
		if one.Count() != 2 || two.Count() != 2 {
			t.Errorf("got %d and %d, want 2", one.Count(), two.Count())
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := two.Run(ctx); err != nil { // it leaves in good order
			t.Fatal(err)
		}
		if err := one.say(t.Context(), now); err != nil || one.Count() != 1 {
			t.Errorf("after one left: got %d, %v; want 1", one.Count(), err)
		}
		if err := two.say(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		if err := one.say(t.Context(), now.Add(thoughtGone+time.Second)); err != nil || one.Count() != 1 {
			t.Errorf("after one said nothing for long: got %d, %v; want 1", one.Count(), err)
		}
		if ttl := client.PTTL(t.Context(), replicasKey).Val(); ttl <= 0 {
			t.Errorf("the set lives for %v", ttl)
		}
	})
}
