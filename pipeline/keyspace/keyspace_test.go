package keyspace_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/meshweir/meshweir/pipeline/keyspace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const snapshot, output = keyspace.Name("snapshot/east"), keyspace.Name("output/east")

func open(t testing.TB, client redis.UniversalClient, cfg keyspace.Config) *keyspace.Store {
	t.Helper()
	if cfg.Block == 0 {
		cfg.Block = 50 * time.Millisecond
	}
	store, err := keyspace.NewStore(slog.New(slog.DiscardHandler), client, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// state is what a writer wants and what a reader shows.
type state map[string]string

// stager is the staging half of Owned and Derived.
type stager interface {
	Set(key string, value []byte)
	Delete(key string)
	Complete()
}

func stage(w stager, s state) {
	for key, value := range s {
		w.Set(key, []byte(value))
	}
}

func flush(t testing.TB, o *keyspace.Owned, s state) {
	t.Helper()
	stage(o, s)
	o.Complete()
	if err := o.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func text(_ string, value []byte) (string, error) {
	if strings.HasPrefix(string(value), "bad") {
		return "", errors.New("a bad value")
	}
	return string(value), nil
}

// follower collects all that a replica shows.
type follower struct {
	*keyspace.Replica[string]
	stop func()

	mu     sync.Mutex
	events []keyspace.Event[string]
}

func follow(t testing.TB, store *keyspace.Store, names ...keyspace.Name) *follower {
	t.Helper()
	return followWith(t, store, keyspace.ReplicaConfig[string]{Names: names})
}

func followWith(t testing.TB, store *keyspace.Store, cfg keyspace.ReplicaConfig[string]) *follower {
	t.Helper()
	f := &follower{}
	cfg.Decode = text
	cfg.OnChange = func(e keyspace.Event[string]) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.events = append(f.events, e)
	}
	var err error
	if f.Replica, err = keyspace.NewReplica(store, cfg); err != nil {
		t.Fatal(err)
	}
	f.run(t)
	select {
	case <-f.Synced():
	case <-time.After(60 * time.Second):
		t.Fatal("the replica did not sync")
	}
	return f
}

func (f *follower) run(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	f.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	t.Cleanup(f.stop)
}

func (f *follower) state(name keyspace.Name) state {
	s := state{}
	f.View(func(v keyspace.View[string]) { maps.Insert(s, v.All(name)) })
	return s
}

func (f *follower) relists() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var reasons []string
	for _, e := range f.events {
		if e.Relisted != "" {
			reasons = append(reasons, e.Relisted)
		}
	}
	return reasons
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; {
		if holds() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func (f *follower) await(t testing.TB, name keyspace.Name, want state) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s to become %v", name, want), func() bool { return cmp.Equal(f.state(name), want) })
}

func meta(t testing.TB, store *keyspace.Store, name keyspace.Name) keyspace.Meta {
	t.Helper()
	m, err := store.Meta(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func streamLength(t testing.TB, client redis.UniversalClient, name keyspace.Name) int64 {
	t.Helper()
	n, err := client.XLen(t.Context(), name.EventsKey()).Result()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// lossy lets commands reach Redis and loses the answers of transactions while it is armed.
type lossy struct {
	mu  sync.Mutex
	arm int
	// blind is how many looks at an event stream are still to fail.
	blind int
	// deaf loses the answers of transactions, and all commands after the first of them.
	deaf, gone bool
	// before runs before each transaction is sent; nil for nothing.
	before func()
}

func (*lossy) DialHook(next redis.DialHook) redis.DialHook { return next }

func (l *lossy) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if l.deaf && l.gone {
			return io.ErrUnexpectedEOF
		}
		if cmd.Name() == "xrevrange" && l.blind > 0 {
			l.blind--
			cmd.SetErr(io.ErrUnexpectedEOF)
			return io.ErrUnexpectedEOF
		}
		return next(ctx, cmd)
	}
}

func (l *lossy) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if last := cmds[len(cmds)-1].Name(); last != "exec" || !writes(cmds) {
			return next(ctx, cmds)
		}
		l.mu.Lock()
		before, armed := l.before, l.arm > 0
		if armed {
			l.arm--
		}
		l.mu.Unlock()
		if before != nil {
			before()
		}
		err := next(ctx, cmds)
		if l.deaf {
			l.gone = true
			return io.ErrUnexpectedEOF
		}
		if armed && err == nil {
			return io.ErrUnexpectedEOF
		}
		return err
	}
}

func writes(cmds []redis.Cmder) bool {
	for _, cmd := range cmds {
		if cmd.Name() == "xadd" {
			return true
		}
	}
	return false
}

// clientOf returns a second client of the same server, so that a hook on it is on it alone.
func clientOf(t testing.TB, client redis.UniversalClient) *redis.Client {
	t.Helper()
	shared := client.(*redis.Client).Options()
	options := redis.Options{Network: shared.Network, Addr: shared.Addr, PipelinePoolSize: -1}
	second := redis.NewClient(&options)
	t.Cleanup(func() { _ = second.Close() })
	return second
}

func waitFor(t testing.TB, r *keyspace.Replica[string], name keyspace.Name, p keyspace.Position) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	return r.WaitFor(ctx, name, p, "")
}
