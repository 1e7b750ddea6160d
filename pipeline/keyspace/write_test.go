package keyspace_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
)

// read returns what Redis holds, by a fresh reader.
func read(t testing.TB, store *keyspace.Store, name keyspace.Name) state {
	t.Helper()
	f := follow(t, store, name)
	defer f.stop()
	return f.state(name)
}

func TestNothingIsWrittenWhereNothingDiffers(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{})
		want := state{"a": "1", "b": "2"}
		flush(t, store.Owned(snapshot, "uid"), want)
		restarted := store.Owned(snapshot, "uid")
		flush(t, restarted, want)
		flush(t, restarted, want)
		if err := restarted.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		restarted.Delete("never there")
		flush(t, restarted, want)
		if got := meta(t, store, snapshot).Revision; got != 1 {
			t.Errorf("the revision is %d, want 1", got)
		}
		if got := streamLength(t, client, snapshot); got != 1 {
			t.Errorf("%d events, want 1", got)
		}
	})
}

func TestRestartedOwnerWritesOnlyWhatChangedMeanwhile(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{})
		flush(t, store.Owned(snapshot, "uid"), state{"a": "1", "b": "1", "c": "1"})
		f := follow(t, store, snapshot)
		before := meta(t, store, snapshot)
		flush(t, store.Owned(snapshot, "uid"), state{"a": "1", "b": "2", "d": "1"})
		f.await(t, snapshot, state{"a": "1", "b": "2", "d": "1"})
		f.stop()
		if after := meta(t, store, snapshot); after.Epoch != before.Epoch {
			t.Error("a restart opened a new epoch")
		}
		var changed []string
		for _, c := range f.events[len(f.events)-1].Changes {
			changed = append(changed, c.Key)
		}
		if diff := cmp.Diff([]string{"b", "c", "d"}, changed); diff != "" {
			t.Errorf("changed keys (-want +got):\n%s", diff)
		}
	})
}

func TestNothingIsRemovedBeforeEverythingWasStaged(t *testing.T) {
	store := open(t, pipelinetest.Embedded(t), keyspace.Config{})
	flush(t, store.Owned(snapshot, "uid"), state{"a": "1", "b": "1"})
	restarted := store.Owned(snapshot, "uid")
	restarted.Set("a", []byte("2"))
	if err := restarted.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, store, snapshot); !cmp.Equal(got, state{"a": "2", "b": "1"}) {
		t.Errorf("holds %v", got)
	}
	restarted.Complete()
	if err := restarted.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, store, snapshot); !cmp.Equal(got, state{"a": "2"}) {
		t.Errorf("holds %v", got)
	}
}

func TestOwnerRestoresWhatRedisLost(t *testing.T) {
	tests := map[string]func(ctx context.Context, client redis.UniversalClient) error{
		"Flushed": func(ctx context.Context, client redis.UniversalClient) error { return client.FlushDB(ctx).Err() },
		"MetaDeleted": func(ctx context.Context, client redis.UniversalClient) error {
			return client.Del(ctx, snapshot.MetaKey()).Err()
		},
		"MetaGarbled": func(ctx context.Context, client redis.UniversalClient) error {
			return client.HSet(ctx, snapshot.MetaKey(), "revision", "many").Err()
		},
		"MetaOfAnotherType": func(ctx context.Context, client redis.UniversalClient) error {
			client.Del(ctx, snapshot.MetaKey())
			return client.Set(ctx, snapshot.MetaKey(), "x", 0).Err()
		},
		"EventsOfAnotherType": func(ctx context.Context, client redis.UniversalClient) error {
			client.Del(ctx, snapshot.EventsKey())
			return client.Set(ctx, snapshot.EventsKey(), "x", 0).Err()
		},
		"BucketsOfAnotherType": func(ctx context.Context, client redis.UniversalClient) error {
			for i := range 64 {
				client.Del(ctx, snapshot.BucketKey(i))
				client.Set(ctx, snapshot.BucketKey(i), "x", 0)
			}
			return nil
		},
		"RolledBack": func(ctx context.Context, client redis.UniversalClient) error {
			return client.HSet(ctx, snapshot.MetaKey(), "revision", 1, "write_id", "older").Err()
		},
	}
	for name, lose := range tests {
		t.Run(name, func(t *testing.T) {
			pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
				store := open(t, client, keyspace.Config{})
				owner := store.Owned(snapshot, "uid")
				want := state{"a": "1", "b": "1"}
				flush(t, owner, state{"a": "0"})
				flush(t, owner, want)
				before := meta(t, store, snapshot).Position
				f := follow(t, store, snapshot)
				if err := lose(t.Context(), client); err != nil {
					t.Fatal(err)
				}
				if err := owner.Check(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := read(t, store, snapshot); !cmp.Equal(got, want) {
					t.Errorf("holds %v, want %v", got, want)
				}
				after := meta(t, store, snapshot)
				if after.Epoch.Compare(before.Epoch) <= 0 {
					t.Errorf("the epoch went from %s to %s, want a later one", before.Epoch, after.Epoch)
				}
				if !after.Complete {
					t.Error("the restored state is not marked complete")
				}
				if err := waitFor(t, f.Replica, snapshot, after.Position); err != nil {
					t.Fatal(err)
				}
				f.await(t, snapshot, want)
			})
		})
	}
}

