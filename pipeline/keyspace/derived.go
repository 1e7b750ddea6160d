package keyspace

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Derived writes a keyspace that any replica of a service may write: by
// compare-and-set, and only if the writer has seen at least what the stored
// state was computed from.
type Derived struct {
	*stage
	seen Position // guarded by flushing
}

// Derived returns a writer of a derived keyspace.
func (s *Store) Derived(name Name) *Derived { return &Derived{stage: newStage(s, name)} }

// Seen says that somebody was shown the keyspace at p. If what is stored is older
// than that, history was lost, and the next write opens a new epoch.
func (d *Derived) Seen(ctx context.Context, p Position) error {
	if err := d.lock(ctx); err != nil {
		return err
	}
	defer d.unlock()
	if p.Compare(d.seen) > 0 {
		d.seen = p
	}
	return nil
}

// Refresh looks, in one round trip, whether other writers have written what is
// derived here, and reads what they wrote. It reports which have changed.
func (s *Store) Refresh(ctx context.Context, all ...*Derived) (moved []*Derived, err error) {
	names := make([]Name, len(all))
	for i, d := range all {
		names[i] = d.name
	}
	metas, err := s.metas(ctx, names...)
	if err != nil {
		return nil, err
	}
	for i, d := range all {
		changed, err := d.refreshIfMoved(ctx, metas[i])
		if err != nil {
			return moved, err
		}
		if changed {
			moved = append(moved, d)
		}
	}
	return moved, nil
}

func (d *Derived) refreshIfMoved(ctx context.Context, meta Meta) (bool, error) {
	if err := d.lock(ctx); err != nil {
		return false, err
	}
	defer d.unlock()
	if !d.stored.listed || meta.sameWrite(d.stored.meta) {
		return false, nil
	}
	return true, d.refresh(ctx)
}

// refresh reads what is stored, and remembers what stood there before.
func (d *Derived) refresh(ctx context.Context) error {
	if p := d.stored.meta.Position; p.Compare(d.seen) > 0 {
		d.seen = p
	}
	return d.stage.refresh(ctx)
}

// Flush writes what differs from what is stored, as computed from inputs. Where
// nothing differs it writes nothing, and no event. A lost race is tried again with what then
// still differs. [ErrStale] says that the stored state is of newer inputs than these.
func (d *Derived) Flush(ctx context.Context, inputs Vector) error {
	if err := d.lock(ctx); err != nil {
		return err
	}
	defer d.unlock()
	if !d.stored.listed {
		if err := d.refresh(ctx); err != nil {
			return err
		}
	}
	return d.flush(ctx, inputs)
}

// Check reads what is stored, repairs it where it differs, and records how far
// the inputs have been seen. Call it on start and every now and then.
func (d *Derived) Check(ctx context.Context, inputs Vector) error {
	if err := d.lock(ctx); err != nil {
		return err
	}
	defer d.unlock()
	mended, err := d.mend(ctx)
	if err != nil {
		return err
	}
	if mended {
		err = d.relist(ctx)
	} else {
		err = d.refresh(ctx)
	}
	if err != nil {
		return err
	}
	d.store.announce(ctx, d.name)
	if err := d.flush(ctx, inputs); err != nil {
		return err
	}
	if maps.Equal(inputs, d.stored.meta.Inputs) {
		return nil
	}
	return d.recordInputs(ctx, inputs)
}

func (d *Derived) flush(ctx context.Context, inputs Vector) error {
	const tries = 20
	for try := 1; ; {
		b := d.next()
		lost := d.seen.Compare(d.stored.meta.Position) > 0
		if b.empty() && d.stored.meta.Exists() && !lost && (d.stored.meta.Complete || !b.whole) {
			return nil
		}
		overtaken, err := d.overtaken(ctx, inputs)
		if err != nil {
			return err
		}
		if lost = lost || overtaken; lost || !d.stored.meta.Exists() {
			if err := d.current(ctx, inputs); err != nil {
				return err
			}
		}
		err = d.write(ctx, b, inputs, lost)
		switch {
		case errors.Is(err, errMoved) && try < tries:
			if err := d.refresh(ctx); err != nil {
				return err
			}
			if err := pause(ctx, try); err != nil {
				return err
			}
			try++
		case errors.Is(err, errMoved):
			return fmt.Errorf("writing %s: %w, %d times", d.name, ErrConflict, tries)
		case err != nil:
			return err
		case b.last:
			return nil
		}
	}
}

