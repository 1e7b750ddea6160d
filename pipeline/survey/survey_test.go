package survey_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/pipeline/stream"
	"github.com/meshweir/meshweir/pipeline/survey"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	east = keyspace.Name("snapshot/east")
	west = keyspace.Name("snapshot/west")
	out  = keyspace.Name("output/east")
)

// site is a Redis with keyspaces in it.
type site struct {
	*testing.T
	conn  *redisconn.Conn
	store *keyspace.Store
}

// each runs a test on every kind of Redis.
func each(t *testing.T, test func(s site)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		server, err := redisconn.StartEmbedded(slog.New(slog.DiscardHandler), "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Close)
		test(open(t, server.URL()))
	})
	t.Run("real", func(t *testing.T) { test(open(t, pipelinetest.RealServer(t).URL())) })
	t.Run("cluster", func(t *testing.T) { test(open(t, pipelinetest.RealCluster(t).URL)) })
}

func open(t *testing.T, url string) site {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	conn, err := redisconn.Open(log, url, redisconn.Options{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	store, err := keyspace.NewStore(log, conn.Client, keyspace.Config{Buckets: 4})
	if err != nil {
		t.Fatal(err)
	}
	return site{t, conn, store}
}

func (s site) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s site) take(o survey.Options) survey.Survey {
	s.Helper()
	got, err := survey.New(s.conn).Take(s.Context(), o)
	s.must(err)
	return got
}

// write makes n revisions of an owned keyspace.
func (s site) write(name keyspace.Name, n int) *keyspace.Owned {
	s.Helper()
	owner := s.store.Owned(name, "uid of "+name.Instance())
	owner.Complete()
	for i := range n {
		owner.Set(string(rune('a'+i)), []byte(strings.Repeat("value", i+1)))
		s.must(owner.Flush(s.Context()))
	}
	return owner
}

func (s site) of(got survey.Survey, name keyspace.Name) survey.Keyspace {
	s.Helper()
	i := slices.IndexFunc(got.Keyspaces, func(k survey.Keyspace) bool { return k.Name == name })
	if i < 0 {
		s.Fatalf("%s is not in %v", name, got.Keyspaces)
	}
	return got.Keyspaces[i]
}

// read gives a consumer of a group n entries, and acks some.
func (s site) read(name keyspace.Name, group, consumer string, n int64, ack int) {
	s.Helper()
	c := s.conn.Client
	if err := c.XGroupCreateMkStream(s.Context(), name.EventsKey(), group, "0").Err(); err != nil && !redis.HasErrorPrefix(err, "BUSYGROUP") {
		s.Fatal(err)
	}
	if n == 0 {
		return
	}
	found, err := c.XReadGroup(s.Context(), &redis.XReadGroupArgs{
		Group: group, Consumer: consumer, Streams: []string{name.EventsKey(), ">"}, Count: n,
	}).Result()
	s.must(err)
	for _, entry := range found[0].Messages[:ack] {
		s.must(c.XAck(s.Context(), name.EventsKey(), group, entry.ID).Err())
	}
}

func TestLagIsCountedInRevisions(t *testing.T) {
	each(t, func(s site) {
		s.write(east, 5)
		s.read(east, "translator", "one", 2, 1)
		s.read(east, "ui", "other", 5, 5)
		s.read(east, "new", "", 0, 0)
		k := s.of(s.take(survey.Options{}), east)
		if k.Revision != 5 || !k.Exists || !k.Complete || k.Owner != "uid of east" || k.Stream.Length != 5 || k.Stream.LastRevision != 5 || len(k.Trouble) > 0 {
			s.Errorf("got %+v", k)
		}
		want := map[string][2]int64{"translator": {3, 1}, "ui": {0, 0}, "new": {5, 0}}
		for _, g := range k.Stream.Groups {
			if got := [2]int64{g.Lag, g.Pending}; got != want[g.Name] {
				s.Errorf("%s: lag and pending are %v, want %v", g.Name, got, want[g.Name])
			}
			if g.UnreadAt.IsZero() != (g.Lag == 0) || g.PendingAt.IsZero() != (g.Pending == 0) {
				s.Errorf("the times do not fit: %+v", g)
			}
		}
		if len(k.Stream.Groups) != 3 || len(k.Stream.Groups[1].Consumers) != 1 || k.Stream.Groups[1].Consumers[0].Name != "one" || k.Stream.Groups[1].Consumers[0].Pending != 1 {
			s.Errorf("got the groups %+v", k.Stream.Groups)
		}
		if k.Stream.Groups[1].Attempts != 1 {
			s.Errorf("the oldest pending entry was delivered %d times, want 1", k.Stream.Groups[1].Attempts)
		}
		// Trimming takes what was read, and Redis' own lag lies from then on.
		s.must(s.conn.Client.XTrimMaxLen(s.Context(), east.EventsKey(), 2).Err())
		k = s.of(s.take(survey.Options{}), east)
		if got := k.Stream.Groups[0]; got.Name != "new" || got.Lag != 2 {
			s.Errorf("what the group can still read: %+v, want 2 revisions", got)
		}
	})
}

func TestAnOldEventThatWasReplayedIsNoLagOfAllSinceThen(t *testing.T) {
	each(t, func(s site) {
		s.write(east, 8)
		first, err := s.conn.Client.XRangeN(s.Context(), east.EventsKey(), "-", "+", 1).Result()
		s.must(err)
		s.read(east, "translator", "one", 8, 8)
		s.must(s.conn.Client.XAdd(s.Context(), &redis.XAddArgs{Stream: east.EventsKey(), Values: first[0].Values}).Err())
		if g := s.of(s.take(survey.Options{}), east).Stream.Groups[0]; g.Lag != 1 || g.UnreadAt.IsZero() {
			s.Errorf("got %+v, want one event to read", g)
		}
	})
}

func TestLagIsThePresentEpochForAGroupThatIsInAnEarlierOne(t *testing.T) {
	each(t, func(s site) {
		s.write(east, 2)
		s.read(east, "translator", "one", 1, 1)
		s.must(s.conn.Client.Del(s.Context(), east.MetaKey()).Err())
		s.write(east, 3)
		if g := s.of(s.take(survey.Options{}), east).Stream.Groups[0]; g.Lag != 3 {
			s.Errorf("got %+v, want a lag of the 3 revisions of the new epoch", g)
		}
	})
}

func TestInputsTellHowFarADerivedKeyspaceIsBehind(t *testing.T) {
	each(t, func(s site) {
		owner := s.write(east, 2)
		s.write(west, 1)
		at, err := s.store.Meta(s.Context(), east)
		s.must(err)
		other, err := s.store.Meta(s.Context(), west)
		s.must(err)
		derived := s.store.Derived(out)
		derived.Set("a", []byte("1"))
		derived.Complete()
		s.must(derived.Flush(s.Context(), keyspace.Vector{east: at.Position, west: other.Position}))
		for _, in := range s.of(s.take(survey.Options{}), out).Inputs {
			if in.Behind != 0 || in.Lost {
				s.Errorf("just written, and %+v", in)
			}
		}
		for i := range 3 {
			owner.Set("more", []byte{byte('0' + i)})
			s.must(owner.Flush(s.Context()))
		}
		s.must(s.store.Drop(s.Context(), west))
		got := s.of(s.take(survey.Options{}), out).Inputs
		if len(got) != 2 || got[0].Name != east || got[0].Behind != 3 || got[0].Lost || got[0].ChangedAt.IsZero() {
			s.Errorf("got %+v, want to be 3 behind east", got)
		}
		if len(got) == 2 && (got[1].Name != west || !got[1].Lost) {
			s.Errorf("got %+v, want west to be lost", got[1])
		}
	})
}

// meanwhile is a hook that does something before the pipeline that asks for a key.
type meanwhile struct {
	key  string
	once sync.Once
	do   func()
}

func (*meanwhile) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (*meanwhile) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (m *meanwhile) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if slices.ContainsFunc(cmds, func(c redis.Cmder) bool { return slices.Contains(c.Args(), any(m.key)) }) {
			m.once.Do(m.do)
		}
		return next(ctx, cmds)
	}
}