func TestAnotherIdentityIsRefused(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{})
		flush(t, store.Owned(snapshot, "uid-1"), state{"a": "1"})
		other := store.Owned(snapshot, "uid-2")
		other.Set("a", []byte("2"))
		other.Complete()
		err := other.Flush(t.Context())
		if !errors.Is(err, keyspace.ErrOwned) || !strings.Contains(err.Error(), "uid-1") {
			t.Errorf("got %v, want ErrOwned that names uid-1", err)
		}
		if got := read(t, store, snapshot); !cmp.Equal(got, state{"a": "1"}) {
			t.Errorf("holds %v", got)
		}
	})
}

func TestAWriterThatWasOvertakenWritesNoMore(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{})
		zombie, owner := store.Owned(snapshot, "uid"), store.Owned(snapshot, "uid")
		flush(t, zombie, state{"a": "0", "z": "0"})
		flush(t, owner, state{"a": "1"})
		want := meta(t, store, snapshot)
		for name, write := range map[string]func(context.Context) error{"Flush": zombie.Flush, "Check": zombie.Check} {
			zombie.Set("z", []byte("late"))
			if err := write(t.Context()); !errors.Is(err, keyspace.ErrOvertaken) {
				t.Errorf("%s: got %v, want ErrOvertaken", name, err)
			}
		}
		if got := read(t, store, snapshot); !cmp.Equal(got, state{"a": "1"}) {
			t.Errorf("holds %v, want what the living owner wants", got)
		}
		if err := owner.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := meta(t, store, snapshot); got.Position != want.Position {
			t.Errorf("stands at %s, want %s", got.Position, want.Position)
		}
	})
}

func TestWriteWhoseAnswerWasLostIsMadeOnce(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		lossyClient, lost := clientOf(t, client), &lossy{}
		lossyClient.AddHook(lost)
		store := open(t, lossyClient, keyspace.Config{})
		owner := store.Owned(snapshot, "uid")
		derived := store.Derived(output)
		shared := store.Shared("keys/all")
		for i := range 3 {
			value := []byte(strconv.Itoa(i))
			lost.arm = 1
			owner.Set("a", value)
			owner.Complete()
			if err := owner.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			lost.arm = 1
			derived.Set("a", value)
			derived.Complete()
			if err := derived.Flush(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			lost.arm = 1
			if err := shared.Update(t.Context(), "a", func(old []byte) ([]byte, error) { return append(old, '+'), nil }); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []keyspace.Name{snapshot, output, "keys/all"} {
			if m := meta(t, store, name); m.Revision != 3 {
				t.Errorf("%s is at revision %d, want 3", name, m.Revision)
			}
			if got := streamLength(t, client, name); got != 3 {
				t.Errorf("%s has %d events, want 3", name, got)
			}
		}
		if got := read(t, store, "keys/all"); got["a"] != "+++" {
			t.Errorf("the record is %q, want three changes", got["a"])
		}
	})
}

