package keyspace

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/stream"
	"github.com/meshweir/meshweir/pipeline/telemetry"
)

// ReplicaConfig says what a [Replica] follows and how it decodes it.
type ReplicaConfig[T any] struct {
	// Names are followed from the start …
	Names []Name
	// … and so is every keyspace of these kinds, as soon as it is known.
	Kinds []string
	// Decode turns a value into what the replica holds. A value that it refuses is reported and skipped; the last good one stays.
	Decode func(key string, value []byte) (T, error)
	// OnChange is called for each new state, one call at a time, in the order of each keyspace, before WaitFor sees it. Optional.
	OnChange func(Event[T])
}

// Event is one step from one state of a keyspace to a later one.
type Event[T any] struct {
	Name Name
	// Meta is that of the new state; it does not Exist when the keyspace has vanished, and then the state is unknown, not empty.
	// Nor is it Complete while Redis holds a value of it that was never readable.
	Meta Meta
	// Changes are sorted by key.
	Changes []Change[T]
	// Relisted says why the keyspace was listed; empty when events brought the change.
	Relisted string
	// Causes are the writes that led to the state, as far as their events were read: of a list, the last one.
	Causes []telemetry.Cause
}

// Change is what happened to one key.
type Change[T any] struct {
	Key            string
	Old, New       T
	HadOld, HasNew bool
	// Position is where New was written.
	Position Position
}

// Replica is a decoded copy of keyspaces in memory. It shows, for each keyspace,
// only states that were written, in their order.
type Replica[T any] struct {
	store *Store
	cfg   ReplicaConfig[T]

	synced chan struct{}
	// telling orders the calls of OnChange.
	telling sync.Mutex

	mu     sync.RWMutex // guards what follows
	spaces map[Name]*space[T]
	// moved is closed, and replaced, when a state was told.
	moved chan struct{}
	// add starts to follow a name; nil unless Run runs.
	add func(Name)
}

type space[T any] struct {
	reader *reader // of its tail alone
	listed chan struct{}
	meta   Meta
	values map[string]item[T]
	// unreadable holds the keys that exist and were never readable.
	unreadable map[string]bool
	// told is the position that OnChange has returned from, and read the id of the last entry that was read for it.
	told Position
	read string
}

type item[T any] struct {
	value    T
	revision uint64
}

// NewReplica returns a replica that follows once Run runs.
func NewReplica[T any](s *Store, cfg ReplicaConfig[T]) (*Replica[T], error) {
	if cfg.Decode == nil {
		return nil, errors.New("making a replica: Decode is missing")
	}
	if len(cfg.Names)+len(cfg.Kinds) == 0 {
		return nil, errors.New("making a replica: neither names nor kinds to follow")
	}
	return &Replica[T]{
		store: s, cfg: cfg, synced: make(chan struct{}), spaces: map[Name]*space[T]{}, moved: make(chan struct{}),
	}, nil
}

// Once lists what cfg names, calls read with a view of it, and forgets it.
func Once[T any](ctx context.Context, s *Store, cfg ReplicaConfig[T], read func(View[T])) error {
	replica, err := NewReplica(s, cfg)
	if err != nil {
		return err
	}
	following, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = replica.Run(following) // it ends with its context only
	}()
	defer func() { stop(); <-ended }()
	select {
	case <-replica.Synced():
		replica.View(read)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Synced is closed once everything that existed at the start was listed.
func (r *Replica[T]) Synced() <-chan struct{} { return r.synced }

// Run follows until ctx ends. Redis may come and go: the last state stays visible.
func (r *Replica[T]) Run(ctx context.Context) error {
	var tails tailer
	tails.start(ctx, r.store, r.update)
	defer tails.wait()

	var first []*space[T]
	r.mu.Lock()
	r.add = func(name Name) { r.follow(name, &tails) }
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.add = nil
		r.mu.Unlock()
	}()
	for _, name := range r.cfg.Names {
		first = append(first, r.follow(name, &tails))
	}
	read := make(chan struct{})
	if len(r.cfg.Kinds) == 0 {
		close(read)
	} else {
		done := make(chan struct{})
		defer func() { <-done }()
		go func() {
			defer close(done)
			r.store.watch(ctx, r.cfg.Kinds, read, func(name Name) { r.follow(name, &tails) })
		}()
	}
	select {
	case <-read:
	case <-ctx.Done():
		return nil
	}
	r.mu.RLock()
	for _, sp := range r.spaces {
		first = append(first, sp)
	}
	r.mu.RUnlock()
	for _, sp := range first {
		select {
		case <-sp.listed:
		case <-ctx.Done():
			return nil
		}
	}
	close(r.synced)
	<-ctx.Done()
	return nil
}

func (r *Replica[T]) follow(name Name, tails *tailer) *space[T] {
	r.mu.Lock()
	defer r.mu.Unlock()
	if sp, ok := r.spaces[name]; ok {
		return sp
	}
	sp := &space[T]{reader: r.store.reader(name), listed: make(chan struct{}), values: map[string]item[T]{}, unreadable: map[string]bool{}}
	r.spaces[name] = sp
	tails.add(sp.reader)
	return sp
}

