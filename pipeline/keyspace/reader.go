package keyspace

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"

	"github.com/meshweir/meshweir/pipeline/telemetry"
)

// Why a reader lists again instead of following events.
const (
	relistFirst    = "first"    // it has no state yet
	relistGap      = "gap"      // a revision is missing: trimmed, or lost in a failover
	relistChain    = "chain"    // the revision fits, the id of the write before it does not: history was rewritten
	relistEpoch    = "epoch"    // the writer says that history was lost
	relistVanished = "vanished" // the keyspace is gone
	relistLost     = "lost"     // meta moved, and no event says how
	relistAsked    = "asked"    // an operator asks for it
	relistPartial  = "partial"  // a part of the last list could not be read
)

// reader holds the headers of what a keyspace stores and brings them up to date.
// What it shows is the state at one revision, never a mixture. Not safe for
// concurrent use.
type reader struct {
	store *Store
	name  Name
	// meta and entries are the visible state.
	meta    Meta
	entries map[string]stored
	// lastID is the id of the last event entry that the state contains.
	lastID string
	// listed is false until the first list.
	listed bool
	// partial says that a part of the list could not be read, so that the state is not complete.
	partial bool
	// writes says that this is a writer's: what it cannot read it must see, to write it anew.
	writes bool
}

// update is one step of the visible state.
type update struct {
	old, new Meta
	// changed holds what each changed key was and is; nil for absent.
	changed map[string]*change
	relist  string
	causes  []telemetry.Cause
}

type change struct{ old, new *stored }

func (s *Store) reader(name Name) *reader {
	return &reader{store: s, name: name, entries: map[string]stored{}, lastID: "0-0"}
}

// sync brings the state up to date with what Redis holds now. update is nil when nothing changed.
func (r *reader) sync(ctx context.Context) (*update, error) {
	if !r.listed {
		return r.list(ctx, relistFirst)
	}
	return r.follow(ctx, nil)
}

// follow applies events that were already read, and all others that there are.
func (r *reader) follow(ctx context.Context, entries []redis.XMessage) (*update, error) {
	if r.partial { // something moved: perhaps the rest can be read now
		return r.list(ctx, relistPartial)
	}
	at := r.cursor()
	reason := at.take(ctx, entries)
	if reason == "" {
		meta, values, lost, err := r.converge(ctx, at)
		switch {
		case err != nil:
			return nil, err
		case lost == "":
			return r.show(meta, at, values), nil
		case !meta.Exists() && !r.meta.Exists():
			r.lastID = at.lastID
			return nil, nil
		}
		reason = lost
	}
	if !r.meta.Exists() {
		reason = relistFirst
	}
	return r.list(ctx, reason)
}

// converge moves the cursor to the last event and returns the values of the keys that
// changed on the way. Each round reads, in one transaction, meta, further events and the values
// of the keys that are known to have changed; it is over once a round brings no key that was not
// read with it, because only then are the values those of one revision.
func (r *reader) converge(ctx context.Context, at *cursor) (meta Meta, values map[string]*stored, relist string, err error) {
	values = map[string]*stored{}
	for {
		meta, events, round, err := r.round(ctx, at)
		if err != nil {
			return meta, nil, "", err
		}
		if !meta.Exists() {
			return meta, nil, relistVanished, nil
		}
		maps.Copy(values, round)
		at.wanted = nil
		before := at.Revision
		if relist := at.take(ctx, events); relist != "" {
			return meta, nil, relist, nil
		}
		for key, revision := range at.dirty {
			_, read := values[key]
			if _, now := round[key]; !read || revision > before && !now {
				at.wanted = append(at.wanted, key)
			}
		}
		switch {
		case len(at.wanted) > 0 || len(events) == roundEvents:
		case meta.Position == at.Position && meta.WriteID == at.WriteID:
			return meta, values, "", nil
		case meta.Epoch != at.Epoch:
			return meta, nil, relistEpoch, nil
		default:
			return meta, nil, relistLost, nil
		}
	}
}

const roundEvents = 1000