func TestLostAnswerIsFoundEvenWhenOthersWroteSince(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		lossyClient, lost := clientOf(t, client), &lossy{}
		lossyClient.AddHook(&after{lossy: lost, then: func() {
			others := open(t, client, keyspace.Config{}).Shared("keys/all")
			for range 100 {
				if err := others.Update(t.Context(), "b", func(old []byte) ([]byte, error) { return append(old, '+'), nil }); err != nil {
					t.Error(err)
				}
			}
		}})
		mine := open(t, lossyClient, keyspace.Config{}).Shared("keys/all")
		calls := 0
		err := mine.Update(t.Context(), "a", func(old []byte) ([]byte, error) { calls++; return append(old, '+'), nil })
		if err != nil {
			t.Fatal(err)
		}
		got := read(t, open(t, client, keyspace.Config{}), "keys/all")
		if got["a"] != "+" || len(got["b"]) != 100 || calls != 1 {
			t.Errorf("a=%q b=%d changes, change was called %d times", got["a"], len(got["b"]), calls)
		}
	})
}

func TestAWriterWhoseAnswersWereLostTwiceDoesNotTakeItselfForAnother(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		lossyClient, lost := clientOf(t, client), &lossy{}
		lossyClient.AddHook(lost)
		store := open(t, lossyClient, keyspace.Config{})
		owner := store.Owned(snapshot, "uid")
		flush(t, owner, state{"a": "1"})
		before := meta(t, store, snapshot)
		lost.arm, lost.blind = 1, 1 // the write landed; neither its answer comes nor that to whether it did
		owner.Set("a", []byte("2"))
		if err := owner.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := meta(t, store, snapshot); got.Epoch != before.Epoch || got.Revision != before.Revision+1 {
			t.Errorf("stands at %s, want one write after %s", got.Position, before.Position)
		}
	})
}

// after loses the answer of one transaction and lets something happen before the next try.
type after struct {
	*lossy
	then func()
	once sync.Once
}

func (a *after) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		if writes(cmds) {
			a.once.Do(func() { a.then(); err = errLost })
		}
		return err
	}
}

var errLost = &lostAnswer{}

type lostAnswer struct{}

func (*lostAnswer) Error() string   { return "i/o timeout" }
func (*lostAnswer) Timeout() bool   { return true }
func (*lostAnswer) Temporary() bool { return true }

func TestAdditionsComeBeforeRemovalsAndBatchesAreCapped(t *testing.T) {
	store := open(t, pipelinetest.Embedded(t), keyspace.Config{MaxKeys: 10, MaxBytes: 10_000})
	owner := store.Owned(snapshot, "uid")
	old, renamed := state{}, state{}
	for i := range 25 {
		old["old"+strconv.Itoa(i)] = strconv.Itoa(i)
		renamed["new"+strconv.Itoa(i)] = strconv.Itoa(i)
	}
	flush(t, owner, old)
	f := follow(t, store, snapshot)
	for key := range old {
		owner.Delete(key)
	}
	flush(t, owner, renamed)
	f.await(t, snapshot, renamed)
	f.stop()
	removed := false
	for _, e := range f.events[1:] {
		if len(e.Changes) > 10 && e.Relisted == "" && e.Meta.Revision == f.events[0].Meta.Revision+1 {
			t.Errorf("one write changed %d keys, want at most 10", len(e.Changes))
		}
		for _, c := range e.Changes {
			if removed && c.HasNew && !c.HadOld {
				t.Errorf("%s was added after something was removed", c.Key)
			}
		}
		for _, c := range e.Changes {
			removed = removed || !c.HasNew
		}
	}
	if m := meta(t, store, snapshot); m.Revision != 3+5 {
		t.Errorf("the revision is %d, want 3 writes of 25 keys and 5 of 50", m.Revision)
	}
}

