package keyspace_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
)

// history holds each state that was written, by the id of its write.
type history struct {
	mu     sync.Mutex
	states map[string]state
}

func (h *history) add(id string, s state) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.states[id] = maps.Clone(s)
}

// shown is a state as a follower showed it.
type shown struct {
	writeID string
	state   state
}

// Whatever the interleaving of writes, restarts, readers and losses, a follower
// shows only states that were written, and ends at the one that is stored.
func TestFollowerShowsOnlyWrittenStatesAndEndsAtTheLast(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) { interleave(t, client, seed) })
		})
	}
}

func interleave(t *testing.T, client redis.UniversalClient, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	store := open(t, client, keyspace.Config{Buckets: 4})
	written := history{states: map[string]state{}}

	var mu sync.Mutex
	var log []shown
	newFollower := func() (*gate, func() state, func(keyspace.Position) error, func()) {
		gated, gate := clientOf(t, client), &gate{}
		gated.AddHook(gate)
		var replica *keyspace.Replica[string]
		current := state{}
		replica, err := keyspace.NewReplica(open(t, gated, keyspace.Config{Block: 5e6}), keyspace.ReplicaConfig[string]{
			Names: []keyspace.Name{snapshot}, Decode: text,
			OnChange: func(e keyspace.Event[string]) {
				// What the events add up to must be what the view shows.
				for _, c := range e.Changes {
					if c.HasNew {
						current[c.Key] = c.New
					} else {
						delete(current, c.Key)
					}
				}
				mu.Lock()
				defer mu.Unlock()
				log = append(log, shown{e.Meta.WriteID, maps.Clone(current)})
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- replica.Run(ctx) }()
		stop := sync.OnceFunc(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		t.Cleanup(stop)
		view := func() state {
			s := state{}
			replica.View(func(v keyspace.View[string]) { maps.Insert(s, v.All(snapshot)) })
			return s
		}
		return gate, view, func(p keyspace.Position) error { return waitFor(t, replica, snapshot, p) }, stop
	}

	owner := store.Owned(snapshot, "uid")
	owner.Complete()
	want := state{}
	save := func(write func(context.Context) error) {
		if err := write(t.Context()); err != nil {
			t.Fatal(err)
		}
		written.add(meta(t, store, snapshot).WriteID, want)
	}
	held, view, reach, stop := newFollower()
	closed := false
	for step := range 120 {
		if step%30 == 29 { // however slow this machine is, the follower is seen to follow
			if closed {
				held.open()
				closed = false
			}
			save(owner.Check)
			if err := reach(meta(t, store, snapshot).Position); err != nil {
				t.Fatal(err)
			}
		}
		switch op := random.IntN(20); {
		case op < 12: // write
			for range 1 + random.IntN(4) {
				key, value := "k"+strconv.Itoa(random.IntN(12)), strconv.Itoa(random.IntN(1000))
				if random.IntN(3) == 0 {
					owner.Delete(key)
					delete(want, key)
				} else {
					owner.Set(key, []byte(value))
					want[key] = value
				}
			}
			save(owner.Flush)
		case op == 12: // the owner restarts, and forgets
			owner = store.Owned(snapshot, "uid")
			stage(owner, want)
			owner.Complete()
			save(owner.Flush)
		case op == 13: // Redis forgets
			client.FlushDB(t.Context())
			save(owner.Check)
		case op == 14: // events are lost
			client.Del(t.Context(), snapshot.EventsKey())
		case op == 15:
			client.XTrimMaxLen(t.Context(), snapshot.EventsKey(), int64(random.IntN(3)))
		case op == 16: // meta goes back
			client.HSet(t.Context(), snapshot.MetaKey(), "write_id", "older")
			save(owner.Check)
		case op == 17: // garbage arrives
			client.XAdd(t.Context(), &redis.XAddArgs{Stream: snapshot.EventsKey(), Values: []any{"x", "y"}})
		case op == 18: // the follower is slow
			if closed {
				held.open()
			} else {
				held.close()
			}
			closed = !closed
		case op == 19 && !closed: // the follower restarts
			stop()
			held, view, reach, stop = newFollower()
		}
	}
	if closed {
		held.open()
	}
	save(owner.Check)
	if err := reach(meta(t, store, snapshot).Position); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the follower to show what is wanted", func() bool { return cmp.Equal(view(), want) })
	stop()
	for _, s := range log {
		if s.writeID == "" || s.writeID == "older" {
			continue // nothing is known, or a history that the test rewrote
		}
		if diff := cmp.Diff(written.states[s.writeID], s.state); diff != "" {
			t.Fatalf("showed a state that write %s did not leave (-written +shown):\n%s", s.writeID, diff)
		}
	}
	if len(log) < 3 {
		t.Errorf("only %d states were shown: the test shows nothing", len(log))
	}
}

// Many writers of many batches: each write moves all the fixed keys together, so a state in which they differ was never written.
func TestFollowerNeverShowsHalfAWrite(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		const records = 12
		store := open(t, client, keyspace.Config{})
		f := &follower{}
		replica, err := keyspace.NewReplica(store, keyspace.ReplicaConfig[string]{
			Names: []keyspace.Name{output}, Decode: text,
			OnChange: func(keyspace.Event[string]) {
				f.View(func(v keyspace.View[string]) {
					first, _ := v.Get(output, "0")
					for i := range records {
						if got, _ := v.Get(output, strconv.Itoa(i)); got != first {
							t.Errorf("at %s record %d is %q and record 0 is %q", v.Meta(output).Position, i, got, first)
						}
					}
				})
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		f.Replica = replica
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- replica.Run(ctx) }()
		var writers sync.WaitGroup
		for w := range 3 {
			writers.Go(func() {
				d := store.Derived(output)
				d.Complete()
				for n := range 40 {
					for i := range records {
						d.Set(strconv.Itoa(i), fmt.Appendf(nil, "%d of %d", n, w))
					}
					if err := d.Flush(t.Context(), nil); err != nil {
						t.Error(err)
					}
				}
			})
		}
		writers.Wait()
		if err := waitFor(t, replica, output, meta(t, store, output).Position); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
