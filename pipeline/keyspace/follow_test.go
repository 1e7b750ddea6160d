package keyspace_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
)

func TestFollowerShowsEachState(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{})
		owner := store.Owned(snapshot, "uid")
		flush(t, owner, state{"a": "1", "b": "1"})
		f := follow(t, store, snapshot)
		f.await(t, snapshot, state{"a": "1", "b": "1"})
		owner.Set("a", []byte("2"))
		owner.Delete("b")
		owner.Set("c", []byte("2"))
		if err := owner.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.await(t, snapshot, state{"a": "2", "c": "2"})
		f.stop()
		last := f.events[len(f.events)-1]
		at := meta(t, store, snapshot).Position
		want := []keyspace.Change[string]{
			{Key: "a", Old: "1", New: "2", HadOld: true, HasNew: true, Position: at},
			{Key: "b", Old: "1", HadOld: true},
			{Key: "c", New: "2", HasNew: true, Position: at},
		}
		if diff := cmp.Diff(want, last.Changes); diff != "" {
			t.Errorf("changes (-want +got):\n%s", diff)
		}
		if got := f.relists(); !slices.Equal(got, []string{"first"}) {
			t.Errorf("listed for %v, want the first time only", got)
		}
	})
}

// Each reason to list again, and what brings it about.
func TestFollowerListsAgain(t *testing.T) {
	trim := func(t *testing.T, client redis.UniversalClient) {
		if err := client.XTrimMaxLen(t.Context(), snapshot.EventsKey(), 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	change := func(t *testing.T, owner *keyspace.Owned, value string) {
		owner.Set("a", []byte(value))
		if err := owner.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name, reason string
		// lose loses something while the follower is held back; the last value that it writes must be "end".
		lose func(t *testing.T, client redis.UniversalClient, store *keyspace.Store, owner *keyspace.Owned)
	}{
		{"TrimmedEvents", "gap", func(t *testing.T, client redis.UniversalClient, _ *keyspace.Store, owner *keyspace.Owned) {
			change(t, owner, "2")
			trim(t, client)
			change(t, owner, "end")
		}},
		{"EventsDeleted", "lost", func(t *testing.T, client redis.UniversalClient, _ *keyspace.Store, owner *keyspace.Owned) {
			change(t, owner, "end")
			if err := client.Del(t.Context(), snapshot.EventsKey()).Err(); err != nil {
				t.Fatal(err)
			}
		}},
		{"NewEpoch", "epoch", func(t *testing.T, client redis.UniversalClient, _ *keyspace.Store, owner *keyspace.Owned) {
			if err := client.HSet(t.Context(), snapshot.MetaKey(), "write_id", "of-another").Err(); err != nil {
				t.Fatal(err)
			}
			owner.Set("a", []byte("end"))
			if err := owner.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
		}},
		{"StaleReplicaPromoted", "chain", func(t *testing.T, client redis.UniversalClient, store *keyspace.Store, owner *keyspace.Owned) {
			// The write that the follower has seen is undone, and another one takes its revision.
			ctx := t.Context()
			entries, err := client.XRevRangeN(ctx, snapshot.EventsKey(), "+", "-", 2).Result()
			if err != nil || len(entries) != 2 {
				t.Fatalf("%d entries, %v", len(entries), err)
			}
			before := entries[1].Values["_watermill_message_uuid"]
			if err := client.HSet(ctx, snapshot.MetaKey(), "write_id", before, "revision", 1).Err(); err != nil {
				t.Fatal(err)
			}
			client.XDel(ctx, snapshot.EventsKey(), entries[0].ID)
			another := store.Owned(snapshot, "uid") // restarted meanwhile: it takes what it finds
			flush(t, another, state{"a": "other", "b": "1"})
			flush(t, another, state{"a": "end", "b": "1"})
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
				gated := clientOf(t, client)
				gate := &gate{}
				gated.AddHook(gate)
				store := open(t, client, keyspace.Config{})
				owner := store.Owned(snapshot, "uid")
				flush(t, owner, state{"a": "0", "b": "1"})
				change(t, owner, "1")
				f := follow(t, open(t, gated, keyspace.Config{Block: 20 * time.Millisecond}), snapshot)
				gate.close()
				test.lose(t, client, store, owner)
				gate.open()
				f.await(t, snapshot, state{"a": "end", "b": "1"})
				f.stop()
				if got := f.relists(); len(got) < 2 || got[1] != test.reason {
					t.Errorf("listed for %v, want %q after the first", got, test.reason)
				}
			})
		})
	}
}