// overtaken compares inputs with those of the stored state. Where the stored one
// is newer, either this writer is behind (ErrStale), or the input itself went back in Redis:
// then the stored state is of a history that is no more.
func (d *Derived) overtaken(ctx context.Context, inputs Vector) (bool, error) {
	var newer []Name
	for name, position := range d.stored.meta.Inputs {
		if !inputs.AtLeast(Vector{name: position}) {
			newer = append(newer, name)
		}
	}
	if len(newer) == 0 {
		return false, nil
	}
	slices.Sort(newer)
	metas, err := d.store.metas(ctx, newer...)
	if err != nil {
		return false, err
	}
	for i, meta := range metas {
		if meta.Position.Compare(inputs[newer[i]]) > 0 {
			return false, fmt.Errorf("writing %s: %w: %s is at %s and was followed to %s", d.name, ErrStale, newer[i], meta.Position, inputs[newer[i]])
		}
	}
	return true, nil
}

// current proves that inputs are what Redis holds. Where the stored state is lost,
// the inputs may be lost too, and this writer has not been told of all of them yet: what it
// would write now could lack what depends on the one that it already misses.
func (d *Derived) current(ctx context.Context, inputs Vector) error {
	names := slices.Sorted(maps.Keys(inputs))
	metas, err := d.store.metas(ctx, names...)
	if err != nil {
		return err
	}
	for i, meta := range metas {
		if meta.Epoch != inputs[names[i]].Epoch || meta.Revision < inputs[names[i]].Revision {
			return fmt.Errorf("writing %s: %w: %s was followed to %s and is at %s now", d.name, ErrStale, names[i], inputs[names[i]], meta.Position)
		}
	}
	return nil
}

func (d *Derived) write(ctx context.Context, b batch, inputs Vector, lost bool) error {
	base := d.stored.meta
	next := Meta{
		Position: Position{base.Epoch, base.Revision + 1}, WriteID: newID(16), Inputs: base.Inputs,
		Complete: base.Complete || b.last && b.whole, Buckets: base.Buckets, ChangedAt: time.Now(),
	}
	if !base.Exists() || lost {
		next.Epoch = nextEpoch(next.ChangedAt, base.Epoch, d.seen.Epoch)
		next.Complete = b.last && b.whole
	}
	if !base.Exists() {
		next.Buckets = d.store.cfg.Buckets
	}
	if b.last || lost {
		next.Inputs = maps.Clone(inputs)
	}
	if err := d.store.commit(ctx, write{name: d.name, base: base, next: next, set: b.set, del: b.del, since: b.since}); err != nil {
		return err
	}
	d.wrote(b, next)
	d.seen = next.Position
	return nil
}

// recordInputs moves the stored vector without a revision and without an event: the state is the same. An input that Redis
// has no more leaves the vector; one that this writer has not followed so far keeps it as it is.
func (d *Derived) recordInputs(ctx context.Context, inputs Vector) error {
	if _, err := d.overtaken(ctx, inputs); errors.Is(err, ErrStale) {
		return nil // whoever has seen more says so
	} else if err != nil {
		return err
	}
	meta := d.stored.meta
	meta.Inputs = maps.Clone(inputs)
	if err := d.store.amend(ctx, d.name, d.stored.meta, meta); err != nil {
		if errors.Is(err, errMoved) {
			return nil // somebody wrote, with a vector of their own
		}
		return err
	}
	d.stored.meta = meta
	return nil
}
