package counter_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/services/ratelimiter/counter"
)

// A Redis user of few rights can count, and touch nothing else.
func TestCountsAsAUserOfFewRights(t *testing.T) {
	server := pipelinetest.RealServer(t)
	rules, err := keyspace.Access{Counts: true}.Rules()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := redisconn.SetUser(t.Context(), server.Client(), "limiter", "secret", rules); err != nil {
		t.Fatal(err)
	}
	client := connect(t, "unix://limiter:secret@"+(&url.URL{Path: server.Socket()}).EscapedPath())
	c := open(t, client, counter.Config{})
	for _, l := range []counter.Limit{
		limit(counter.FixedWindow, 5, time.Hour), notCounted(limit(counter.FixedWindow, 5, time.Minute)),
		limit(counter.SlidingWindow, 5, time.Minute), limit(counter.GCRA, 5, time.Minute),
	} {
		for _, together := range []bool{false, true} {
			l.Together = together
			l.Ready()
			for _, hits := range []int64{1, 0, 2, -1} {
				one(t, c, time.Now(), &l, hits)
			}
		}
	}
	if err := client.Get(t.Context(), "other").Err(); err == nil {
		t.Error("it may read what is not its own")
	}
}