func TestVanishedKeyspaceIsUnknownNotEmpty(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{})
		owner := store.Owned(snapshot, "uid")
		flush(t, owner, state{"a": "1"})
		f := follow(t, store, snapshot)
		if err := client.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		f.await(t, snapshot, state{})
		f.View(func(v keyspace.View[string]) {
			if m := v.Meta(snapshot); m.Exists() || m.Complete {
				t.Errorf("meta is %+v, want none", m)
			}
		})
		if err := owner.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.await(t, snapshot, state{"a": "1"})
		if got := f.relists(); len(got) < 2 || got[1] != "vanished" {
			t.Errorf("listed for %v, want %q after the first", got, "vanished")
		}
	})
}

// A full Redis refuses transactions, of reads, too.
func TestFullRedisCanBeFollowed(t *testing.T) {
	client := pipelinetest.Real(t)
	store := open(t, client, keyspace.Config{})
	owner := store.Owned(snapshot, "uid")
	flush(t, owner, state{"a": "1"})
	if err := client.ConfigSet(t.Context(), "maxmemory", "1mb").Err(); err != nil {
		t.Fatal(err)
	}
	owner.Set("a", []byte("2"))
	if err := owner.Flush(t.Context()); !redis.IsOOMError(err) {
		t.Fatalf("writing to a full Redis: got %v, want its own words", err)
	}
	f := follow(t, store, snapshot)
	f.await(t, snapshot, state{"a": "1"})
	if err := client.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	if err := owner.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.await(t, snapshot, state{"a": "2"})
}

func TestFollowerSkipsGarbageAndKeepsTheLastGoodValue(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx := t.Context()
		store := open(t, client, keyspace.Config{})
		owner := store.Owned(snapshot, "uid")
		flush(t, owner, state{"a": "1", "b": "1"})
		f := follow(t, store, snapshot)
		for _, entry := range []any{
			[]any{"what", "ever"},
			[]any{"_watermill_message_uuid", "x", "metadata", "\xff\xff", "payload", "{}"},
			[]any{"_watermill_message_uuid", "x", "metadata", "", "payload", `{"v":9,"keyspace":"snapshot/east"}`},
			[]any{"_watermill_message_uuid", "x", "metadata", "", "payload", `{"v":1,"keyspace":"snapshot/west","epoch":"1-a","revision":7}`},
		} {
			if err := client.XAdd(ctx, &redis.XAddArgs{Stream: snapshot.EventsKey(), Values: entry}).Err(); err != nil {
				t.Fatal(err)
			}
		}
		owner.Set("a", []byte("bad: refused by the decoder"))
		owner.Set("b", []byte("2"))
		if err := owner.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		f.await(t, snapshot, state{"a": "1", "b": "2"})
		f.stop()
		if got := f.relists(); len(got) != 1 {
			t.Errorf("listed for %v: garbage must not make a reader list again", got)
		}
	})
}

func TestFollowerFindsKeyspacesOfItsKindsAsTheyAppear(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{})
		f := followWith(t, store, keyspace.ReplicaConfig[string]{Kinds: []string{"snapshot"}})
		flush(t, store.Owned("snapshot/west", "uid"), state{"a": "1"})
		flush(t, store.Owned("output/west", "uid"), state{"a": "1"})
		f.await(t, "snapshot/west", state{"a": "1"})
		f.View(func(v keyspace.View[string]) {
			if got := v.Names(); !slices.Equal(got, []keyspace.Name{"snapshot/west"}) {
				t.Errorf("follows %v", got)
			}
		})
	})
}