// update makes a step visible, tells it, and wakes those who wait for it; u is nil where what was read
// changed nothing. It is called by the tail of the keyspace only.
func (r *Replica[T]) update(ctx context.Context, name Name, u *update) {
	r.mu.RLock()
	sp := r.spaces[name]
	r.mu.RUnlock()
	if u != nil {
		event := r.decode(ctx, sp, u)
		r.telling.Lock()
		r.mu.Lock()
		sp.meta = event.Meta
		for _, c := range event.Changes {
			if c.HasNew {
				sp.values[c.Key] = item[T]{c.New, c.Position.Revision}
			} else {
				delete(sp.values, c.Key)
			}
		}
		r.mu.Unlock()
		if r.cfg.OnChange != nil {
			r.cfg.OnChange(event)
		}
		r.telling.Unlock()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	sp.told, sp.read = sp.meta.Position, sp.reader.lastID
	close(r.moved)
	r.moved = make(chan struct{})
	select {
	case <-sp.listed:
	default:
		close(sp.listed)
	}
}

func (r *Replica[T]) decode(ctx context.Context, sp *space[T], u *update) Event[T] {
	event := Event[T]{Name: sp.reader.name, Meta: u.new, Relisted: u.relist, Causes: u.causes}
	for key, c := range u.changed {
		change := Change[T]{Key: key}
		old, hadOld := sp.values[key]
		change.Old, change.HadOld = old.value, hadOld
		if c.new != nil {
			value, err := r.value(key, c.new.sealed)
			if err != nil {
				sp.reader.damaged(ctx, key, err)
				if errors.Is(err, ErrDamaged) {
					sp.reader.distrust(key)
					if !hadOld {
						sp.unreadable[key] = true
					}
				}
				continue
			}
			change.New, change.HasNew, change.Position = value, true, Position{u.new.Epoch, c.new.revision}
		}
		delete(sp.unreadable, key)
		if change.HadOld || change.HasNew {
			event.Changes = append(event.Changes, change)
		}
	}
	event.Meta.Complete = event.Meta.Complete && len(sp.unreadable) == 0
	slices.SortFunc(event.Changes, func(a, b Change[T]) int { return strings.Compare(a.Key, b.Key) })
	return event
}

func (r *Replica[T]) value(key string, s sealed) (T, error) {
	value, err := r.store.codec.open(s)
	if err != nil {
		var none T
		return none, err
	}
	return r.cfg.Decode(key, value)
}

// WaitFor returns once the state of name that is shown, and told, is at or after p, and contains what the entry with
// the given id asked for, see [Store.Ask]; "" for none.
func (r *Replica[T]) WaitFor(ctx context.Context, name Name, p Position, entryID string) error {
	for {
		r.mu.RLock()
		sp, moved, add := r.spaces[name], r.moved, r.add
		reached := sp != nil && sp.told.Compare(p) >= 0 && stream.CompareIDs(sp.read, entryID) >= 0
		r.mu.RUnlock()
		if reached {
			return nil
		}
		if sp == nil && add != nil && slices.Contains(r.cfg.Kinds, name.Kind()) {
			add(name)
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s to reach %s: %w", name, p, ctx.Err())
		}
	}
}

// Told returns the positions up to which OnChange has been told, of all keyspaces that exist.
func (r *Replica[T]) Told() Vector {
	r.mu.RLock()
	defer r.mu.RUnlock()
	told := make(Vector, len(r.spaces))
	for name, sp := range r.spaces {
		if sp.told != (Position{}) {
			told[name] = sp.told
		}
	}
	return told
}

// View calls read with a view of all keyspaces, which stays as it is for the call.
func (r *Replica[T]) View(read func(View[T])) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	read(View[T]{r})
}

// View reads a [Replica] under its lock. It is valid during the call that it was handed to.
type View[T any] struct{ replica *Replica[T] }

// Names returns the names of all keyspaces that are followed, sorted.
func (v View[T]) Names() []Name { return slices.Sorted(maps.Keys(v.replica.spaces)) }

// Meta returns the meta of the state that is shown; zero for a keyspace that does not exist.
func (v View[T]) Meta(name Name) Meta {
	if sp := v.replica.spaces[name]; sp != nil {
		return sp.meta
	}
	return Meta{}
}

// Get returns the value of a key.
func (v View[T]) Get(name Name, key string) (T, bool) {
	if sp := v.replica.spaces[name]; sp != nil {
		item, ok := sp.values[key]
		return item.value, ok
	}
	var none T
	return none, false
}

// Position returns where the value of a key was written; zero for none.
func (v View[T]) Position(name Name, key string) Position {
	if sp := v.replica.spaces[name]; sp != nil {
		if item, ok := sp.values[key]; ok {
			return Position{sp.meta.Epoch, item.revision}
		}
	}
	return Position{}
}

// All returns the keys and values of a keyspace, in no order.
func (v View[T]) All(name Name) iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		sp := v.replica.spaces[name]
		if sp == nil {
			return
		}
		for key, item := range sp.values {
			if !yield(key, item.value) {
				return
			}
		}
	}
}

// Len returns the number of keys of a keyspace.
func (v View[T]) Len(name Name) int {
	if sp := v.replica.spaces[name]; sp != nil {
		return len(sp.values)
	}
	return 0
}

// Vector returns the positions of all keyspaces that exist.
func (v View[T]) Vector() Vector {
	vector := make(Vector, len(v.replica.spaces))
	for name, sp := range v.replica.spaces {
		if sp.meta.Exists() {
			vector[name] = sp.meta.Position
		}
	}
	return vector
}

func isCluster(client redis.UniversalClient) bool {
	_, ok := client.(*redis.ClusterClient)
	return ok
}
