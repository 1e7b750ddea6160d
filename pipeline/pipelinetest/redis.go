// Package pipelinetest gives tests a Redis: embedded (always there), real (a
// redis-server process, where one is installed), a Cluster, a Sentinel, and a
// server whose process the test may kill and pause. Every one is empty, belongs
// to one test and ends with it.
package pipelinetest

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/redisconn"
)

// Embedded returns a client of an embedded Redis of its own, whose times to live run.
func Embedded(t testing.TB) redis.UniversalClient {
	t.Helper()
	quiet()
	server, err := redisconn.StartEmbedded(slog.New(slog.DiscardHandler), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return closing(t, redis.NewClient(&redis.Options{
		Addr: server.Addr(), PipelinePoolSize: -1, DialTimeout: patience, ReadTimeout: patience, WriteTimeout: patience,
	}))
}

// patience is how long clients wait for a server on a busy machine.
const patience = time.Minute

// Real returns a client of a redis-server process of its own. The test is left
// out where redis-server is not installed; see [Require].
func Real(t testing.TB) redis.UniversalClient {
	t.Helper()
	return RealServer(t).Client()
}

// Each runs a test on every kind of Redis: as the subtests "embedded" and "real".
func Each(t *testing.T, test func(t *testing.T, client redis.UniversalClient)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) { test(t, Embedded(t)) })
	t.Run("real", func(t *testing.T) { test(t, Real(t)) })
}

// closing closes the client at the end of the test, unless the test did.
func closing(t testing.TB, client redis.UniversalClient) redis.UniversalClient {
	t.Cleanup(func() {
		if err := client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
			t.Errorf("closing a Redis client: %v", err)
		}
	})
	return client
}

// quiet keeps the Redis library from printing each failed connection of a test that makes them fail.
func quiet() { redisconn.RouteLibraryLog(slog.New(slog.DiscardHandler)) }