func TestWaitForReturnsOnceTheStateIsShown(t *testing.T) {
	store := open(t, pipelinetest.Embedded(t), keyspace.Config{})
	owner := store.Owned(snapshot, "uid")
	flush(t, owner, state{"a": "1"})
	f := follow(t, store, snapshot)
	for range 50 {
		owner.Set("a", []byte(time.Now().String()))
		if err := owner.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		at, err := owner.Position(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := waitFor(t, f.Replica, snapshot, at); err != nil {
			t.Fatal(err)
		}
		f.View(func(v keyspace.View[string]) {
			if got := v.Position(snapshot, "a"); got != at {
				t.Fatalf("shows %s after waiting for %s", got, at)
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	at, _ := owner.Position(t.Context())
	at.Revision++
	if err := f.WaitFor(ctx, snapshot, at, ""); err == nil {
		t.Error("did not wait for a revision that was not written")
	}
}

func TestFollowerGoesOnAfterAnOutage(t *testing.T) {
	server := pipelinetest.RealServer(t, "--appendonly", "yes")
	store := open(t, server.Client(), keyspace.Config{})
	owner := store.Owned(snapshot, "uid")
	flush(t, owner, state{"a": "1"})
	f := follow(t, store, snapshot)
	server.Stop()
	owner.Set("a", []byte("2"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := owner.Flush(ctx); err == nil {
		t.Error("Flush succeeded with no Redis")
	}
	if got := f.state(snapshot); !cmp.Equal(got, state{"a": "1"}) {
		t.Errorf("shows %v during the outage, want the last state", got)
	}
	server.Restart()
	eventually(t, "the write to succeed", func() bool { return owner.Flush(t.Context()) == nil })
	f.await(t, snapshot, state{"a": "2"})
}

func TestUnreadableValueIsUnknownNotAbsentAndItsWriterMendsIt(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{Buckets: 1})
		want := state{"a": "1", "b": "1"}
		flush(t, store.Owned(snapshot, "uid"), want)
		for _, damage := range []string{"", "?", "z", `{"revision":1}`} {
			if err := client.HSet(t.Context(), snapshot.BucketKey(0), "a", damage).Err(); err != nil {
				t.Fatal(err)
			}
			f := follow(t, store, snapshot)
			f.View(func(v keyspace.View[string]) {
				if v.Meta(snapshot).Complete || v.Len(snapshot) != 1 {
					t.Errorf("with %q in place of a value the state has %d keys and is complete: %t", damage, v.Len(snapshot), v.Meta(snapshot).Complete)
				}
			})
			flush(t, store.Owned(snapshot, "uid"), want)
			f.await(t, snapshot, want)
			f.View(func(v keyspace.View[string]) {
				if !v.Meta(snapshot).Complete {
					t.Errorf("the state is not complete after the writer mended it")
				}
			})
			f.stop()
		}
	})
}

func TestListCarriesTheTraceOfTheLastWrite(t *testing.T) {
	store := open(t, pipelinetest.Embedded(t), keyspace.Config{})
	cause := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	owner := store.Owned(snapshot, "uid")
	owner.Set("a", []byte("1"))
	owner.Complete()
	if err := owner.Flush(trace.ContextWithSpanContext(t.Context(), cause)); err != nil {
		t.Fatal(err)
	}
	f := follow(t, store, snapshot)
	f.stop()
	if got := f.events[0]; len(got.Causes) != 1 || got.Causes[0].Span.TraceID() != cause.TraceID() || got.Causes[0].Span.SpanID() != cause.SpanID() {
		t.Errorf("the causes are %v, want %v", got.Causes, cause)
	}
}

func TestKeyThatChangesAgainWhileOthersAreReadIsReadAgain(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		owner := open(t, client, keyspace.Config{}).Owned(snapshot, "uid")
		flush(t, owner, state{"a": "1", "b": "1"})
		set := func(key, value string) {
			owner.Set(key, []byte(value))
			if err := owner.Flush(t.Context()); err != nil {
				t.Error(err)
			}
		}
		followed, between := clientOf(t, client), &betweenRounds{}
		followed.AddHook(between)
		f := follow(t, open(t, followed, keyspace.Config{}), snapshot)
		between.arm(
			func() { set("b", "2") }, // the first round reads a, and learns of b
			func() { set("a", "3") }, // the second reads b, and learns that a changed again
		)
		set("a", "2")
		f.await(t, snapshot, state{"a": "3", "b": "2"})
		f.stop()
		for _, e := range f.events {
			for _, c := range e.Changes {
				if c.Key == "a" && c.New == "2" && e.Meta.Revision > 2 {
					t.Errorf("at revision %d a is %q, which is of revision 2", e.Meta.Revision, c.New)
				}
			}
		}
	})
}

// betweenRounds does something before each of a reader's next transactions.
type betweenRounds struct {
	lossy
	mu   sync.Mutex
	todo []func()
}

func (b *betweenRounds) arm(todo ...func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.todo = todo
}

func (b *betweenRounds) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		b.mu.Lock()
		var do func()
		if isRound := len(cmds) > 4 && cmds[2].Name() == "xrange"; isRound && len(b.todo) > 0 {
			do, b.todo = b.todo[0], b.todo[1:]
		}
		b.mu.Unlock()
		if do != nil {
			do()
		}
		return next(ctx, cmds)
	}
}
