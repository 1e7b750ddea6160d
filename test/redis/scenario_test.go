package redis_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/redisconn"
)

// The keyspaces of the scenario and the group of its workers are those of an agent and the translator, whose users may have them.
const (
	source keyspace.Name = "snapshot/east"
	output keyspace.Name = "output/east"
	group                = "translator"
	owner                = "the cluster's uid"
)

const (
	beforehand = 60 // revisions before something happens
	afterwards = 60 // and after it is over
	patience   = 30 * time.Second
)

// place is a Redis as the scenario finds it.
type place struct {
	// url is how the default user reaches it.
	url string
	// agent, translator and ui are how those reach it; "" for url.
	agent, translator, ui string
	// happens is called in the middle; it returns when that is over.
	happens func(s *scenario)
	// denied lists what Redis refused to its users; nil where there are none.
	denied func() []string
}

// scenario is one owner, two workers and a follower, each on connections of its own.
type scenario struct {
	*testing.T
	arrangement
	place place
	said  *pipelinetest.Buffer // by all of them
	log   *slog.Logger
	ui    *keyspace.Store

	writing sync.Mutex // held during a write; guards what follows
	store   *keyspace.Store
	owned   *keyspace.Owned
	want    map[string]string
	epoch   keyspace.Epoch // the first one

	written atomic.Int64 // revisions
}

func newScenario(t *testing.T, a arrangement, p place) *scenario {
	said := &pipelinetest.Buffer{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the pipeline said:\n%s", said)
		}
	})
	s := &scenario{T: t, arrangement: a, place: p, said: said, log: slog.New(slog.NewTextHandler(said, &slog.HandlerOptions{Level: slog.LevelDebug})), want: map[string]string{}}
	_, s.store = s.open("agent", p.agent)
	_, s.ui = s.open("ui", p.ui)
	return s
}

// open connects as somebody, until the test ends.
func (s *scenario) open(who, url string) (*redisconn.Conn, *keyspace.Store) {
	s.Helper()
	if url == "" {
		url = s.place.url
	}
	log := s.log.With("who", who)
	conn, err := redisconn.Open(log, url, redisconn.Options{Name: who, Timeout: 2 * time.Second})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		if err := conn.Close(); err != nil {
			s.Error(err)
		}
	})
	store, err := keyspace.NewStore(log, conn.Client, keyspace.Config{
		Blocking: conn.Blocking, Block: 200 * time.Millisecond, Buckets: 8, Unlisted: who == "agent",
	})
	if err != nil {
		s.Fatal(err)
	}
	return conn, store
}

func (s *scenario) run() {
	follower := s.follow()
	for i := range 2 {
		s.work(fmt.Sprintf("worker-%d", i))
	}
	s.succeed()
	ctx, stop := context.WithCancel(s.Context())
	written := make(chan struct{})
	go func() {
		defer close(written)
		for s.write() && ctx.Err() == nil {
			<-time.After(2 * time.Millisecond)
		}
	}()
	s.Cleanup(func() { stop(); <-written })
	s.await("the first revisions", func() bool { return s.written.Load() >= beforehand })
	s.place.happens(s)
	for end := s.written.Load() + afterwards; s.written.Load() < end; {
		s.await("further revisions", func() bool { return s.written.Load() >= end })
	}
	stop()
	<-written
	if s.Failed() {
		return
	}
	s.verify(follower)
}

// succeed makes another process the owner: one that knows nothing of the writes of the last one. Call it while nothing is written.
func (s *scenario) succeed() {
	s.owned = s.store.Owned(source, owner)
	for key, value := range s.want {
		s.owned.Set(key, []byte(value))
	}
	s.owned.Complete()
}

// write writes one revision, again until Redis takes it. It returns false when that is in vain.
func (s *scenario) write() bool {
	s.writing.Lock()
	defer s.writing.Unlock()
	n := s.written.Load()
	value := fmt.Sprint(n + 1)
	for _, key := range []string{"left", "right", fmt.Sprintf("key %d", n%20)} {
		s.want[key] = value
		s.owned.Set(key, []byte(value))
	}
	gone := fmt.Sprintf("key %d", (n+10)%20)
	delete(s.want, gone)
	s.owned.Delete(gone)
	flush := s.owned.Flush
	if n%10 == 9 { // an agent does that every few seconds
		flush = s.owned.Check
	}
	for began := time.Now(); ; {
		err := flush(s.Context())
		if err == nil {
			break
		}
		if s.Context().Err() != nil {
			return false
		}
		s.log.Info("a write failed", "error", err)
		if final := errors.Is(err, keyspace.ErrOvertaken) || errors.Is(err, keyspace.ErrOwned); final || time.Since(began) > patience {
			s.Errorf("writing revision %s: %v", value, err)
			return false
		}
		<-time.After(20 * time.Millisecond)
	}
	s.written.Add(1)
	if s.epoch == (keyspace.Epoch{}) {
		at, err := s.owned.Position(s.Context())
		if err != nil {
			s.Errorf("asking where the owner is: %v", err)
			return false
		}
		s.epoch = at.Epoch
	}
	return true
}

// verify compares what is followed, what was derived and what Redis holds with what was written.
func (s *scenario) verify(follower *keyspace.Replica[string]) {
	derived := map[string]string{}
	for key, value := range s.want {
		derived[key] = derive(value)
	}
	s.await("the follower to show what was written", func() bool { return shows(follower, source, s.want) })
	s.await("the follower to show what is derived of it", func() bool { return shows(follower, output, derived) })
	conn, _ := s.open("observer", "")
	if !s.loses { // else acks may be lost too: their events wait until they are claimed
		s.await("every event to be acked", func() bool {
			pending, err := conn.Client.XPending(s.Context(), source.EventsKey(), group).Result()
			return err == nil && pending.Count == 0
		})
	}
	if n, err := conn.Client.XLen(s.Context(), keyspace.DeadLettersKey(group)).Result(); n != 0 || err != nil {
		s.Errorf("%d dead letters, %v, want none", n, err)
	}
	anew := keyspace.ReplicaConfig[string]{Names: []keyspace.Name{source, output}, Decode: text}
	err := keyspace.Once(s.Context(), s.ui, anew, func(v keyspace.View[string]) {
		if got := maps.Collect(v.All(source)); !maps.Equal(got, s.want) {
			s.Errorf("Redis holds %v of %s, want %v", got, source, s.want)
		}
		if got := maps.Collect(v.All(output)); !maps.Equal(got, derived) {
			s.Errorf("Redis holds %v of %s, want %v", got, output, derived)
		}
	})
	if err != nil {
		s.Error(err)
	}
	if at, err := s.owned.Position(s.Context()); err != nil || !s.loses && at.Epoch != s.epoch {
		s.Errorf("the source is at %s (%v), of another epoch than the first %s: something acknowledged was lost", at, err, s.epoch)
	}
	if s.meets != "" && !s.hasMet() {
		s.Errorf("nobody met %s", s.meets)
	}
	if s.place.denied != nil {
		if denied := s.place.denied(); len(denied) > 0 {
			s.Errorf("Redis refused %q", denied)
		}
	}
}

// hasMet says whether somebody has met what happens.
func (s *scenario) hasMet() bool { return strings.Contains(s.said.String(), s.meets+" ") }

func (s *scenario) await(what string, holds func() bool) {
	s.Helper()
	for deadline := time.Now().Add(patience); !holds(); <-time.After(10 * time.Millisecond) {
		if s.Failed() || time.Now().After(deadline) {
			s.Fatalf("waited in vain: %s", what)
		}
	}
}
