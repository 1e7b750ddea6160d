package redis_test

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/work"
)

func text(_ string, value []byte) (string, error) { return string(value), nil }

// derive is what the workers compute of each value.
func derive(value string) string { return "derived from " + value }

// shows says whether a replica shows a keyspace that holds just these values.
func shows(replica *keyspace.Replica[string], name keyspace.Name, want map[string]string) (yes bool) {
	replica.View(func(v keyspace.View[string]) {
		yes = v.Meta(name).Complete && maps.Equal(maps.Collect(v.All(name)), want)
	})
	return yes
}

// follow follows both keyspaces until the test ends, and sees that no half of a write is ever shown.
func (s *scenario) follow() *keyspace.Replica[string] {
	s.Helper()
	var replica *keyspace.Replica[string]
	replica, err := keyspace.NewReplica(s.ui, keyspace.ReplicaConfig[string]{
		Kinds: []string{source.Kind(), output.Kind()}, Decode: text,
		OnChange: func(e keyspace.Event[string]) {
			if !e.Meta.Complete {
				return
			}
			replica.View(func(v keyspace.View[string]) {
				left, _ := v.Get(e.Name, "left")
				if right, _ := v.Get(e.Name, "right"); left != right {
					s.Errorf("half a write of %s is shown at %s: %q and %q", e.Name, e.Meta.Position, left, right)
				}
			})
		},
	})
	if err != nil {
		s.Fatal(err)
	}
	s.until(replica.Run)
	return replica
}

// until runs something until the test ends.
func (s *scenario) until(run func(context.Context) error) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	s.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			s.Error(err)
		}
	})
}

// work runs one replica of a service that derives the output from the source, as the translator does.
func (s *scenario) work(who string) {
	s.Helper()
	conn, store := s.open(who, s.place.translator)
	var mu sync.Mutex
	var pending []keyspace.Event[string]
	inputs := keyspace.Vector{}
	derived := store.Derived(output)
	var worker *work.Worker
	replica, err := keyspace.NewReplica(store, keyspace.ReplicaConfig[string]{
		Kinds: []string{source.Kind()}, Decode: text,
		OnChange: func(e keyspace.Event[string]) {
			mu.Lock()
			pending = append(pending, e)
			mu.Unlock()
			worker.Note(e.Causes...)
			if e.Relisted != "" {
				worker.Ask(e.Causes...)
			}
		},
	})
	if err != nil {
		s.Fatal(err)
	}
	pass := func(ctx context.Context, check bool) error {
		mu.Lock()
		events := pending
		pending = nil
		mu.Unlock()
		for _, e := range events {
			if !e.Meta.Exists() {
				continue // unknown is not empty
			}
			for _, c := range e.Changes {
				if c.HasNew {
					derived.Set(c.Key, []byte(derive(c.New)))
				} else {
					derived.Delete(c.Key)
				}
			}
			if e.Meta.Complete {
				derived.Complete()
			}
			inputs[e.Name] = e.Meta.Position
		}
		if _, err := store.Refresh(ctx, derived); err != nil {
			return err
		}
		if check {
			return derived.Check(ctx, inputs)
		}
		return derived.Flush(ctx, inputs)
	}
	worker, err = work.New(s.log.With("who", who), store, work.Clients{Commands: conn.Client, Blocking: conn.Blocking}, replica, pass,
		work.Config{Group: group, Kinds: []string{source.Kind()}, RepairEvery: 5 * time.Second})
	if err != nil {
		s.Fatal(err)
	}
	s.until(worker.Run)
}
