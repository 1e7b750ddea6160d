package keyspace_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
)

// lose removes a value behind everybody's back: no event tells of it.
func lose(t *testing.T, client redis.UniversalClient, name keyspace.Name, key string) {
	t.Helper()
	for b := range 64 {
		must(t, client.HDel(t.Context(), name.BucketKey(b), key).Err())
	}
}

func ask(t *testing.T, store *keyspace.Store, name keyspace.Name) string {
	t.Helper()
	id, err := store.Ask(t.Context(), name)
	must(t, err)
	return id
}

func TestAFollowerThatIsAskedListsAgain(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{})
		owner := store.Owned(snapshot, "uid")
		flush(t, owner, state{"a": "1", "b": "1"})
		f := follow(t, store, snapshot)
		f.await(t, snapshot, state{"a": "1", "b": "1"})
		before := meta(t, store, snapshot)
		lose(t, client, snapshot, "b")
		ask(t, store, snapshot)
		f.await(t, snapshot, state{"a": "1"})
		if after := meta(t, store, snapshot); after.Position != before.Position || after.WriteID != before.WriteID {
			t.Errorf("asking moved the keyspace from %v to %v", before, after)
		}
		owner.Set("a", []byte("2"))
		must(t, owner.Flush(t.Context()))
		f.await(t, snapshot, state{"a": "2"})
		if got := f.relists(); len(got) != 2 || got[1] != "asked" {
			t.Errorf("listed for %v, want to be asked once, and to follow on from there", got)
		}
	})
}

func TestWaitingForWhatAnEntryAsksForWaitsForTheList(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{})
		flush(t, store.Owned(snapshot, "uid"), state{"a": "1", "b": "1"})
		gated := clientOf(t, client)
		gate := &gate{}
		gated.AddHook(gate)
		f := follow(t, open(t, gated, keyspace.Config{Block: 20 * time.Millisecond}), snapshot)
		at := meta(t, store, snapshot).Position
		wait := func(patience time.Duration, id string) error {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			return f.WaitFor(ctx, snapshot, at, id)
		}
		gate.close()
		lose(t, client, snapshot, "b")
		asked := ask(t, store, snapshot)
		if err := wait(50*time.Millisecond, asked); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v before anything was listed again", err)
		}
		gate.open()
		must(t, wait(time.Minute, asked))
		if diff := cmp.Diff(state{"a": "1"}, f.state(snapshot)); diff != "" {
			t.Errorf("shows after the wait (-want +got):\n%s", diff)
		}
		must(t, wait(time.Minute, ask(t, store, snapshot))) // also where the list brings nothing new
	})
}

func TestWritersThatAreAskedCompareEveryValue(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{})
		owner := store.Owned(snapshot, "uid")
		flush(t, owner, state{"a": "1", "b": "1"})
		must(t, owner.Check(t.Context()))
		at := meta(t, store, snapshot).Position
		derived := store.Derived(output)
		derived.Set("c", []byte("1"))
		derived.Complete()
		must(t, derived.Check(t.Context(), keyspace.Vector{snapshot: at}))

		lose(t, client, snapshot, "b")
		lose(t, client, output, "c")
		must(t, owner.Check(t.Context()))
		must(t, derived.Check(t.Context(), keyspace.Vector{snapshot: at}))
		if _, _, err := store.Get(t.Context(), snapshot, "b"); !errors.Is(err, keyspace.ErrNotFound) {
			t.Fatalf("nobody asked: %v", err) // else this test proves nothing
		}
		ask(t, store, snapshot)
		ask(t, store, output)
		for range 2 { // the second time there is nothing to do
			must(t, owner.Check(t.Context()))
			must(t, derived.Check(t.Context(), keyspace.Vector{snapshot: at}))
		}
		for name, key := range map[keyspace.Name]string{snapshot: "b", output: "c"} {
			if value, _, err := store.Get(t.Context(), name, key); err != nil || string(value) != "1" {
				t.Errorf("%s of %s is %q, %v: want it repaired", key, name, value, err)
			}
			if m := meta(t, store, name); m.Revision != at.Revision+1 && name == snapshot || m.Epoch != at.Epoch && name == snapshot {
				t.Errorf("%s is at %v, want one write in the same history", name, m.Position)
			}
		}
	})
}

