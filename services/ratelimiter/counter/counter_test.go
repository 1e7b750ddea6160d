package counter_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/services/ratelimiter/counter"
)

func TestMain(m *testing.M) {
	// The Redis library tries a server that is away once a second, and notices later that it was closed.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// patient is for tests that are not about deadlines: their machine may be busy.
const patient = time.Minute

// noon is a time at which a window of each period begins.
var noon = time.Date(2026, 7, 6, 12, 0, 0, 0, time.UTC)

func micro(now time.Time) int64 { return now.UnixMicro() }

func open(t testing.TB, client redis.UniversalClient, cfg counter.Config) *counter.Counters {
	t.Helper()
	if cfg.Deadline == 0 {
		cfg.Deadline = patient
	}
	c, err := counter.New(client, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func limit(algorithm counter.Algorithm, requests uint32, period time.Duration) counter.Limit {
	return counter.Limit{
		Domain: "test", Name: string(algorithm) + period.String(), Requests: requests, Period: period,
		Algorithm: algorithm, CountDenied: algorithm == counter.FixedWindow,
	}
}

// one asks one question about the counter of "alice".
func one(t testing.TB, c *counter.Counters, now time.Time, l *counter.Limit, hits int64) counter.Answer {
	t.Helper()
	var answers [1]counter.Answer
	c.Count(now, []counter.Ask{{Limit: l, Parts: counter.AppendPart(nil, "alice"), Hits: hits}}, answers[:])
	if answers[0].Err != nil {
		t.Fatalf("asking at %s for %d: %v", now, hits, answers[0].Err)
	}
	return answers[0]
}

// step is a question, and the answer that is wanted.
type step struct {
	after     time.Duration // since noon
	hits      int64
	over      bool
	remaining uint32
	retry     time.Duration
}

func TestAlgorithms(t *testing.T) {
	tests := []struct {
		name  string
		limit counter.Limit
		steps []step
	}{
		{"a fixed window counts to its limit and begins anew", limit(counter.FixedWindow, 2, time.Minute), []step{
			{0, 1, false, 1, 0},
			{time.Second, 1, false, 0, 59 * time.Second},
			{2 * time.Second, 1, true, 0, 58 * time.Second},
			{time.Minute, 1, false, 1, 0},
		}},
		{"hits that do not fit are denied and counted", limit(counter.FixedWindow, 100, time.Minute), []step{
			{0, 60, false, 40, 0}, {0, 60, true, 0, time.Minute}, {0, 1, true, 0, time.Minute},
		}},
		{"hits that do not fit are not counted when denied hits do not count", notCounted(limit(counter.FixedWindow, 100, time.Minute)), []step{
			{0, 60, false, 40, 0}, {0, 60, true, 40, 0}, {0, 40, false, 0, time.Minute}, {0, 1, true, 0, time.Minute},
		}},
		{"a look counts nothing", limit(counter.FixedWindow, 1, time.Minute), []step{
			{0, 0, false, 1, 0}, {0, 1, false, 0, time.Minute}, {0, 0, false, 0, time.Minute}, {0, 1, true, 0, time.Minute}, {0, 0, true, 0, time.Minute},
		}},
		{"what is given back may be used again, from the limit down and not below nothing", limit(counter.FixedWindow, 3, time.Minute), []step{
			{0, 3, false, 0, time.Minute}, {0, 5, true, 0, time.Minute}, {0, -1, false, 1, 0}, {0, 1, false, 0, time.Minute}, {0, -9, false, 3, 0}, {0, 3, false, 0, time.Minute},
		}},
		{"a sliding window lets pass what the last one's share leaves room for", limit(counter.SlidingWindow, 10, time.Minute), []step{
			{0, 10, false, 0, 66 * time.Second},
			{59 * time.Second, 1, true, 0, 7 * time.Second},
			{time.Minute, 1, true, 0, 6 * time.Second},
			{66 * time.Second, 1, false, 0, 6 * time.Second},
			{90 * time.Second, 4, false, 0, 6 * time.Second},
			{3 * time.Minute, 10, false, 0, 66 * time.Second},
		}},
		{"a sliding window takes back", limit(counter.SlidingWindow, 10, time.Minute), []step{
			{0, 10, false, 0, 66 * time.Second}, {0, -4, false, 4, 0}, {0, 5, true, 4, 0}, {0, -99, false, 10, 0},
		}},
		{"gcra takes a burst, then one hit in each interval", burst(limit(counter.GCRA, 60, time.Minute), 2), []step{
			{0, 1, false, 1, 0},
			{0, 1, false, 0, time.Second},
			{0, 1, true, 0, time.Second},
			{999 * time.Millisecond, 1, true, 0, time.Millisecond},
			{time.Second, 1, false, 0, time.Second},
			{10 * time.Second, 0, false, 2, 0},
			{10 * time.Second, 3, true, 2, 0},
			{10 * time.Second, 2, false, 0, time.Second},
			{10 * time.Second, -1, false, 1, 0},
		}},
		{"a limit of nothing lets nothing pass", limit(counter.SlidingWindow, 0, time.Minute), []step{
			{0, 0, false, 0, time.Minute}, {time.Second, 1, true, 0, 59 * time.Second},
		}},
		{"a report counts what is over", counted(limit(counter.GCRA, 60, time.Minute)), []step{
			{0, 0, false, 60, 0}, {0, 90, true, 0, 31 * time.Second}, {30 * time.Second, 0, false, 0, time.Second}, {31 * time.Second, 1, false, 0, time.Second},
		}},
	}
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		for i, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				// Keys live by the server's clock, which this test does not turn: a period of its own keeps them.
				tt.limit.Name += fmt.Sprint(i)
				l := tt.limit.Ready()
				for i, s := range tt.steps {
					now := noon.Add(s.after)
					got := one(t, open(t, client, counter.Config{ServerTime: micro}), now, l, s.hits)
					if got.Over != s.over || got.Remaining != s.remaining || got.Retry.Round(time.Microsecond) != s.retry {
						t.Fatalf("step %d: got over %t, remaining %d, retry %s; want %t, %d, %s", i, got.Over, got.Remaining, got.Retry, s.over, s.remaining, s.retry)
					}
				}
			})
		}
	})
}

