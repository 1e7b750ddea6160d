package keyspace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"

	"github.com/meshweir/meshweir/pipeline/stream"
	"github.com/meshweir/meshweir/pipeline/telemetry"
	"github.com/meshweir/meshweir/schemas/events"
)

// write is one guarded atomic step: values, meta and event change together, and
// only if the stored meta is still base.
type write struct {
	name Name
	base Meta
	next Meta
	set  map[string]sealed
	del  []string
	// since is when the first of the changes was seen here; the context may know of an earlier time elsewhere.
	since time.Time
}

// commit makes the write, in a span of its own. An attempt whose answer was lost is made again under
// the same write id, so a write that did land is not made twice. errMoved says
// that the stored meta is not base.
func (s *Store) commit(ctx context.Context, w write) error {
	ctx, span := s.span(ctx, w)
	defer span.End()
	err := s.attempt(ctx, w)
	if err != nil {
		span.RecordError(err)
	}
	if err != nil && !errors.Is(err, errMoved) { // a lost race is part of the game
		span.SetStatus(codes.Error, refusal(err))
		count(ctx, s.metrics.failures, 1, w.name, attribute.String("error", refusal(err)))
	}
	return err
}

func (s *Store) attempt(ctx context.Context, w write) error {
	const attempts = 5
	for attempt := 1; ; attempt++ {
		err := s.try(ctx, w)
		switch {
		case err == nil:
			count(ctx, s.metrics.writes, 1, w.name)
			count(ctx, s.metrics.failures, 0, w.name, attribute.String("error", "OOM")) // the first one would else be no increase
			count(ctx, s.metrics.keys, len(w.set)+len(w.del), w.name)
			if w.next.Epoch != w.base.Epoch {
				count(ctx, s.metrics.epochs, 1, w.name)
				s.announce(ctx, w.name)
			}
			return nil
		case errors.Is(err, redis.TxFailedErr):
			// Meta moved between check and EXEC; the next try sees how.
		case errors.Is(err, errMoved) && attempt > 1:
			landed, lookErr := s.landed(ctx, w)
			switch {
			case landed:
				return nil
			case lookErr == nil:
				return err
			case !transient(lookErr) || attempt >= attempts:
				return lookErr // not errMoved: it may be this write that moved meta
			}
		case errors.Is(err, errMoved):
			count(ctx, s.metrics.conflicts, 1, w.name)
			return err
		case wrongType(err):
			if _, mendErr := s.mend(ctx, w.name, w.next.Buckets); mendErr != nil {
				return errors.Join(err, mendErr)
			}
			return errTorn
		case !transient(err) || attempt >= attempts:
			return fmt.Errorf("writing %s: %w", w.name, err)
		}
		if err := pause(ctx, attempt); err != nil {
			return fmt.Errorf("writing %s: %w", w.name, err)
		}
	}
}

// errMoved says that the stored meta is not the one that a write was based on.
var errMoved = errors.New("the stored meta has moved")

// errTorn says that meta has moved by the write itself, of which a part was refused because a key held another type.
var errTorn = fmt.Errorf("%w by a write that is not whole", errMoved)

func (s *Store) try(ctx context.Context, w write) error {
	return s.guarded(ctx, w.name, func(tx *redis.Tx) error {
		reply, err := tx.HMGet(ctx, w.name.MetaKey(), metaFields()...).Result()
		if err != nil {
			return err
		}
		found, err := parseMeta(w.name, reply)
		if err != nil {
			s.log.WarnContext(ctx, "keyspace meta is damaged and will be written anew", "keyspace", w.name, "error", err)
			found = Meta{}
		}
		if !found.sameWrite(w.base) || !maps.Equal(found.Inputs, w.base.Inputs) {
			return errMoved
		}
		event, err := w.event(ctx)
		if err != nil {
			return err
		}
		cmds, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error { return w.queue(ctx, p, event, s.cfg.StreamLength) })
		return why(err, cmds)
	})
}

// errMoving is what a Redis Cluster would say, had the library asked on.
var errMoving = errors.New("TRYAGAIN the keyspace moves from one server of the Redis Cluster to another")

// guarded makes a step that holds only while meta stays as it is. While a slot moves, its servers send the library to
// each other; it gives that up without having called step, and reports no error: that must not pass for a write.
func (s *Store) guarded(ctx context.Context, name Name, step func(*redis.Tx) error) error {
	called := false
	err := s.client.Watch(ctx, func(tx *redis.Tx) error {
		called = true
		return step(tx)
	}, name.MetaKey())
	if err == nil && !called {
		return errMoving
	}
	return err
}

// why returns the error of the command that made Redis refuse a transaction: EXECABORT itself says nothing.
func why(err error, cmds []redis.Cmder) error {
	if err == nil || !strings.HasPrefix(err.Error(), "EXECABORT") {
		return err
	}
	for _, cmd := range cmds {
		if e := cmd.Err(); e != nil && !strings.HasPrefix(e.Error(), "EXECABORT") {
			return e
		}
	}
	return err
}