func TestHugeValueGoesAlone(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{MaxBytes: 64 << 10, Plain: true})
		huge := state{"a": "1", "huge": strings.Repeat("x", 1_500_000), "z": "1"}
		flush(t, store.Owned(snapshot, "uid"), huge)
		if got := read(t, store, snapshot); !cmp.Equal(got, huge) {
			t.Error("did not come back")
		}
		if m := meta(t, store, snapshot); m.Revision < 2 || !m.Complete {
			t.Errorf("revision %d, complete %t, want the huge value in a write of its own", m.Revision, m.Complete)
		}
	})
}

func TestStateIsIncompleteUntilTheLastBatchOfAnEpoch(t *testing.T) {
	client := pipelinetest.Embedded(t)
	hooked, hook := clientOf(t, client), &lossy{}
	hooked.AddHook(hook)
	store := open(t, hooked, keyspace.Config{MaxKeys: 1})
	var seen []bool
	hook.before = func() { seen = append(seen, meta(t, open(t, client, keyspace.Config{}), snapshot).Complete) }
	owner := store.Owned(snapshot, "uid")
	flush(t, owner, state{"a": "1", "b": "1", "c": "1"})
	flush(t, owner, state{"a": "2", "b": "2", "c": "2"})
	want := []bool{false, false, false, true, true, true}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("complete before each write (-want +got):\n%s", diff)
	}
}

func TestDerivedWritersShareOneKeyspace(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{MaxKeys: 3})
		want := state{}
		for i := range 20 {
			want[strconv.Itoa(i)] = "v"
		}
		var writers sync.WaitGroup
		for range 3 {
			writers.Go(func() {
				d := store.Derived(output)
				stage(d, want)
				d.Complete()
				if err := d.Flush(t.Context(), nil); err != nil {
					t.Error(err)
				}
			})
		}
		writers.Wait()
		if got := read(t, store, output); !cmp.Equal(got, want) {
			t.Errorf("holds %v", got)
		}
		m := meta(t, store, output)
		if want := uint64(7); m.Revision != want || streamLength(t, client, output) != int64(want) {
			t.Errorf("revision %d and %d events, want %d: nothing is written twice", m.Revision, streamLength(t, client, output), want)
		}
	})
}

func TestDerivedRefusesOlderInputs(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{})
		owner := store.Owned(snapshot, "uid")
		flush(t, owner, state{"a": "1"})
		old := meta(t, store, snapshot).Position
		flush(t, owner, state{"a": "2"})
		current := meta(t, store, snapshot).Position

		fast, slow := store.Derived(output), store.Derived(output)
		fast.Set("a", []byte("of 2"))
		fast.Complete()
		if err := fast.Flush(t.Context(), keyspace.Vector{snapshot: current}); err != nil {
			t.Fatal(err)
		}
		slow.Set("a", []byte("of 1"))
		slow.Complete()
		for _, behind := range []keyspace.Vector{{snapshot: old}, {}} {
			if err := slow.Flush(t.Context(), behind); !errors.Is(err, keyspace.ErrStale) {
				t.Errorf("with inputs %v got %v, want ErrStale", behind, err)
			}
		}
		if got := read(t, store, output); got["a"] != "of 2" {
			t.Errorf("holds %q", got["a"])
		}
	})
}

func TestDerivedGoesOnWhenAnInputWentBackOrAway(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{})
		flush(t, store.Owned(snapshot, "uid"), state{"a": "1"})
		d := store.Derived(output)
		d.Set("a", []byte("1"))
		d.Complete()
		if err := d.Flush(t.Context(), keyspace.Vector{snapshot: meta(t, store, snapshot).Position}); err != nil {
			t.Fatal(err)
		}
		before := meta(t, store, output)
		if err := store.Drop(t.Context(), snapshot); err != nil {
			t.Fatal(err)
		}
		d.Set("a", []byte("2"))
		if err := d.Flush(t.Context(), keyspace.Vector{}); err != nil {
			t.Fatal(err)
		}
		after := meta(t, store, output)
		if after.Epoch.Compare(before.Epoch) <= 0 || after.Revision != before.Revision+1 {
			t.Errorf("went from %s to %s, want a later epoch: the history it was computed from is no more", before.Position, after.Position)
		}
	})
}