func notCounted(l counter.Limit) counter.Limit          { l.CountDenied = false; return l }
func counted(l counter.Limit) counter.Limit             { l.CountDenied = true; return l }
func burst(l counter.Limit, burst uint32) counter.Limit { l.Burst = burst; return l }

// Every counter expires by itself, whoever made it and however.
func TestCountersExpire(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		for _, l := range []counter.Limit{
			limit(counter.FixedWindow, 5, time.Minute), notCounted(limit(counter.FixedWindow, 5, time.Hour)),
			limit(counter.SlidingWindow, 5, time.Minute), limit(counter.GCRA, 5, time.Minute),
		} {
			c := open(t, client, counter.Config{})
			for range 3 {
				one(t, c, time.Now(), l.Ready(), 1)
			}
		}
		keys := client.Keys(t.Context(), "*").Val()
		if len(keys) != 4 {
			t.Errorf("got keys %q, want 4", keys)
		}
		for _, key := range keys {
			if ttl := client.PTTL(t.Context(), key).Val(); ttl <= 0 {
				t.Errorf("%s lives for %v", key, ttl)
			}
		}
	})
}

// A counter that lost its time to live, here with all of Redis, gets it back with the next hit.
func TestCounterThatBeginsAnewExpires(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		l := limit(counter.FixedWindow, 50, time.Hour)
		c := open(t, client, counter.Config{})
		one(t, c, time.Now(), l.Ready(), 1)
		client.FlushAll(t.Context())
		one(t, c, time.Now(), &l, 1)
		await(t, func() bool {
			keys := client.Keys(t.Context(), "*").Val()
			return len(keys) == 1 && client.PTTL(t.Context(), keys[0]).Val() > 0
		})
	})
}

func await(t testing.TB, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patient); !done(); {
		if time.Now().After(deadline) {
			t.Fatal("it did not come to pass")
		}
		<-time.After(5 * time.Millisecond)
	}
}