// round reads meta, the events after the cursor and the values of the wanted keys in one transaction.
func (r *reader) round(ctx context.Context, at *cursor) (Meta, []redis.XMessage, map[string]*stored, error) {
	var meta *redis.SliceCmd
	var more *redis.XMessageSliceCmd
	byBucket := map[int][]string{}
	for _, key := range at.wanted {
		b := bucket(key, at.buckets)
		byBucket[b] = append(byBucket[b], key)
	}
	values := make(map[int]*redis.SliceCmd, len(byBucket))
	queue := func(p redis.Pipeliner) error {
		meta = p.HMGet(ctx, r.name.MetaKey(), metaFields()...)
		more = p.XRangeN(ctx, r.name.EventsKey(), "("+at.lastID, "+", roundEvents)
		for b, keys := range byBucket {
			values[b] = p.HMGet(ctx, r.name.BucketKey(b), keys...)
		}
		return nil
	}
	cmds, err := r.store.client.TxPipelined(ctx, queue)
	if err = why(err, cmds); redis.IsOOMError(err) {
		err = r.readFull(ctx, queue, &meta)
	}
	if err != nil && !wrongType(err) {
		return Meta{}, nil, nil, fmt.Errorf("following %s: %w", r.name, err)
	}
	m, err := r.parseMeta(ctx, meta)
	if err != nil {
		return Meta{}, nil, nil, err
	}
	found := make(map[string]*stored, len(at.wanted))
	for b, cmd := range values {
		if err := cmd.Err(); wrongType(err) { // what was readable before stays, what was not is unreadable
			for _, key := range byBucket[b] {
				found[key] = r.parse(ctx, key, "")
			}
			continue
		} else if err != nil {
			return Meta{}, nil, nil, fmt.Errorf("following %s: %w", r.name, err)
		}
		reply := cmd.Val()
		for i, key := range byBucket[b] {
			found[key] = nil
			if i < len(reply) {
				if text, ok := reply[i].(string); ok {
					found[key] = r.parse(ctx, key, text)
				}
			}
		}
	}
	return m, more.Val(), found, nil
}

// readFull runs queue, whose first command reads meta, on a Redis that is full: it
// takes no transaction then, not even one of reads. Every write changes meta, so what was read between
// two equal readings of it is of one revision.
func (r *reader) readFull(ctx context.Context, queue func(redis.Pipeliner) error, meta **redis.SliceCmd) error {
	var after *redis.SliceCmd
	_, err := r.store.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		err := queue(p)
		after = p.HMGet(ctx, r.name.MetaKey(), metaFields()...)
		return err
	})
	if err == nil && !slices.Equal((*meta).Val(), after.Val()) {
		return errMoved
	}
	return err
}

func (r *reader) parseMeta(ctx context.Context, cmd *redis.SliceCmd) (Meta, error) {
	if cmd.Err() != nil {
		return Meta{}, nil // of a foreign type: the same as absent, its writer will mend it
	}
	m, err := parseMeta(r.name, cmd.Val())
	if errors.Is(err, ErrDamaged) {
		r.damaged(ctx, "meta", err)
		return Meta{}, nil
	}
	return m, err
}

// parse reads an envelope. One that cannot be read is reported, and the rest goes on: for who follows, what was
// readable before stays as it was; what never was is kept as unreadable, which is not the same as absent.
func (r *reader) parse(ctx context.Context, key, text string) *stored {
	e, err := parseEnvelope(text)
	if err == nil {
		return &e
	}
	return r.unreadable(ctx, key, text, err)
}

// prove is parse for a writer that lists: it opens what it read too.
func (r *reader) prove(ctx context.Context, key, text string) *stored {
	e := r.parse(ctx, key, text)
	if !r.writes || e.codec == codecUnreadable {
		return e
	}
	if _, err := r.store.codec.open(e.sealed); err != nil {
		return r.unreadable(ctx, key, text, err)
	}
	return e
}

func (r *reader) unreadable(ctx context.Context, key, text string, err error) *stored {
	if r.writes {
		count(ctx, r.store.metrics.damaged, 1, r.name)
		r.store.log.WarnContext(ctx, "what cannot be decoded is written anew", "keyspace", r.name, "what", key, "error", err)
	} else {
		r.damaged(ctx, key, err)
		if old, ok := r.entries[key]; ok {
			return &old
		}
	}
	return &stored{sealed: sealed{hash: ^hashOf([]byte(text)), codec: codecUnreadable}} // the hash of nothing that anybody wants
}

// distrust takes what is known of a value for unreadable, because its body is: the same header with a body that is mended is a change.
func (r *reader) distrust(key string) {
	e := r.entries[key]
	e.hash, e.codec = ^e.hash, codecUnreadable
	r.entries[key] = e
}

func (r *reader) damaged(ctx context.Context, what string, err error) {
	count(ctx, r.store.metrics.damaged, 1, r.name)
	r.store.log.WarnContext(ctx, "skipping what cannot be decoded", "keyspace", r.name, "what", what, "error", err)
}

// show makes the state at the cursor visible.
func (r *reader) show(meta Meta, at *cursor, values map[string]*stored) *update {
	meta.Complete = meta.Complete && !r.partial
	r.lastID = at.lastID
	u := &update{old: r.meta, new: meta, changed: map[string]*change{}, causes: at.causes}
	moved := r.meta.Position != meta.Position || r.meta.Complete != meta.Complete
	r.meta = meta
	for key := range at.dirty {
		r.put(u, key, values[key])
	}
	if !moved {
		return nil
	}
	return u
}