// TestWritersThatAreAskedMendWhatNobodyCanRead changes values behind everybody's backs: followers keep what they knew, writers must not.
func TestWritersThatAreAskedMendWhatNobodyCanRead(t *testing.T) {
	damages := map[string]func(was string) string{
		"no envelope":    func(string) string { return "garbage" },
		"another value":  func(was string) string { return was[:len(was)-1] + string(was[len(was)-1]^1) },
		"the bare value": func(string) string { return `{"n":1}` },
	}
	for what, damage := range damages {
		t.Run(what, func(t *testing.T) {
			pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
				store := open(t, client, keyspace.Config{})
				owner := store.Owned(snapshot, "uid")
				flush(t, owner, state{"a": `{"n":1}`, "b": "1"})
				must(t, owner.Check(t.Context()))
				inputs := keyspace.Vector{snapshot: meta(t, store, snapshot).Position}
				derived := store.Derived(output)
				derived.Set("a", []byte(`{"n":1}`))
				derived.Complete()
				must(t, derived.Check(t.Context(), inputs))
				f := follow(t, store, snapshot)
				f.await(t, snapshot, state{"a": `{"n":1}`, "b": "1"})

				asked := map[keyspace.Name]string{}
				for _, name := range []keyspace.Name{snapshot, output} {
					rewrite(t, client, name, "a", damage)
					if _, _, err := store.Get(t.Context(), name, "a"); !errors.Is(err, keyspace.ErrDamaged) {
						t.Fatalf("%s: %v", name, err) // else this test proves nothing
					}
					asked[name] = ask(t, store, name)
				}
				late := follow(t, store, snapshot) // which never knew the value
				late.await(t, snapshot, state{"b": "1"})
				must(t, f.WaitFor(t.Context(), snapshot, inputs[snapshot], asked[snapshot]))
				if diff := cmp.Diff(state{"a": `{"n":1}`, "b": "1"}, f.state(snapshot)); diff != "" {
					t.Errorf("damaged, who followed was shown (-want +got):\n%s", diff)
				}
				must(t, owner.Check(t.Context()))
				must(t, derived.Check(t.Context(), inputs))
				for _, name := range []keyspace.Name{snapshot, output} {
					if value, _, err := store.Get(t.Context(), name, "a"); err != nil || string(value) != `{"n":1}` {
						t.Errorf("%s holds %q, %v: want it mended", name, value, err)
					}
				}
				for _, f := range []*follower{f, late} {
					must(t, f.WaitFor(t.Context(), snapshot, meta(t, store, snapshot).Position, ""))
					if diff := cmp.Diff(state{"a": `{"n":1}`, "b": "1"}, f.state(snapshot)); diff != "" {
						t.Errorf("mended, a follower was shown (-want +got):\n%s", diff)
					}
					f.View(func(v keyspace.View[string]) {
						if !v.Meta(snapshot).Complete {
							t.Error("mended, the state is not complete")
						}
					})
				}
			})
		})
	}
}

// rewrite changes the envelope of a value.
func rewrite(t *testing.T, client redis.UniversalClient, name keyspace.Name, key string, change func(string) string) {
	t.Helper()
	for b := range 64 {
		if was, err := client.HGet(t.Context(), name.BucketKey(b), key).Result(); err == nil {
			must(t, client.HSet(t.Context(), name.BucketKey(b), key, change(was)).Err())
			return
		}
	}
	t.Fatalf("%s holds no %s", name, key)
}

func TestAnOwnerMissesNoAskHoweverMuchItWrites(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{})
		owner := store.Owned(snapshot, "uid")
		flush(t, owner, state{"a": "1", "b": "1"})
		lose(t, client, snapshot, "b") // as soon as the keyspace was listed, before the first check
		ask(t, store, snapshot)
		must(t, owner.Check(t.Context()))
		expect(t, store, "b", "after the first check")

		lose(t, client, snapshot, "b")
		ask(t, store, snapshot)
		for i := range 150 {
			owner.Set("a", []byte{byte(i)})
			must(t, owner.Flush(t.Context()))
		}
		must(t, owner.Check(t.Context()))
		expect(t, store, "b", "after many writes")
		before := meta(t, store, snapshot)
		must(t, owner.Check(t.Context()))
		if after := meta(t, store, snapshot); after.Position != before.Position {
			t.Errorf("went from %s to %s: want nothing to do", before.Position, after.Position)
		}
	})
}

// expect fails unless a key is stored.
func expect(t *testing.T, store *keyspace.Store, key, when string) {
	t.Helper()
	if _, _, err := store.Get(t.Context(), snapshot, key); err != nil {
		t.Errorf("%s: %s is %v, want it repaired", when, key, err)
	}
}

func TestAnOwnerThatFindsAWriteOfItsOwnIsAskedAllTheSame(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		lossyClient, lost := clientOf(t, client), &lossy{}
		lossyClient.AddHook(lost)
		owner := open(t, lossyClient, keyspace.Config{}).Owned(snapshot, "uid")
		store := open(t, client, keyspace.Config{})
		flush(t, owner, state{"a": "1", "b": "1"})
		must(t, owner.Check(t.Context()))
		lost.deaf = true
		owner.Set("a", []byte("2"))
		if err := owner.Flush(t.Context()); err == nil {
			t.Fatal("the answer was not lost") // else this test proves nothing
		}
		lost.deaf, lost.gone = false, false
		lose(t, client, snapshot, "b")
		ask(t, store, snapshot)
		must(t, owner.Check(t.Context()))
		expect(t, store, "b", "after a write whose answer never came")
	})
}

func TestNobodyIsAskedAboutWhatIsNotThere(t *testing.T) {
	client := pipelinetest.Embedded(t)
	store := open(t, client, keyspace.Config{})
	if _, err := store.Ask(t.Context(), snapshot); !errors.Is(err, keyspace.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if n := streamLength(t, client, snapshot); n != 0 {
		t.Errorf("%d entries in the stream of a keyspace that is not there", n)
	}
}

func TestARecordThatNobodyCanReadIsWrittenAnewByTheNextChange(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{})
		shared := store.Shared("keys/all")
		write := func(key string, value []byte) {
			t.Helper()
			must(t, shared.Update(t.Context(), key, func(old []byte) ([]byte, error) {
				if len(old) > 0 {
					t.Errorf("%s was %q, want nothing", key, old)
				}
				return value, nil
			}))
		}
		for _, key := range []string{"kept", "gone"} {
			write(key, []byte("1"))
			rewrite(t, client, "keys/all", key, func(string) string { return "garbage" })
		}
		write("kept", []byte("2"))
		write("gone", nil)
		if value, _, err := store.Get(t.Context(), "keys/all", "kept"); string(value) != "2" || err != nil {
			t.Errorf("kept is %q, %v", value, err)
		}
		if _, _, err := store.Get(t.Context(), "keys/all", "gone"); !errors.Is(err, keyspace.ErrNotFound) {
			t.Errorf("gone is %v", err)
		}
	})
}