// However calls of several replicas interleave, exactly as many pass as the limit says.
func TestNoInterleavingAdmitsMoreThanTheLimit(t *testing.T) {
	const replicas, callers, each = 3, 8, 40
	limits := map[string]counter.Limit{
		"fixed window":                      limit(counter.FixedWindow, 100, time.Hour),
		"fixed window, denied do not count": notCounted(limit(counter.FixedWindow, 101, time.Hour)),
		"sliding window":                    limit(counter.SlidingWindow, 100, time.Hour),
		"gcra":                              limit(counter.GCRA, 100, time.Hour),
	}
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		for name, l := range limits {
			t.Run(name, func(t *testing.T) {
				l.Name = name
				l.Ready()
				var passed atomic.Int64
				var all sync.WaitGroup
				for range replicas {
					c := open(t, client, counter.Config{ServerTime: micro, Lanes: 2})
					for range callers {
						all.Go(func() {
							for range each {
								if hits := 1 + rand.Int64N(3); !one(t, c, noon, &l, hits).Over {
									passed.Add(hits)
								}
							}
						})
					}
				}
				all.Wait()
				// Where denied hits count, those of a call that did not fit are lost to others: it may end below the limit.
				if got := passed.Load(); got > int64(l.Requests) || got < int64(l.Requests)-2 {
					t.Errorf("%d hits passed, want %d", got, l.Requests)
				}
			})
		}
	})
}

// The script and the counting in memory are two descriptions of the same: whatever is asked, at whatever time, they answer the same.
func TestScriptAndMemoryAgree(t *testing.T) {
	away := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
	defer away.Close()
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		for _, l := range []counter.Limit{
			notCounted(limit(counter.FixedWindow, 7, time.Minute)), limit(counter.SlidingWindow, 7, time.Minute), counted(limit(counter.SlidingWindow, 7, time.Minute)),
			burst(limit(counter.GCRA, 7, time.Minute), 3), counted(limit(counter.GCRA, 1_000_000, time.Second)),
		} {
			client.FlushAll(t.Context())
			l.OnError = counter.Local
			l.Ready()
			now := noon
			memory := open(t, away, counter.Config{})
			for i := range 300 {
				now = now.Add(time.Duration(rand.Int64N(int64(l.Period / 4)))).Truncate(time.Microsecond)
				hits := rand.Int64N(6) - 1
				var got, want [1]counter.Answer
				ask := []counter.Ask{{Limit: &l, Hits: hits}}
				// A new one each time, so that nothing is answered from what it remembers.
				open(t, client, counter.Config{ServerTime: micro}).Count(now, ask, got[:])
				memory.Count(now, ask, want[:])
				want[0].Err, want[0].From = nil, counter.FromRedis
				if got != want {
					t.Fatalf("%c, step %d, %d hits at %s: the script says %+v, memory %+v", l.Algorithm, i, hits, now, got[0], want[0])
				}
			}
		}
	})
}

// However callers time their hits, a sliding window lets no more pass than its limit in a window, and less than twice as many
// in any span of one period: what it takes for evenly spread in the last window may have come at its end. Hits that are
// spread evenly pass as an exact count would have it, but for one.
func TestErrorOfTheSlidingWindowIsBounded(t *testing.T) {
	const requests, period = 20, time.Minute
	l := limit(counter.SlidingWindow, requests, period)
	l.OnError = counter.Local
	l.Ready()
	away := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
	defer away.Close()
	pass := func(times []time.Time) (passed []time.Time) {
		c := open(t, away, counter.Config{})
		for _, now := range times {
			var answers [1]counter.Answer
			if c.Count(now, []counter.Ask{{Limit: &l, Hits: 1}}, answers[:]); !answers[0].Over {
				passed = append(passed, now)
			}
		}
		return passed
	}
	// most is the greatest number within one period.
	most := func(times []time.Time) (n int) {
		for i := range times {
			j := i
			for j < len(times) && times[j].Sub(times[i]) < period {
				j++
			}
			n = max(n, j-i)
		}
		return n
	}
	for range 50 {
		now := noon
		var times []time.Time
		for range 300 { // bursts and pauses
			step := time.Duration(rand.Int64N(int64(200 * time.Millisecond)))
			if rand.IntN(10) == 0 {
				step = time.Duration(rand.Int64N(int64(period)))
			}
			now = now.Add(step)
			times = append(times, now)
		}
		passed := pass(times)
		if got := most(passed); got >= 2*requests {
			t.Fatalf("%d passed within a period, want less than %d", got, 2*requests)
		}
		windows := map[int64]int{}
		for _, at := range passed {
			if windows[at.UnixNano()/int64(period)]++; windows[at.UnixNano()/int64(period)] > requests {
				t.Fatal("more passed in one window than the limit")
			}
		}
	}
	var even []time.Time
	for i := range 400 {
		even = append(even, noon.Add(time.Duration(i)*period/(2*requests))) // twice as many as may pass
	}
	if got := most(pass(even)[requests:]); got > requests+1 {
		t.Errorf("of hits that are spread evenly %d passed within a period, want %d", got, requests+1)
	}
}
