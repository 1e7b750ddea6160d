package keyspace

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Owned writes a keyspace that has one writer, bound to an identity. What it
// left is what it expects to find. Something older means that Redis lost or
// changed history, and it opens a new epoch and makes the state right again. Something
// newer means that another process took the owner's place, while this one was paused: what this one holds is out of date.
type Owned struct {
	*stage
	owner string
	// displaced says that the stored history is not the one that was left. Guarded by flushing.
	displaced bool
	// seen is the latest epoch that this writer knows of. Guarded by flushing.
	seen Epoch
	// unsure are writes whose answers never came. Guarded by flushing.
	unsure []unsure
}

type unsure struct {
	batch batch
	meta  Meta
}

// Owned returns the writer of an owned keyspace. The owner is the identity that
// the keyspace is bound to at first contact; it must not be empty.
func (s *Store) Owned(name Name, owner string) *Owned {
	return &Owned{stage: newStage(s, name), owner: owner}
}

// Flush writes what differs from what is stored, in capped batches. Where nothing
// differs it writes nothing, and no event. It returns [ErrOwned] when the keyspace
// is bound to another identity, [ErrOvertaken] when this writer is to give up, and is otherwise safe to call again.
func (o *Owned) Flush(ctx context.Context) error {
	if err := o.lock(ctx); err != nil {
		return err
	}
	defer o.unlock()
	return o.flush(ctx)
}

// Check compares what is stored with what the last write left, and repairs it.
// After somebody asked for repair ([Store.Ask]) it compares every value. It also makes the keyspace known again, and
// returns what Flush does. Call it every few seconds.
func (o *Owned) Check(ctx context.Context) error {
	if err := o.lock(ctx); err != nil {
		return err
	}
	defer o.unlock()
	if o.stored.listed {
		mended, err := o.mend(ctx)
		if err != nil {
			return err
		}
		meta, err := o.store.Meta(ctx, o.name)
		if err != nil {
			return err
		}
		asked, err := o.asked(ctx)
		if err == nil && (mended || !meta.sameWrite(o.stored.meta)) {
			err = o.displace(ctx)
		}
		if err == nil && asked {
			err = o.relist(ctx)
		}
		if err != nil {
			return err
		}
	}
	o.store.announce(ctx, o.name)
	return o.flush(ctx)
}

// asked reports whether somebody asked for repair since everything was listed. It looks at each entry once, but for
// the one that asks: only the list that comes of it takes the reader past that.
func (o *Owned) asked(ctx context.Context) (bool, error) {
	const atOnce = 64
	for {
		entries, err := o.store.client.XRangeN(ctx, o.name.EventsKey(), "("+o.stored.lastID, "+", atOnce).Result()
		if err != nil && !wrongType(err) {
			return false, fmt.Errorf("looking at the events of %s: %w", o.name, err)
		}
		for _, entry := range entries {
			if e, _, err := DecodeEvent(entry); err == nil && e.Relist {
				return true, nil
			}
			o.stored.lastID = entry.ID
		}
		if len(entries) < atOnce {
			return false, nil
		}
	}
}

// Beat says for the time to live that the owner lives. It makes no event.
func (o *Owned) Beat(ctx context.Context, info []byte, ttl time.Duration) error {
	return o.store.Beat(ctx, o.name, info, ttl)
}

// displace lists what is stored, because it is not what was left; unless it is
// what an earlier write left whose answer never came. It returns ErrOvertaken when what is stored is newer.
func (o *Owned) displace(ctx context.Context) error {
	left := o.stored.meta.Position
	meta, err := o.store.Meta(ctx, o.name)
	if err != nil {
		return err
	}
	for _, w := range o.unsure {
		if meta.WriteID == w.meta.WriteID {
			o.landed(w.batch, w.meta)
			return nil
		}
	}
	if left != (Position{}) && meta.Owner == o.owner && meta.Compare(left) > 0 {
		return fmt.Errorf("writing %s: %w: this one left it at %s, and it is at %s", o.name, ErrOvertaken, left, meta.Position)
	}
	return o.reopen(ctx)
}

// reopen lists what is stored, to make it right in a new epoch.
func (o *Owned) reopen(ctx context.Context) error {
	left := o.stored.meta.Position
	o.store.log.WarnContext(ctx, "redis does not hold what was left in it; a new epoch begins",
		"keyspace", o.name, "left", left)
	o.displaced, o.unsure = true, nil
	if left.Epoch.Compare(o.seen) > 0 {
		o.seen = left.Epoch
	}
	return o.relist(ctx)
}

func (o *Owned) flush(ctx context.Context) error {
	if !o.stored.listed {
		if err := o.refresh(ctx); err != nil {
			return err
		}
	}
	for tries := 0; ; {
		if meta := o.stored.meta; meta.Exists() && meta.Owner != o.owner {
			return fmt.Errorf("writing %s: %w: it is bound to %q and this is %q; give one of the two another name", o.name, ErrOwned, meta.Owner, o.owner)
		}
		b := o.next()
		if b.empty() && o.stored.meta.Exists() && !o.displaced && (o.stored.meta.Complete || !b.whole) {
			return nil
		}
		err := o.write(ctx, b)
		switch {
		case errors.Is(err, errTorn) && tries < 10:
			tries++
			if err := o.reopen(ctx); err != nil {
				return err
			}
		case errors.Is(err, errMoved) && tries < 10:
			tries++
			if err := o.displace(ctx); err != nil {
				return err
			}
		case errors.Is(err, errMoved):
			return fmt.Errorf("writing %s: %w", o.name, ErrConflict)
		case err != nil:
			return err
		case b.last:
			return nil
		}
	}
}

func (o *Owned) write(ctx context.Context, b batch) error {
	base := o.stored.meta
	next := Meta{
		Position: Position{base.Epoch, base.Revision + 1}, WriteID: newID(16), Owner: o.owner,
		Complete: base.Complete || b.last && b.whole, Buckets: base.Buckets, ChangedAt: time.Now(),
	}
	if !base.Exists() || o.displaced {
		next.Epoch = nextEpoch(next.ChangedAt, base.Epoch, o.seen)
		next.Complete = b.last && b.whole
	}
	if !base.Exists() {
		next.Buckets = o.store.cfg.Buckets
	}
	err := o.store.commit(ctx, write{name: o.name, base: base, next: next, set: b.set, del: b.del, since: b.since})
	if err != nil {
		if !errors.Is(err, errMoved) {
			const most = 8 // of an outage it is the first attempts that may have landed, or the last
			o.unsure = append(o.unsure[:min(len(o.unsure), most-1)], unsure{b, next})
		}
		return err
	}
	o.landed(b, next)
	return nil
}

func (o *Owned) landed(b batch, meta Meta) {
	o.displaced, o.seen, o.unsure = false, meta.Epoch, nil
	o.wrote(b, meta)
}
