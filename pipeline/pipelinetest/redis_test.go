package pipelinetest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
)

func TestEachRedisIsEmptyAndExpiresKeys(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx := t.Context()
		if n, err := client.DBSize(ctx).Result(); n != 0 || err != nil {
			t.Fatalf("DBSIZE of a new Redis: got %d, %v, want 0", n, err)
		}
		if err := client.Set(ctx, "short", "1", 50*time.Millisecond).Err(); err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(time.Minute)
		for client.Exists(ctx, "short").Val() == 1 {
			if time.Now().After(deadline) {
				t.Fatal("a key with 50 ms to live is still there after a minute")
			}
			<-time.After(10 * time.Millisecond)
		}
	})
}

func TestServerIsPausedKilledAndRestarted(t *testing.T) {
	server := pipelinetest.RealServer(t)
	client := server.Client()
	if err := client.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}

	server.Pause()
	short := server.Client().(*redis.Client).WithTimeout(100 * time.Millisecond)
	defer short.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := short.Get(ctx, "k").Err(); err == nil {
		t.Error("a paused server answered")
	}
	server.Continue()
	if got, err := client.Get(t.Context(), "k").Result(); got != "v" || err != nil {
		t.Errorf("after Continue: got %q, %v, want v", got, err)
	}

	server.Kill()
	if err := client.Get(t.Context(), "k").Err(); err == nil {
		t.Error("a killed server answered")
	}
	server.Restart()
	if err := server.Client().Get(t.Context(), "k").Err(); !errors.Is(err, redis.Nil) {
		t.Errorf("after Restart: got %v, want an empty server", err)
	}
}

func TestServerKeepsItsDataOverRestartWhenAsked(t *testing.T) {
	server := pipelinetest.RealServer(t, "--appendonly", "yes", "--appendfsync", "always")
	if err := server.Client().Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	server.Restart()
	client := server.Client()
	if got, err := client.Get(t.Context(), "k").Result(); got != "v" || err != nil {
		t.Errorf("after Restart: got %q, %v, want v", got, err)
	}
	server.Flush()
	if n := client.DBSize(t.Context()).Val(); n != 0 {
		t.Errorf("after Flush: %d keys are left", n)
	}
}
