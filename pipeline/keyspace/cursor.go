package keyspace

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/telemetry"
	"github.com/meshweir/meshweir/schemas/events"
)

// cursor is a place in the event stream: the events up to Position are known.
type cursor struct {
	Position
	WriteID string
	lastID  string
	buckets int
	// dirty holds the keys that changed, with the revision of the last change.
	dirty map[string]uint64
	// wanted holds the dirty keys whose values the next round reads.
	wanted []string
	causes []telemetry.Cause
	reader *reader
}

func (r *reader) cursor() *cursor {
	return &cursor{
		Position: r.meta.Position, WriteID: r.meta.WriteID, lastID: r.lastID, buckets: r.meta.Buckets,
		dirty: map[string]uint64{}, reader: r,
	}
}

// take moves the cursor over entries. It returns why it cannot, or "".
func (c *cursor) take(ctx context.Context, entries []redis.XMessage) (relist string) {
	for _, entry := range entries {
		e, msg, err := DecodeEvent(entry)
		c.lastID = entry.ID
		if err != nil || e.Keyspace != string(c.reader.name) {
			// Not one of ours. If it was an event of ours that got damaged, the next one shows a gap.
			c.reader.damaged(ctx, "event "+entry.ID, err)
			continue
		}
		at := EventPosition(e)
		switch {
		case e.Relist:
			return relistAsked
		case at.Epoch != c.Epoch:
			if at.Compare(c.Position) < 0 {
				continue // from before the list
			}
			return relistEpoch
		case at.Revision <= c.Revision:
			continue // the list has it
		case at.Revision != c.Revision+1:
			return relistGap
		case e.Previous != c.WriteID:
			return relistChain
		}
		c.Position, c.WriteID = at, msg.UUID
		c.mark(e)
		c.causes = append(c.causes, causeOf(msg))
	}
	return ""
}

func (c *cursor) mark(e events.Changed) {
	for _, keys := range [][]string{e.Set, e.Deleted} {
		for _, key := range keys {
			if _, known := c.dirty[key]; !known {
				c.wanted = append(c.wanted, key)
			}
			c.dirty[key] = e.Revision
		}
	}
}