func TestDerivedDoesNotRestoreFromInputsThatAreLostToo(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{})
		owner := store.Owned(snapshot, "uid")
		flush(t, owner, state{"a": "1"})
		inputs := keyspace.Vector{snapshot: meta(t, store, snapshot).Position}
		d := store.Derived(output)
		d.Set("a", []byte("1"))
		d.Complete()
		if err := d.Flush(t.Context(), inputs); err != nil {
			t.Fatal(err)
		}
		client.FlushDB(t.Context())
		d.Set("a", []byte("2"))
		for _, write := range []func(context.Context, keyspace.Vector) error{d.Flush, d.Check} {
			if err := write(t.Context(), inputs); !errors.Is(err, keyspace.ErrStale) {
				t.Errorf("got %v, want ErrStale", err)
			}
		}
		if meta(t, store, output).Exists() {
			t.Error("the output was written from a history that is no more")
		}
		if err := owner.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := d.Flush(t.Context(), keyspace.Vector{snapshot: meta(t, store, snapshot).Position}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDerivedOpensAnEpochAfterWhatWasSeen(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{})
		d := store.Derived(output)
		d.Set("a", []byte("1"))
		d.Complete()
		if err := d.Flush(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		seen := meta(t, store, output).Position
		seen.Revision += 5 // an agent applied what Redis then lost
		if err := d.Seen(t.Context(), seen); err != nil {
			t.Fatal(err)
		}
		if err := d.Flush(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if got := meta(t, store, output).Position; got.Compare(seen) <= 0 {
			t.Errorf("stands at %s, want after %s", got, seen)
		}
	})
}

func TestCheckForgetsAnInputThatWasDroppedAndNoneThatItsWriterDoesNotKnow(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{})
		west := keyspace.Name("snapshot/west")
		for _, name := range []keyspace.Name{snapshot, west} {
			flush(t, store.Owned(name, "uid"), state{"a": "1"})
		}
		both := keyspace.Vector{snapshot: meta(t, store, snapshot).Position, west: meta(t, store, west).Position}
		derived := store.Derived(output)
		derived.Set("a", []byte("1"))
		derived.Complete()
		if err := derived.Flush(t.Context(), both); err != nil {
			t.Fatal(err)
		}
		one := keyspace.Vector{snapshot: both[snapshot]}
		check := func(want keyspace.Vector) {
			t.Helper()
			if err := derived.Check(t.Context(), one); err != nil {
				t.Fatal(err)
			}
			if m := meta(t, store, output); m.Revision != 1 || !cmp.Equal(m.Inputs, want) {
				t.Errorf("revision %d, inputs %v, want 1 and %v", m.Revision, m.Inputs, want)
			}
		}
		check(both) // west is there: whoever wrote this has seen more
		if err := store.Drop(t.Context(), west); err != nil {
			t.Fatal(err)
		}
		check(one)
	})
}

func TestCheckRecordsInputsWithoutAnEvent(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{})
		flush(t, store.Owned(snapshot, "uid"), state{"a": "1"})
		inputs := keyspace.Vector{snapshot: meta(t, store, snapshot).Position}
		d := store.Derived(output)
		d.Set("a", []byte("1"))
		d.Complete()
		if err := d.Flush(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := d.Check(t.Context(), inputs); err != nil {
				t.Fatal(err)
			}
		}
		m := meta(t, store, output)
		if m.Revision != 1 || streamLength(t, client, output) != 1 || !cmp.Equal(m.Inputs, inputs) {
			t.Errorf("revision %d, inputs %v", m.Revision, m.Inputs)
		}
	})
}

