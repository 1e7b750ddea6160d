package keyspace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Shared writes single records of a keyspace that has many writers.
type Shared struct {
	store *Store
	name  Name
}

// Shared returns a writer of a shared keyspace.
func (s *Store) Shared(name Name) *Shared { return &Shared{s, name} }

// Update changes one record by compare-and-set: change gets the stored value, nil
// for none, and returns the new one, nil to delete; it may be called again when
// another writer was faster. An error of change is returned as it is. Equal
// values make no write. A value that cannot be read is none, and is written anew.
func (h *Shared) Update(ctx context.Context, key string, change func(old []byte) ([]byte, error)) error {
	const tries = 100
	for try := 1; try <= tries; try++ {
		err := h.update(ctx, key, change)
		if !errors.Is(err, errMoved) {
			return err
		}
		if err := pause(ctx, min(try, 4)); err != nil {
			return err
		}
	}
	return fmt.Errorf("writing %s of %s: %w, %d times", key, h.name, ErrConflict, tries)
}

func (h *Shared) update(ctx context.Context, key string, change func(old []byte) ([]byte, error)) error {
	s := h.store
	base, err := s.Meta(ctx, h.name)
	if err != nil {
		return err
	}
	var old []byte
	damaged := false
	if base.Exists() {
		text, err := s.client.HGet(ctx, h.name.BucketKey(bucket(key, base.Buckets)), key).Result()
		if err == nil {
			old, _, err = s.open(text)
		}
		if damaged = errors.Is(err, ErrDamaged); err != nil && !damaged && !errors.Is(err, redis.Nil) {
			return fmt.Errorf("reading %s of %s: %w", key, h.name, err)
		}
	}
	value, err := change(old)
	if same := (value == nil) == (old == nil) && bytes.Equal(value, old); err != nil || same && !damaged {
		return err
	}
	now := time.Now()
	next := base
	next.Revision, next.WriteID, next.ChangedAt, next.Complete = base.Revision+1, newID(16), now, true
	if !base.Exists() {
		next.Epoch, next.Buckets = nextEpoch(now), s.cfg.Buckets
	}
	w := write{name: h.name, base: base, next: next, since: now}
	if value == nil {
		w.del = []string{key}
	} else {
		w.set = map[string]sealed{key: s.codec.seal(value, hashOf(value))}
	}
	return s.commit(ctx, w)
}
