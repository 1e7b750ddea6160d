package keyspace

import (
	"cmp"
	"context"
	"slices"
)

// Item is one key of a keyspace, as it is stored.
type Item struct {
	// Key names it.
	Key string
	// Position is where its value was written.
	Position Position
	// Stored is the size of its envelope in Redis, in bytes.
	Stored int

	store *Store
	value sealed
}

// Value returns the value, or why it cannot be read ([ErrDamaged]).
func (i Item) Value() ([]byte, error) { return i.store.codec.open(i.value) }

// Items reads all keys of a keyspace as of one revision, sorted by key, a few buckets at a time. A keyspace that does not exist has none.
func (s *Store) Items(ctx context.Context, name Name) (Meta, []Item, error) {
	r := s.reader(name)
	u, err := r.list(ctx, relistFirst)
	if err != nil || u == nil {
		return Meta{}, nil, err
	}
	items := make([]Item, 0, len(u.changed))
	for key, c := range u.changed {
		if c.new != nil {
			items = append(items, Item{
				Key: key, Position: Position{u.new.Epoch, c.new.revision}, Stored: len(c.new.envelope(c.new.revision)), store: s, value: c.new.sealed,
			})
		}
	}
	slices.SortFunc(items, func(a, b Item) int { return cmp.Compare(a.Key, b.Key) })
	return u.new, items, nil
}