func TestCheckRepairsADerivedKeyspace(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{})
		d := store.Derived(output)
		want := state{"a": "1", "b": "2"}
		stage(d, want)
		d.Complete()
		if err := d.Flush(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		client.FlushDB(t.Context())
		if err := d.Check(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if got := read(t, store, output); !cmp.Equal(got, want) {
			t.Errorf("holds %v", got)
		}
	})
}

func TestSharedRecordsLoseNoUpdate(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{})
		var writers sync.WaitGroup
		for w := range 4 {
			writers.Go(func() {
				for range 25 {
					for _, key := range []string{"of all", fmt.Sprint("own ", w)} {
						err := store.Shared("keys/all").Update(t.Context(), key, func(old []byte) ([]byte, error) {
							n, _ := strconv.Atoi(string(old))
							return strconv.AppendInt(nil, int64(n+1), 10), nil
						})
						if err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		writers.Wait()
		want := state{"of all": "100", "own 0": "25", "own 1": "25", "own 2": "25", "own 3": "25"}
		if diff := cmp.Diff(want, read(t, store, "keys/all")); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
	})
}

func TestSharedUpdateThatRefusesOrChangesNothingWritesNothing(t *testing.T) {
	store := open(t, pipelinetest.Embedded(t), keyspace.Config{})
	shared := store.Shared("keys/all")
	refused := errors.New("refused")
	for _, change := range []func([]byte) ([]byte, error){
		func([]byte) ([]byte, error) { return nil, refused },
		func(old []byte) ([]byte, error) { return old, nil },
	} {
		if err := shared.Update(t.Context(), "a", change); err != nil && !errors.Is(err, refused) {
			t.Error(err)
		}
	}
	if meta(t, store, "keys/all").Exists() {
		t.Error("something was written")
	}
}

func TestEventStreamsAndHeartbeatsDoNotGrowOrStay(t *testing.T) {
	client := pipelinetest.Real(t)
	store := open(t, client, keyspace.Config{StreamLength: 100})
	owner := store.Owned(snapshot, "uid")
	for i := range 1000 {
		flush(t, owner, state{"a": strconv.Itoa(i)})
	}
	if n := streamLength(t, client, snapshot); n > 300 {
		t.Errorf("%d events, want about 100", n)
	}
	if err := owner.Beat(t.Context(), []byte("alive"), time.Minute); err != nil {
		t.Fatal(err)
	}
	if beats, err := store.Beats(t.Context(), snapshot, output); err != nil || string(beats[snapshot]) != "alive" || len(beats) != 1 {
		t.Errorf("got %v, %v", beats, err)
	}
	if err := owner.Beat(t.Context(), []byte("alive"), time.Millisecond); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the heartbeat to end", func() bool {
		beats, err := store.Beats(t.Context(), snapshot)
		return err == nil && len(beats) == 0
	})
}

func TestWriteErrorsSayWhatIsWrong(t *testing.T) {
	tests := []struct {
		name, want string
		args       []string
		spoil      func(t *testing.T, c redis.UniversalClient)
	}{
		{"Full", "OOM", nil, func(t *testing.T, c redis.UniversalClient) { c.ConfigSet(t.Context(), "maxmemory", "1") }},
		{"ReadOnly", "READONLY", nil, func(t *testing.T, c redis.UniversalClient) {
			c.SlaveOf(t.Context(), "127.0.0.1", "1")
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client := pipelinetest.RealServer(t, test.args...).Client()
			store := open(t, client, keyspace.Config{})
			owner := store.Owned(snapshot, "uid")
			flush(t, owner, state{"a": "1"})
			test.spoil(t, client)
			owner.Set("a", []byte("2"))
			err := owner.Flush(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), string(snapshot)) {
				t.Errorf("got %v, want an error that names %s and %s", err, test.want, snapshot)
			}
			client.ConfigSet(t.Context(), "maxmemory", "0")
			client.SlaveOf(t.Context(), "NO", "ONE")
			eventually(t, "the write to succeed", func() bool { return owner.Flush(t.Context()) == nil })
			if got := read(t, store, snapshot); got["a"] != "2" {
				t.Errorf("holds %v", got)
			}
		})
	}
}
