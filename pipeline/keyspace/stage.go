package keyspace

import (
	"context"
	"sync"
	"time"
)

// stage compares what a writer wants with what is stored. Set, Delete and
// Complete may be called at any time; one flush runs at a time.
type stage struct {
	store *Store
	name  Name

	mu       sync.Mutex // guards what follows
	want     map[string]sealed
	complete bool
	// touched holds the keys that may differ from what is stored; all others are equal.
	touched map[string]struct{}
	// since is when the oldest touched key was staged.
	since time.Time

	flushing chan struct{} // a lock that a context can leave
	stored   *reader       // guarded by flushing
	// checks counts the looks for keys of a foreign type. Guarded by flushing.
	checks int
	// swept is set once everything that is stored was compared after Complete. Guarded by flushing.
	swept bool
}

func newStage(s *Store, name Name) *stage {
	stored := s.reader(name)
	stored.writes = true
	return &stage{
		store: s, name: name, want: map[string]sealed{}, touched: map[string]struct{}{},
		flushing: make(chan struct{}, 1), stored: stored,
	}
}

// Set stages a value. It is written with the next Flush, if it differs from what is stored.
// The value is not kept; the caller may use it again.
func (g *stage) Set(key string, value []byte) {
	hash := hashOf(value)
	g.mu.Lock()
	defer g.mu.Unlock()
	if old, ok := g.want[key]; ok && old.hash == hash {
		return
	}
	g.want[key] = g.store.codec.seal(value, hash)
	g.touch(key)
}

// Delete stages the removal of a key.
func (g *stage) Delete(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.want, key)
	g.touch(key)
}

// Complete says that everything that should exist has been staged once. Until then
// nothing that is stored is removed.
func (g *stage) Complete() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.complete = true
}

// Len returns the number of keys that are staged.
func (g *stage) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.want)
}

func (g *stage) touch(key string) {
	if len(g.touched) == 0 {
		g.since = time.Now()
	}
	g.touched[key] = struct{}{}
}

// lock waits for the flush that is under way.
func (g *stage) lock(ctx context.Context) error {
	select {
	case g.flushing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *stage) unlock() { <-g.flushing }

// refresh reads what is stored.
func (g *stage) refresh(ctx context.Context) error {
	u, err := g.stored.sync(ctx)
	if err != nil || u == nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for key := range u.changed {
		g.touch(key)
	}
	return nil
}

// mend removes keys of a foreign type. It looks at meta and events each time, and at the
// many buckets, which a write would stumble over anyway, at first and then now and then.
func (g *stage) mend(ctx context.Context) (bool, error) {
	const rarely = 20
	buckets := 0
	if g.checks%rarely == 0 {
		buckets = g.stored.meta.Buckets
	}
	g.checks++
	return g.store.mend(ctx, g.name, buckets)
}

// relist reads all that is stored and compares it with all that is wanted.
func (g *stage) relist(ctx context.Context) error {
	g.stored.listed = false
	if err := g.refresh(ctx); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for key := range g.want {
		g.touch(key)
	}
	return nil
}

// batch is a part of what differs that fits into one write.
type batch struct {
	set   map[string]sealed
	del   []string
	since time.Time
	// last says that nothing else differs; whole, that all that should exist was staged, too.
	last, whole bool
}

func (b batch) empty() bool { return len(b.set) == 0 && len(b.del) == 0 }

// next takes the next batch: additions before removals, so that nothing is missing in between.
func (g *stage) next() batch {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.complete && !g.swept {
		g.swept = true
		for key := range g.stored.entries {
			if _, wanted := g.want[key]; !wanted {
				g.touch(key)
			}
		}
	}
	b := batch{set: map[string]sealed{}, since: g.since, whole: g.complete}
	bytes, keys := 0, 0
	fits := func(size int) bool {
		bytes += size
		keys++
		return keys == 1 || keys <= g.store.cfg.MaxKeys && bytes <= g.store.cfg.MaxBytes
	}
	var removals []string
	for key := range g.touched {
		has, isStored := g.stored.entries[key]
		want, isWanted := g.want[key]
		switch {
		case isWanted && (!isStored || has.hash != want.hash):
			if !fits(len(key) + len(want.body)) {
				return b
			}
			b.set[key] = want
		case !isWanted && isStored && g.complete:
			removals = append(removals, key)
		default:
			delete(g.touched, key) // equal, or swept up once all is staged
		}
	}
	for _, key := range removals {
		if !fits(len(key)) {
			return b
		}
		b.del = append(b.del, key)
	}
	b.last = true
	return b
}

// wrote records that a batch is stored as of meta.
func (g *stage) wrote(b batch, meta Meta) {
	g.stored.meta = meta
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, value := range b.set {
		if want, ok := g.want[key]; ok && want.hash == value.hash {
			delete(g.touched, key)
		}
	}
	for _, key := range b.del {
		if _, ok := g.want[key]; !ok {
			delete(g.touched, key)
		}
	}
	for key, value := range b.set {
		g.stored.entries[key] = stored{meta.Revision, sealed{hash: value.hash, codec: value.codec}}
	}
	for _, key := range b.del {
		delete(g.stored.entries, key)
	}
}

// Position is where the keyspace stood after the last flush or check.
func (g *stage) Position(ctx context.Context) (Position, error) {
	if err := g.lock(ctx); err != nil {
		return Position{}, err
	}
	defer g.unlock()
	return g.stored.meta.Position, nil
}
