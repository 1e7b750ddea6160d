package keyspace_test

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
)

func TestGarbageWhereNoKeyspaceIsDoesNotKeepAReaderBusy(t *testing.T) {
	client := pipelinetest.Real(t)
	store := open(t, client, keyspace.Config{Block: time.Second})
	follow(t, store, snapshot)
	if err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: snapshot.EventsKey(), Values: []any{"x", "y"}}).Err(); err != nil {
		t.Fatal(err)
	}
	if n := commandsDuring(t, client, 2*time.Second); n > 100 {
		t.Errorf("%d commands in 2 s", n)
	}
}

func TestEventsOfAForeignTypeDoNotKeepAReaderBusy(t *testing.T) {
	client := pipelinetest.Real(t)
	store := open(t, client, keyspace.Config{Block: time.Second})
	flush(t, store.Owned(snapshot, "uid"), state{"a": "1"})
	follow(t, store, snapshot)
	client.Del(t.Context(), snapshot.EventsKey())
	client.Set(t.Context(), snapshot.EventsKey(), "x", 0)
	if n := commandsDuring(t, client, 2*time.Second); n > 200 {
		t.Errorf("%d commands in 2 s", n)
	}
}

func commandsDuring(t *testing.T, client redis.UniversalClient, d time.Duration) int {
	t.Helper()
	count := func() int {
		info, err := client.InfoMap(t.Context(), "stats").Result()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, digit := range info["Stats"]["total_commands_processed"] {
			n = n*10 + int(digit-'0')
		}
		return n
	}
	before := count()
	<-time.After(d)
	return count() - before
}

func TestAKeyspaceThatMayNotBeReadHoldsUpNoOther(t *testing.T) {
	server := pipelinetest.RealServer(t)
	admin := server.Client()
	if err := admin.Do(t.Context(), "ACL", "SETUSER", "reader", "on", ">secret", "+@all", "&*", "~"+snapshot.KeyPattern(), "~"+keyspace.DirectoryKey).Err(); err != nil {
		t.Fatal(err)
	}
	reader := redis.NewClient(&redis.Options{Network: "unix", Addr: server.Socket(), Username: "reader", Password: "secret", PipelinePoolSize: -1})
	t.Cleanup(func() { _ = reader.Close() })
	writer := open(t, admin, keyspace.Config{})
	flush(t, writer.Owned("snapshot/aaa", "uid"), state{"a": "1"})
	flush(t, writer.Owned(snapshot, "uid"), state{"a": "1"})
	replica, err := keyspace.NewReplica(open(t, reader, keyspace.Config{}), keyspace.ReplicaConfig[string]{
		Names: []keyspace.Name{"snapshot/aaa", snapshot}, Decode: text,
	})
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{Replica: replica}
	f.run(t)
	f.await(t, snapshot, state{"a": "1"})
}

func TestABucketOfAForeignTypeIsUnknownNotEmpty(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{Buckets: 1})
		flush(t, store.Owned(snapshot, "uid"), state{"a": "1"})
		client.Del(t.Context(), snapshot.BucketKey(0))
		client.Set(t.Context(), snapshot.BucketKey(0), "x", 0)
		f := follow(t, store, snapshot)
		f.View(func(v keyspace.View[string]) {
			if v.Meta(snapshot).Complete {
				t.Error("a state of which a part cannot be read is shown as complete")
			}
		})
		d := store.Derived(snapshot) // it mends in the same epoch
		d.Set("a", []byte("1"))
		d.Complete()
		if err := d.Check(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		f.await(t, snapshot, state{"a": "1"})
		eventually(t, "the state to be complete", func() (ok bool) {
			f.View(func(v keyspace.View[string]) { ok = v.Meta(snapshot).Complete })
			return ok
		})
	})
}

func TestAnOlderVectorNeverReplacesANewerOne(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := open(t, client, keyspace.Config{})
		owner := store.Owned(snapshot, "uid")
		flush(t, owner, state{"a": "1"})
		old := keyspace.Vector{snapshot: meta(t, store, snapshot).Position}
		flush(t, owner, state{"a": "2"})
		current := keyspace.Vector{snapshot: meta(t, store, snapshot).Position}
		fast, slow := store.Derived(output), store.Derived(output)
		for _, d := range []*keyspace.Derived{fast, slow} {
			d.Set("a", []byte("1"))
			d.Complete()
			if err := d.Flush(t.Context(), old); err != nil {
				t.Fatal(err)
			}
		}
		if err := fast.Check(t.Context(), current); err != nil { // nothing differs, but newer inputs were seen
			t.Fatal(err)
		}
		if err := slow.Check(t.Context(), old); err != nil { // nothing differs, and older ones were seen
			t.Fatal(err)
		}
		slow.Set("a", []byte("of old inputs"))
		if err := slow.Flush(t.Context(), old); !errors.Is(err, keyspace.ErrStale) {
			t.Errorf("got %v, want ErrStale", err)
		}
		// The vector is the writer's own, whatever its caller does with the map.
		current[snapshot] = keyspace.Position{}
		if got := meta(t, store, output).Inputs[snapshot]; got == (keyspace.Position{}) {
			t.Error("the stored vector is lost")
		}
	})
}

func TestAWriteThatLandedWithoutAnAnswerOpensNoEpoch(t *testing.T) {
	client := pipelinetest.Embedded(t)
	lossyClient, lost := clientOf(t, client), &lossy{}
	lossyClient.AddHook(lost)
	store := open(t, lossyClient, keyspace.Config{})
	owner := store.Owned(snapshot, "uid")
	flush(t, owner, state{"a": "1"})
	before := meta(t, store, snapshot).Epoch
	lost.deaf = true // and Redis is not heard of again, until Flush has given up
	owner.Set("a", []byte("2"))
	if err := owner.Flush(t.Context()); err == nil {
		t.Fatal("Flush succeeded without an answer")
	}
	lost.deaf = false
	owner.Set("a", []byte("3"))
	if err := owner.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m := meta(t, store, snapshot); m.Epoch != before || m.Revision != 3 {
		t.Errorf("stands at %s, want revision 3 of epoch %s", m.Position, before)
	}
}
