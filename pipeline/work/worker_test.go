package work_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/work"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a Redis with one owned keyspace whose events ask for passes.
type bench struct {
	t      *testing.T
	client redis.UniversalClient
	store  *keyspace.Store
	owner  *keyspace.Owned
	n      int
	// behind stands before the replica of run; nil for nothing.
	behind func(work.Follower) work.Follower
}

func newBench(t *testing.T) *bench {
	t.Helper()
	client := pipelinetest.Embedded(t)
	store, err := keyspace.NewStore(slog.New(slog.DiscardHandler), client, keyspace.Config{Block: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, client: client, store: store, owner: store.Owned("snapshot/east", "uid")}
	b.owner.Complete()
	b.change()
	return b
}

func (b *bench) change() {
	b.t.Helper()
	b.n++
	b.owner.Set("a", fmt.Append(nil, b.n))
	if err := b.owner.Flush(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// run runs a worker until the test ends, and returns it and its replica.
func (b *bench) run(pass work.Pass, cfg work.Config) (*work.Worker, *keyspace.Replica[string]) {
	b.t.Helper()
	replica, err := keyspace.NewReplica(b.store, keyspace.ReplicaConfig[string]{
		Kinds: []string{"snapshot"}, Decode: func(_ string, value []byte) (string, error) { return string(value), nil },
	})
	if err != nil {
		b.t.Fatal(err)
	}
	cfg.Group, cfg.Kinds = "tester", []string{"snapshot"}
	if cfg.RepairEvery == 0 {
		cfg.RepairEvery = time.Hour
	}
	follows := work.Follower(replica)
	if b.behind != nil {
		follows = b.behind(replica)
	}
	w, err := work.New(slog.New(slog.DiscardHandler), b.store, work.Clients{Commands: b.client, Blocking: b.client}, follows, pass, cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	b.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
	})
	return w, replica
}

// acked reports whether the group has acked every event.
func (b *bench) acked() bool {
	pending, err := b.client.XPending(b.t.Context(), keyspace.Name("snapshot/east").EventsKey(), "tester").Result()
	return err == nil && pending.Count == 0
}

// read says whether the group was given every event; until then nothing is pending either.
func (b *bench) read() bool {
	stream := keyspace.Name("snapshot/east").EventsKey()
	groups, err := b.client.XInfoGroups(b.t.Context(), stream).Result()
	last, err2 := b.client.XRevRangeN(b.t.Context(), stream, "+", "-", 1).Result()
	return err == nil && err2 == nil && len(groups) == 1 && len(last) == 1 && groups[0].LastDeliveredID == last[0].ID
}

func (b *bench) eventually(what string, holds func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); {
		if time.Now().After(deadline) {
			b.t.Fatalf("waited in vain: %s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func TestAPassSeesTheStateOfTheEventThatAskedForIt(t *testing.T) {
	b := newBench(t)
	var seen atomic.Value
	var replica *keyspace.Replica[string]
	ready := make(chan struct{})
	_, replica = b.run(func(context.Context, bool) error {
		<-ready
		replica.View(func(v keyspace.View[string]) {
			value, _ := v.Get("snapshot/east", "a")
			seen.Store(value)
		})
		return nil
	}, work.Config{})
	close(ready)
	for range 10 {
		b.change()
		want := fmt.Sprint(b.n)
		b.eventually("a pass that sees change "+want, func() bool { return seen.Load() == want && b.acked() })
	}
}

func TestEventsThatComeDuringAPassShareTheNextOne(t *testing.T) {
	b := newBench(t)
	var passes atomic.Int32
	entered, leave := make(chan struct{}), make(chan struct{})
	w, _ := b.run(func(context.Context, bool) error {
		if passes.Add(1) == 1 {
			close(entered)
			<-leave
		}
		return nil
	}, work.Config{})
	<-entered
	for range 100 {
		b.change()
	}
	b.eventually("all to wait for the next pass", func() bool { return w.Waiting() >= 100 })
	close(leave)
	b.eventually("all to be acked", b.acked)
	// The event of before the first pass may have asked for it, and have come too late for it.
	if n := passes.Load(); n > 3 {
		t.Errorf("%d passes for 100 events", n)
	}
}

func TestAPassThatFailsIsMadeAgainAndItsEventsAreNoDeadLetters(t *testing.T) {
	b := newBench(t)
	var mu sync.Mutex
	failing, passes := true, 0
	b.run(func(context.Context, bool) error {
		mu.Lock()
		defer mu.Unlock()
		passes++
		if failing {
			return errors.New("NOPERM")
		}
		return nil
	}, work.Config{})
	for range 20 {
		b.change()
	}
	b.eventually("all to be acked", b.acked)
	mu.Lock()
	failing, passes = false, 0
	mu.Unlock()
	b.eventually("the pass to be made again, with no event", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return passes > 0
	})
	if n, err := b.client.XLen(t.Context(), keyspace.DeadLettersKey("tester")).Result(); err != nil || n != 0 {
		t.Errorf("%d dead letters, %v", n, err)
	}
}

func TestAStalePassIsMadeAgainAndHoldsUpNothingForEver(t *testing.T) {
	b := newBench(t)
	var passes atomic.Int32
	b.run(func(context.Context, bool) error {
		passes.Add(1)
		return keyspace.ErrStale
	}, work.Config{})
	b.eventually("the pass to be made again", func() bool { return passes.Load() > 3 })
	b.change()
	b.eventually("the event to be acked all the same", b.acked)
}

func TestAPassThatWasAskedForChecksEverything(t *testing.T) {
	b := newBench(t)
	var plain, checks atomic.Int32
	b.run(func(_ context.Context, check bool) error {
		if check {
			checks.Add(1)
		} else {
			plain.Add(1)
		}
		return nil
	}, work.Config{})
	b.change()
	b.eventually("a pass for a change", func() bool { return plain.Load() > 0 && b.acked() })
	before := checks.Load()
	if _, err := b.store.Ask(t.Context(), "snapshot/east"); err != nil {
		t.Fatal(err)
	}
	b.eventually("a pass that checks", func() bool { return checks.Load() == before+1 && b.acked() })
}

func TestAnAskIsAckedOnceAPassHasSucceeded(t *testing.T) {
	b := newBench(t)
	var failing atomic.Bool
	var failed atomic.Int32
	b.run(func(context.Context, bool) error {
		if failing.Load() {
			failed.Add(1)
			return errors.New("NOPERM")
		}
		return nil
	}, work.Config{})
	b.eventually("the event of before to be acked", func() bool { return b.read() && b.acked() })
	failing.Store(true)
	if _, err := b.store.Ask(t.Context(), "snapshot/east"); err != nil {
		t.Fatal(err)
	}
	enough := time.Now().Add(3 * time.Second) // in which a message that is to blame runs out of attempts
	b.eventually("passes that fail", func() bool { return failed.Load() >= 2 && time.Now().After(enough) })
	if b.acked() {
		t.Error("acked, and no pass has succeeded")
	}
	failing.Store(false)
	b.eventually("the ask to be acked", b.acked)
	if n, err := b.client.XLen(t.Context(), keyspace.DeadLettersKey("tester")).Result(); err != nil || n != 0 {
		t.Errorf("%d dead letters, %v", n, err)
	}
}

// unhurried is a follower that is behind for a while.
type unhurried struct {
	work.Follower
	behind chan struct{} // closed when it no longer is
	asked  chan string
}

func (u unhurried) WaitFor(ctx context.Context, name keyspace.Name, p keyspace.Position, entryID string) error {
	if entryID != "" {
		u.asked <- entryID
		<-u.behind
	}
	return u.Follower.WaitFor(ctx, name, p, entryID)
}

func TestAPassThatWasAskedForWaitsForWhatTheFollowerListsAgain(t *testing.T) {
	b := newBench(t)
	var checks atomic.Int32
	slow := unhurried{behind: make(chan struct{}), asked: make(chan string, 10)}
	b.behind = func(f work.Follower) work.Follower { slow.Follower = f; return slow }
	b.run(func(_ context.Context, check bool) error {
		if check {
			checks.Add(1)
		}
		return nil
	}, work.Config{})
	b.eventually("the event of before to be acked", func() bool { return b.read() && b.acked() })
	before := checks.Load()
	entry, err := b.store.Ask(t.Context(), "snapshot/east")
	if err != nil {
		t.Fatal(err)
	}
	b.eventually("the follower to be waited for", func() bool { return len(slow.asked) > 0 })
	if got := <-slow.asked; got != entry || checks.Load() != before {
		t.Errorf("waited for %s, with %d passes made: want to wait for %s first", got, checks.Load()-before, entry)
	}
	close(slow.behind)
	b.eventually("a pass that checks", func() bool { return checks.Load() > before && b.acked() })
}
