package keyspace_test

import (
	"errors"
	"testing"

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