func (w write) event(ctx context.Context) ([]any, error) {
	e := events.Changed{
		Version: 1, Keyspace: string(w.name), Epoch: w.next.Epoch.String(), Revision: w.next.Revision,
		Previous: w.base.WriteID, Complete: w.next.Complete, At: telemetry.ChangedAtOf(ctx).UnixMilli(), Deleted: slices.Sorted(slices.Values(w.del)),
	}
	for key := range w.set {
		e.Set = append(e.Set, key)
	}
	slices.Sort(e.Set)
	payload, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encoding an event: %w", err)
	}
	msg := message.NewMessage(w.next.WriteID, payload)
	telemetry.Inject(ctx, msg.Metadata)
	return stream.Values(msg)
}

func (w write) queue(ctx context.Context, p redis.Pipeliner, event []any, streamLength int64) error {
	if !w.base.Exists() {
		// Without meta nobody knows what lies in the buckets.
		for i := range w.next.Buckets {
			p.Unlink(ctx, w.name.BucketKey(i))
		}
	}
	sets := map[int][]any{}
	for key, value := range w.set {
		b := bucket(key, w.next.Buckets)
		sets[b] = append(sets[b], key, value.envelope(w.next.Revision))
	}
	for b, pairs := range sets {
		p.HSet(ctx, w.name.BucketKey(b), pairs...)
	}
	dels := map[int][]string{}
	for _, key := range w.del {
		b := bucket(key, w.next.Buckets)
		dels[b] = append(dels[b], key)
	}
	for b, keys := range dels {
		p.HDel(ctx, w.name.BucketKey(b), keys...)
	}
	p.HSet(ctx, w.name.MetaKey(), w.next.fields()...)
	p.XAdd(ctx, &redis.XAddArgs{Stream: w.name.EventsKey(), MaxLen: streamLength, Approx: true, Values: event})
	return nil
}

// landed looks for the write's event: the answer to an attempt was lost, and
// others may have written since.
func (s *Store) landed(ctx context.Context, w write) (bool, error) {
	end := "+"
	for {
		entries, err := s.client.XRevRangeN(ctx, w.name.EventsKey(), end, "-", 64).Result()
		if err != nil {
			return false, fmt.Errorf("looking for write %s of %s: %w", w.next.WriteID, w.name, err)
		}
		for _, entry := range entries {
			e, msg, err := DecodeEvent(entry)
			if err != nil || e.Relist {
				continue
			}
			if msg.UUID == w.next.WriteID {
				return true, nil
			}
			if epoch, err := ParseEpoch(e.Epoch); err == nil && (Position{epoch, e.Revision}).Compare(w.next.Position) < 0 {
				return false, nil
			}
		}
		if len(entries) < 64 {
			return false, nil
		}
		end = "(" + entries[len(entries)-1].ID
	}
}

// mend removes what stands under the keyspace's names with a type that is not
// ours: nothing of value can be in it, and every write would fail on it.
func (s *Store) mend(ctx context.Context, name Name, buckets int) (mended bool, err error) {
	want := map[string]string{name.MetaKey(): "hash", name.EventsKey(): "stream"}
	for i := range buckets {
		want[name.BucketKey(i)] = "hash"
	}
	types := map[string]*redis.StatusCmd{}
	_, err = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for key := range want {
			types[key] = p.Type(ctx, key)
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("looking for damage in %s: %w", name, err)
	}
	for key, t := range types {
		if t.Val() == "none" || t.Val() == want[key] {
			continue
		}
		s.log.WarnContext(ctx, "removing a key of a foreign type", "key", key, "type", t.Val(), "want", want[key])
		if err := s.client.Unlink(ctx, key).Err(); err != nil {
			return mended, fmt.Errorf("removing %s, which is a %s: %w", key, t.Val(), err)
		}
		mended = true
	}
	return mended, nil
}

// transient reports whether trying again may help without anybody mending anything.
func transient(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var netErr net.Error
	if errors.As(err, &netErr) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, redis.ErrPoolTimeout) {
		return true
	}
	for _, prefix := range []string{"LOADING", "CLUSTERDOWN", "TRYAGAIN", "MASTERDOWN"} {
		if strings.HasPrefix(err.Error(), prefix) {
			return true
		}
	}
	return false
}

// pause backs off exponentially, from about 10 ms to about 1 s, with jitter.
func pause(ctx context.Context, attempt int) error {
	d := min(10*time.Millisecond<<min(attempt-1, 7), time.Second)
	timer := time.NewTimer(d/2 + rand.N(d))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// amend changes what meta says without a write, no revision, no event: where it says still what base does.
func (s *Store) amend(ctx context.Context, name Name, base, next Meta) error {
	err := s.guarded(ctx, name, func(tx *redis.Tx) error {
		reply, err := tx.HMGet(ctx, name.MetaKey(), metaFields()...).Result()
		if err != nil {
			return err
		}
		found, err := parseMeta(name, reply)
		if err != nil {
			return err
		}
		if !found.sameWrite(base) || !maps.Equal(found.Inputs, base.Inputs) {
			return errMoved
		}
		cmds, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.HSet(ctx, name.MetaKey(), next.fields()...)
			return nil
		})
		return why(err, cmds)
	})
	if errors.Is(err, redis.TxFailedErr) {
		return errMoved
	}
	if err != nil && !errors.Is(err, errMoved) {
		return fmt.Errorf("amending the meta of %s: %w", name, err)
	}
	return err
}
