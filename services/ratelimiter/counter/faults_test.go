package counter_test

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/services/ratelimiter/counter"
)

// connect opens a Redis as the limiter does: nothing is retried.
func connect(t testing.TB, url string) redis.UniversalClient {
	t.Helper()
	conn, err := redisconn.Open(slog.New(slog.DiscardHandler), url, redisconn.Options{Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.Client
}

// try asks one question that Redis may not answer.
func try(c *counter.Counters, l *counter.Limit, hits int64) counter.Answer {
	var answers [1]counter.Answer
	c.Count(time.Now(), []counter.Ask{{Limit: l, Parts: counter.AppendPart(nil, "alice"), Hits: hits}}, answers[:])
	return answers[0]
}

func onError(l counter.Limit, what counter.OnError) *counter.Limit {
	l.OnError = what
	return l.Ready()
}

// checkFallback asks limits of each kind what they answer while Redis does not.
func checkFallback(t *testing.T, c *counter.Counters) {
	t.Helper()
	hourly := limit(counter.FixedWindow, 4, 24*365*time.Hour)
	if a := try(c, onError(hourly, counter.Fail), 1); a.Err == nil {
		t.Errorf("without Redis: got %+v, want an error", a)
	}
	if a := try(c, onError(hourly, counter.Allow), 1); a.Over || a.Err == nil || a.From != counter.FromFallback {
		t.Errorf("a limit that allows without Redis: got %+v", a)
	}
	if a := try(c, onError(hourly, counter.Deny), 1); !a.Over || a.Err == nil {
		t.Errorf("a limit that denies without Redis: got %+v", a)
	}
	local, passed := onError(hourly, counter.Local), 0
	for range 10 {
		if !try(c, local, 1).Over {
			passed++
		}
	}
	if passed != 2 {
		t.Errorf("a limit of 4 that counts locally in each of 2 limiters let %d pass, want 2", passed)
	}
}

// Calls end while Redis hangs, as their limits say, and leave nothing behind; then counting goes on.
func TestRedisHangs(t *testing.T) {
	server := pipelinetest.RealServer(t)
	c := open(t, connect(t, server.URL()), counter.Config{Deadline: 100 * time.Millisecond, Replicas: func() int { return 2 }})
	l := limit(counter.FixedWindow, 100, 24*365*time.Hour)
	l.Name = "hangs"
	l.Ready()
	await(t, func() bool { return try(c, &l, 1).Err == nil })
	before := try(c, &l, 0).Remaining
	server.Pause()
	var all sync.WaitGroup
	var answered atomic.Int64
	for range 200 {
		all.Go(func() {
			if try(c, &l, 1).Err == nil {
				answered.Add(1)
			}
		})
	}
	all.Wait()
	if got := answered.Load(); got != 0 {
		t.Errorf("%d calls were answered by a server that hangs", got)
	}
	checkFallback(t, c)
	if c.Open() == nil {
		t.Error("the circuit breaker is closed")
	}
	server.Continue()
	await(t, func() bool { return try(c, &l, 0).Err == nil })
	// What was sent and not answered may have been counted, never what was not sent.
	if after := try(c, &l, 0).Remaining; after > before {
		t.Errorf("%d remained before and %d after", before, after)
	}
	if err := c.Open(); err != nil {
		t.Errorf("the circuit breaker stays open: %v", err)
	}
}

// A Redis that is killed and comes back empty begins anew: as many pass again as the limit says, and no more.
func TestRedisIsKilled(t *testing.T) {
	server := pipelinetest.RealServer(t)
	c := open(t, connect(t, server.URL()), counter.Config{Deadline: 100 * time.Millisecond, Replicas: func() int { return 2 }})
	l := limit(counter.FixedWindow, 3, 24*365*time.Hour)
	l.Name = "killed"
	l.Ready()
	for life := range 2 {
		passed := 0
		await(t, func() bool { return try(c, &l, 0).Err == nil })
		for range 10 {
			if a := try(c, &l, 1); a.Err == nil && !a.Over {
				passed++
			}
		}
		if passed > 3 || passed == 0 {
			t.Errorf("life %d: %d passed, want 3", life, passed)
		}
		server.Kill()
		await(t, func() bool { return try(c, &l, 0).Err != nil })
		if life == 0 {
			checkFallback(t, c)
		}
		server.Restart()
		<-time.After(time.Second) // an over-limit answer is kept so long
	}
}

// A Redis that takes no more says so at once, and each limit answers as it names it; looking goes on.
func TestRedisIsFull(t *testing.T) {
	server := pipelinetest.RealServer(t)
	c := open(t, connect(t, server.URL()), counter.Config{Replicas: func() int { return 2 }})
	l := limit(counter.FixedWindow, 100, 24*365*time.Hour)
	l.Name = "full"
	l.Ready()
	one(t, c, time.Now(), &l, 40)
	client := server.Client()
	if err := client.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if a := try(c, &l, 1); a.Err == nil || !strings.Contains(a.Err.Error(), "OOM") {
		t.Errorf("got %+v, want Redis' own word", a)
	}
	if a := try(c, &l, 0); a.Err != nil || a.Remaining != 60 {
		t.Errorf("looking: got %+v, want 60 remaining", a)
	}
	checkFallback(t, c)
	if err := c.Open(); err != nil {
		t.Errorf("the circuit breaker is open, though Redis answers: %v", err)
	}
	if err := client.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	if a := try(c, &l, 1); a.Err != nil || a.Remaining != 59 {
		t.Errorf("once there is room: got %+v, want 59 remaining", a)
	}
}

// After a failover counting goes on with what the replica has: at most what it had not heard of passes again.
func TestFailover(t *testing.T) {
	group := pipelinetest.RealSentinel(t)
	c := open(t, connect(t, group.URL), counter.Config{Deadline: time.Second})
	l := limit(counter.FixedWindow, 1000, 24*365*time.Hour)
	l.Name = "failover"
	l.Ready()
	await(t, func() bool { return try(c, &l, 1).Err == nil })
	for range 100 {
		try(c, &l, 1)
	}
	replica := group.Servers[1].Client()
	await(t, func() bool { // it has heard of all of them
		keys := replica.Keys(t.Context(), "*").Val()
		return len(keys) == 1 && replica.Get(t.Context(), keys[0]).Val() >= "101"
	})
	group.Servers[0].Kill()
	await(t, func() bool { return try(c, &l, 1).Err == nil })
	if a := try(c, &l, 0); a.Err != nil || a.Remaining > 1000-102 {
		t.Errorf("after the failover: got %+v, want at most 898 remaining", a)
	}
}

// On a Cluster calls of several replicas are counted exactly, each for itself and together, and while a slot moves.
func TestCluster(t *testing.T) {
	group := pipelinetest.RealCluster(t)
	client := connect(t, group.URL)
	for _, together := range []bool{false, true} {
		t.Run(fmt.Sprintf("together %t", together), func(t *testing.T) {
			var limits []*counter.Limit
			for i := range 3 {
				l := limit(counter.FixedWindow, 50, 24*365*time.Hour)
				l.Name, l.Together = fmt.Sprint("cluster", together, i), together
				limits = append(limits, l.Ready())
			}
			var passed [3]atomic.Int64
			var all sync.WaitGroup
			for range 3 {
				c := open(t, client, counter.Config{})
				for range 4 {
					all.Go(func() {
						for range 10 {
							var answers [3]counter.Answer
							var asks []counter.Ask
							for _, l := range limits {
								asks = append(asks, counter.Ask{Limit: l, Hits: 1})
							}
							c.Count(time.Now(), asks, answers[:])
							for i, a := range answers {
								if a.Err != nil {
									t.Errorf("limit %d: %v", i, a.Err)
								} else if !a.Over {
									passed[i].Add(1)
								}
							}
						}
					})
				}
			}
			all.Wait()
			for i := range passed {
				if got := passed[i].Load(); got != 50 {
					t.Errorf("limit %d: %d passed, want 50", i, got)
				}
			}
		})
	}
	t.Run("a slot moves", func(t *testing.T) { testSlotMoves(t, group, client) })
}

func testSlotMoves(t *testing.T, group *pipelinetest.Group, client redis.UniversalClient) {
	l := limit(counter.FixedWindow, 50, 24*365*time.Hour)
	l.Name = "moves"
	l.Ready()
	c := open(t, client, counter.Config{})
	one(t, c, time.Now(), &l, 1)
	ctx := t.Context()
	var source, target redis.UniversalClient
	var key string
	for _, s := range group.Servers {
		node := s.Client()
		keys := node.Keys(ctx, "*moves*").Val()
		if len(keys) == 1 {
			source, key = node, keys[0]
		} else {
			target = node
		}
	}
	slot := source.ClusterKeySlot(ctx, key).Val()
	from, to := source.ClusterMyID(ctx).Val(), target.ClusterMyID(ctx).Val()
	source.Del(ctx, key)
	for _, step := range [][]any{{target, "importing", from}, {source, "migrating", to}} {
		if err := step[0].(redis.UniversalClient).Do(ctx, "cluster", "setslot", slot, step[1], step[2]).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if a := one(t, c, time.Now(), &l, 1); a.Remaining != 49 { // ASK
		t.Errorf("while the slot moves: got %+v, want 49 remaining", a)
	}
	for _, node := range []redis.UniversalClient{target, source} {
		if err := node.Do(ctx, "cluster", "setslot", slot, "node", to).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if a := one(t, c, time.Now(), &l, 1); a.Remaining != 48 { // MOVED
		t.Errorf("after the slot moved: got %+v, want 48 remaining", a)
	}
}

// A refund undoes what this limiter remembers, and a counter that is over is asked for no more than needed.
func TestOverLimitIsRemembered(t *testing.T) {
	client := pipelinetest.Real(t)
	var commands atomic.Int64
	c := open(t, client, counter.Config{Observe: func(n int, _ time.Duration, _ error) { commands.Add(int64(n)) }})
	l := limit(counter.FixedWindow, 1, 24*365*time.Hour)
	l.Ready()
	now := time.Now()
	for range 2 {
		one(t, c, now, &l, 1)
	}
	before := commands.Load()
	if a := one(t, c, now, &l, 1); !a.Over || a.From != counter.FromMemory || commands.Load() != before {
		t.Errorf("got %+v and %d more commands, want an answer from memory", a, commands.Load()-before)
	}
	if a := one(t, c, now.Add(1100*time.Millisecond), &l, 1); a.From != counter.FromRedis {
		t.Errorf("after a second: got %+v, want Redis to be asked", a)
	}
	one(t, c, now, &l, -1)
	if a := one(t, c, now, &l, 1); a.Over {
		t.Errorf("after a refund: got %+v, want it to pass", a)
	}
}