func TestAnInputThatWasReadBeforeItsOutputWasWrittenIsNotLost(t *testing.T) {
	server, err := redisconn.StartEmbedded(slog.New(slog.DiscardHandler), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	s, others := open(t, server.URL()), open(t, server.URL())
	const late = keyspace.Name("view/fleet")
	owner, derived := others.write(east, 1), others.store.Derived(late)
	derived.Complete()
	made := func() {
		at, err := others.store.Meta(t.Context(), east)
		others.must(err)
		derived.Set("a", []byte(at.Position.String()))
		others.must(derived.Flush(t.Context(), keyspace.Vector{east: at.Position}))
	}
	made()
	for i := range 200 { // so that one pipeline does not ask for both
		s.must(s.conn.Client.SAdd(t.Context(), keyspace.DirectoryKey, fmt.Sprintf("status/%d", i)).Err())
	}
	s.conn.Client.AddHook(&meanwhile{key: late.MetaKey(), do: func() {
		owner.Set("more", []byte("1"))
		others.must(owner.Flush(t.Context()))
		made()
	}})
	got := s.of(s.take(survey.Options{}), late)
	if len(got.Inputs) != 1 || got.Inputs[0].Revision != 2 || got.Inputs[0].Lost || got.Inputs[0].Behind != 0 {
		t.Errorf("got %+v, want it made from revision 2, and nothing lost", got.Inputs)
	}
}

func TestSizesAreThoseOfTheBuckets(t *testing.T) {
	each(t, func(s site) {
		s.write(east, 5)
		if k := s.of(s.take(survey.Options{}), east); k.Objects != -1 || k.Bytes != -1 {
			s.Errorf("sizes that nobody asked for: %d objects of %d bytes", k.Objects, k.Bytes)
		}
		k := s.of(s.take(survey.Options{Sizes: true}), east)
		if k.Objects != 5 || k.Bytes < 100 || k.Bytes > 1<<16 {
			s.Errorf("got %d objects of %d bytes, want 5 of about a kilobyte", k.Objects, k.Bytes)
		}
	})
}

func TestDamageIsToldAndHidesNothingElse(t *testing.T) {
	each(t, func(s site) {
		ctx, c := s.Context(), s.conn.Client
		s.write(west, 1)
		for _, name := range []keyspace.Name{"snapshot/a", "snapshot/b", "snapshot/c", "snapshot/d", "snapshot/e"} {
			s.write(name, 1)
		}
		replace := func(key string) {
			s.must(c.Del(ctx, key).Err())
			s.must(c.Set(ctx, key, "x", 0).Err())
		}
		replace(keyspace.Name("snapshot/a").MetaKey())
		s.must(c.HSet(ctx, keyspace.Name("snapshot/b").MetaKey(), "epoch", "yesterday").Err())
		replace(keyspace.Name("snapshot/c").EventsKey())
		s.must(c.Del(ctx, keyspace.Name("snapshot/d").MetaKey(), keyspace.Name("snapshot/d").EventsKey()).Err())
		for b := range 4 {
			replace(keyspace.Name("snapshot/e").BucketKey(b))
		}
		s.must(c.SAdd(ctx, keyspace.DirectoryKey, "no name").Err())
		s.must(c.XAdd(ctx, &redis.XAddArgs{Stream: west.EventsKey(), Values: []string{"what", "ever"}}).Err())
		s.read(west, "translator", "one", 1, 1)

		got := s.take(survey.Options{Sizes: true})
		for name, want := range map[keyspace.Name]string{
			"snapshot/a": "meta is of a type", "snapshot/b": "yesterday", "snapshot/c": "events is of a type",
			"snapshot/d": "holds nothing", "snapshot/e": "is of a type",
		} {
			if k := s.of(got, name); len(k.Trouble) == 0 || !strings.Contains(k.Trouble[0], want) {
				s.Errorf("%s: got %q, want %q", name, k.Trouble, want)
			}
		}
		if k := s.of(got, west); len(k.Trouble) > 0 || k.Stream.Groups[0].Lag != -1 || k.Stream.LastRevision != 0 {
			s.Errorf("a stream that ends with garbage: %+v", k)
		}
		if !slices.Equal(got.Strangers, []string{"no name"}) {
			s.Errorf("got the strangers %q", got.Strangers)
		}
	})
}

func TestDeadLettersAreCountedByClassAndKeyspace(t *testing.T) {
	each(t, func(s site) {
		s.write(east, 1)
		s.read(east, "translator", "one", 1, 1)
		for _, class := range []stream.Class{stream.ClassPermanent, stream.ClassPermanent, stream.ClassPanic} {
			msg := message.NewMessage("id", []byte("x"))
			msg.Metadata.Set(stream.ClassKey, string(class))
			msg.Metadata.Set(stream.StreamKey, east.EventsKey())
			values, err := stream.Values(msg)
			s.must(err)
			s.must(s.conn.Client.XAdd(s.Context(), &redis.XAddArgs{Stream: keyspace.DeadLettersKey("translator"), Values: values}).Err())
		}
		s.must(s.conn.Client.XAdd(s.Context(), &redis.XAddArgs{Stream: keyspace.DeadLettersKey("gone"), Values: []string{"a", "b"}}).Err())
		s.must(s.conn.Client.Set(s.Context(), keyspace.DeadLettersKey("odd"), "x", 0).Err())
		got := s.take(survey.Options{Groups: []string{"gone", "odd"}}).DeadLetters
		if len(got) != 3 || got[0].Group != "gone" || got[0].Count != 1 || got[0].ByClass[stream.ClassUndecodable] != 1 || got[1].Trouble == "" {
			s.Fatalf("got %+v", got)
		}
		if d := got[2]; d.Count != 3 || d.ByClass[stream.ClassPermanent] != 2 || d.ByClass[stream.ClassPanic] != 1 || d.ByKeyspace[east] != 3 || d.NewestAt.IsZero() || d.OldestAt.After(d.NewestAt) {
			s.Errorf("got %+v", d)
		}
	})
}

func TestABeatTellsWhoLooksAfterAKeyspaceAndHowLongThatHolds(t *testing.T) {
	each(t, func(s site) {
		s.must(s.write(east, 1).Beat(s.Context(), []byte(`{"version":"1"}`), time.Minute))
		s.must(s.write(west, 1).Beat(s.Context(), []byte("no JSON"), time.Minute))
		got := s.take(survey.Options{})
		beat := s.of(got, east).Beat
		if beat == nil || string(beat.Info) != `{"version":"1"}` || beat.Until.Sub(got.At) > time.Minute || !beat.Until.After(got.At) {
			s.Errorf("got %+v", beat)
		}
		if beat := s.of(got, west).Beat; beat == nil || string(beat.Info) != `"no JSON"` {
			s.Errorf("got %+v", beat)
		}
		s.must(s.conn.Client.Del(s.Context(), east.BeatKey()).Err())
		if beat := s.of(s.take(survey.Options{}), east).Beat; beat != nil {
			s.Errorf("a beat of nobody: %+v", beat)
		}
	})
}

func TestServersSayWhatTheyAre(t *testing.T) {
	s := open(t, pipelinetest.RealServer(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru").URL())
	got := s.take(survey.Options{}).Servers
	if len(got) != 1 || got[0].Version == "" || got[0].Mode != "standalone" || got[0].Role != "master" || got[0].MaxMemory != 100<<20 || got[0].UsedMemory == 0 ||
		got[0].Policy != "allkeys-lru" || got[0].Persistence != "none" || redisconn.Problems(got[0].Findings) == nil {
		t.Errorf("got %+v", got)
	}
	cluster := open(t, pipelinetest.RealCluster(t).URL).take(survey.Options{}).Servers
	if len(cluster) != 3 || cluster[0].Mode != "cluster" || cluster[0].Address == "" || cluster[0].Address == cluster[1].Address {
		t.Errorf("got %+v, want three nodes", cluster)
	}
}

func TestAnOperatorsUserMayDoAllThatASurveyDoes(t *testing.T) {
	server := pipelinetest.RealServer(t)
	admin := open(t, server.URL())
	admin.write(east, 3)
	admin.read(east, "translator", "one", 2, 1)
	admin.must(admin.conn.Client.XAdd(t.Context(), &redis.XAddArgs{Stream: keyspace.DeadLettersKey("translator"), Values: []string{"a", "b"}}).Err())
	rules, err := keyspace.Access{Operates: true}.Rules()
	admin.must(err)
	got := open(t, server.User("operator", rules...)).take(survey.Options{Sizes: true})
	if k := admin.of(got, east); len(k.Trouble) > 0 || k.Objects != 3 || k.Stream.Groups[0].Lag != 1 || got.DeadLetters[0].Count != 1 {
		t.Errorf("got %+v", got)
	}
	if denied := server.Denied(); len(denied) > 0 {
		t.Errorf("the server refused %q", denied)
	}
}

func TestAnErrorSaysThatRedisIsAwayOrLetsNobodyLook(t *testing.T) {
	server := pipelinetest.RealServer(t)
	conn, err := redisconn.Open(slog.New(slog.DiscardHandler), server.User("nobody", "-@all", "+info", "+ping"), redisconn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := survey.New(conn).Take(t.Context(), survey.Options{}); !redis.IsPermissionError(errors.Unwrap(err)) && !strings.Contains(err.Error(), "meshweir acl") {
		t.Errorf("got %v", err)
	}
	server.Stop()
	if got, err := survey.New(conn).Take(t.Context(), survey.Options{}); err == nil {
		t.Errorf("got %+v of a Redis that is away", got)
	}
}
