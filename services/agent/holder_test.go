package agent

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
)

func TestOneAgentForACluster(t *testing.T) {
	client := pipelinetest.Embedded(t)
	x := newFixture(t, client, map[string]string{"east/cart.yaml": service("cart", "one")})
	x.cfg.Beat = 10 * time.Second // long enough for the other one to give up, however slow this is
	x.start()
	x.eventually("the heartbeat", func() bool { return x.beat() != nil })
	left := x.meta(snapshotEast).Position

	y := newFixture(t, client, map[string]string{"east/cart.yaml": service("cart", "copy")})
	y.write("applied/east/.meshweir.json", x.read("applied/east/.meshweir.json"))
	a, err := New(slog.New(slog.DiscardHandler), y.store, y.cfg)
	y.must(err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := a.Run(ctx); !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), x.dir) {
		t.Errorf("got %v, want who works for the cluster", err)
	}
	if now := x.meta(snapshotEast).Position; now != left {
		t.Errorf("got the snapshot at %s, want it untouched at %s", now, left)
	}

	x.must(x.stop())
	if x.beat() != nil {
		t.Error("the heartbeat outlived its agent")
	}
	y.start()
	y.has(snapshotEast, cart, "copy")
}

func TestKilledAgentStartsAgainAtOnce(t *testing.T) {
	x := newFixture(t, pipelinetest.Embedded(t), map[string]string{"east/cart.yaml": service("cart", "one")})
	x.cfg.Beat = time.Minute
	x.start()
	x.eventually("the heartbeat", func() bool { return x.beat() != nil })
	left, err := x.client.Get(t.Context(), snapshotEast.BeatKey()).Bytes()
	x.must(err)
	x.must(x.stop())
	x.must(x.client.Set(t.Context(), snapshotEast.BeatKey(), left, time.Minute).Err()) // as if it had been killed
	x.write("east/cart.yaml", service("cart", "two"))
	x.start()
	x.has(snapshotEast, cart, "two")
}

func TestAnotherReplicasHeartbeatIsNotTakenBack(t *testing.T) {
	x := newFixture(t, pipelinetest.Embedded(t), map[string]string{"east/cart.yaml": service("cart", "one")})
	x.cfg.Beat = time.Minute
	x.start()
	x.eventually("the heartbeat", func() bool { return x.beat() != nil })
	other := `{"version":"v1","started_at":"2026-03-01T12:00:00Z"}`
	x.must(x.client.Set(t.Context(), snapshotEast.BeatKey(), other, time.Minute).Err())
	x.must(x.stop())
	if got, err := x.client.Get(t.Context(), snapshotEast.BeatKey()).Result(); err != nil || got != other {
		t.Errorf("got %q, %v, want the other one's heartbeat", got, err)
	}
}
