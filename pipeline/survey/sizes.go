package survey

import (
	"cmp"
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/stream"
)

// mostTrouble is how much is said of one keyspace: what is wrong with one bucket is often wrong with each.
const mostTrouble = 3

// sizes counts the keys of each keyspace, and asks what its keys of Redis take: the latter is an estimate of Redis'.
func (t *taking) sizes(ctx context.Context) error {
	type hash struct {
		k   *Keyspace
		key string
	}
	var hashes []hash
	for i := range t.survey.Keyspaces {
		k := &t.survey.Keyspaces[i]
		k.Objects, k.Bytes = 0, 0
		for b := range k.buckets {
			hashes = append(hashes, hash{k, k.Name.BucketKey(b)})
		}
	}
	err := t.pipelined(ctx, len(hashes), func(p redis.Pipeliner, i int) func() error {
		h := hashes[i]
		length, usage := p.HLen(ctx, h.key), p.MemoryUsage(ctx, h.key)
		return func() error {
			h.k.Objects += length.Val()
			h.k.Bytes += usage.Val()
			if err := cmp.Or(length.Err(), usage.Err()); len(h.k.Trouble) < mostTrouble || !stream.IsReply(err) {
				return h.k.note(h.key, err)
			}
			return nil
		}
	})
	if err != nil {
		return err
	}
	spaces := t.survey.Keyspaces
	return t.pipelined(ctx, len(spaces), func(p redis.Pipeliner, i int) func() error {
		k := &spaces[i]
		meta, events := p.MemoryUsage(ctx, k.Name.MetaKey()), p.MemoryUsage(ctx, k.Name.EventsKey())
		return func() error {
			k.Bytes += meta.Val() + events.Val()
			return k.note(k.Name.MetaKey(), cmp.Or(meta.Err(), events.Err()))
		}
	})
}