// put sets one key of the visible state and records the change.
func (r *reader) put(u *update, key string, value *stored) {
	var old *stored
	if o, ok := r.entries[key]; ok {
		old = &o
	}
	if value == nil {
		delete(r.entries, key)
	} else {
		kept := *value
		kept.body = nil // only the update carries it
		r.entries[key] = kept
	}
	if old == nil && value == nil || old != nil && value != nil && old.hash == value.hash {
		return
	}
	u.changed[key] = &change{old: old, new: value}
}

// list reads everything: it notes the stream's last id first, and follows from there.
func (r *reader) list(ctx context.Context, reason string) (*update, error) {
	count(ctx, r.store.metrics.relists, 1, r.name, attribute.String("reason", reason))
	if reason != relistFirst {
		r.store.log.InfoContext(ctx, "listing a keyspace again", "keyspace", r.name, "reason", reason)
	}
	const tries = 10
	for try := 1; ; try++ {
		fresh := r.store.reader(r.name)
		fresh.entries, fresh.writes = r.entries, r.writes // the entries are what a damaged value falls back to
		seen, at, err := fresh.load(ctx)
		if err != nil {
			return nil, err
		}
		if seen == nil && try < tries { // history was lost again while it was being read
			if err := pause(ctx, try); err != nil {
				return nil, err
			}
			continue
		}
		if seen == nil {
			return nil, fmt.Errorf("listing %s: its history was lost %d times while it was read", r.name, tries)
		}
		u := &update{old: r.meta, new: fresh.meta, changed: map[string]*change{}, relist: reason, causes: at.causes}
		if !r.listed && len(u.causes) > 0 {
			u.causes[0].At = time.Time{} // that write did not wait for this reader
		}
		for key := range r.entries {
			if _, ok := seen[key]; !ok {
				r.put(u, key, nil)
			}
		}
		for key, value := range seen {
			r.put(u, key, &value)
		}
		moved := !r.listed || !r.meta.sameWrite(fresh.meta) || len(u.changed) > 0
		r.meta, r.lastID, r.listed, r.partial = fresh.meta, fresh.lastID, true, fresh.partial
		if !moved {
			return nil, nil
		}
		return u, nil
	}
}

const bucketsAtOnce = 8

// load reads the state of a fresh reader. It returns nil entries when the keyspace's history changed underneath.
func (r *reader) load(ctx context.Context) (map[string]stored, *cursor, error) {
	last, err := r.store.client.XRevRangeN(ctx, r.name.EventsKey(), "+", "-", 1).Result()
	if err != nil && !wrongType(err) {
		return nil, nil, fmt.Errorf("listing %s: %w", r.name, err)
	}
	var causes []telemetry.Cause
	if len(last) > 0 {
		r.lastID = last[0].ID
		if _, msg, err := DecodeEvent(last[0]); err == nil {
			causes = append(causes, causeOf(msg))
		}
	}
	if r.meta, err = r.store.Meta(ctx, r.name); err != nil {
		return nil, nil, err
	}
	seen := map[string]stored{}
	for from := 0; from < r.meta.Buckets; from += bucketsAtOnce {
		if err := r.loadBuckets(ctx, from, min(from+bucketsAtOnce, r.meta.Buckets), seen); err != nil {
			return nil, nil, err
		}
	}
	at := r.cursor()
	at.causes = causes
	meta, changed, lost, err := r.converge(ctx, at)
	switch {
	case err != nil:
		return nil, nil, err
	case !meta.Exists() && !r.meta.Exists():
		return seen, at, nil
	case lost != "":
		return nil, nil, nil
	}
	meta.Complete = meta.Complete && !r.partial
	r.meta, r.lastID = meta, at.lastID
	for key := range at.dirty {
		if value := changed[key]; value != nil {
			seen[key] = *value
		} else {
			delete(seen, key)
		}
	}
	return seen, at, nil
}

func (r *reader) loadBuckets(ctx context.Context, from, to int, seen map[string]stored) error {
	cmds := make([]*redis.MapStringStringCmd, 0, to-from)
	_, _ = r.store.client.Pipelined(ctx, func(p redis.Pipeliner) error { // each command has its own error
		for i := from; i < to; i++ {
			cmds = append(cmds, p.HGetAll(ctx, r.name.BucketKey(i)))
		}
		return nil
	})
	for i, cmd := range cmds {
		if err := cmd.Err(); wrongType(err) {
			r.damaged(ctx, r.name.BucketKey(from+i), err)
			r.partial = true
		} else if err != nil {
			return fmt.Errorf("listing %s: %w", r.name, err)
		}
		for key, text := range cmd.Val() {
			seen[key] = *r.prove(ctx, key, text)
		}
	}
	return nil
}
