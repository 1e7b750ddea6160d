package survey

import (
	"cmp"
	"context"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/stream"
	"github.com/meshweir/meshweir/schemas/events"
)

// lookAhead is how many unread entries are read to find an event among them.
const lookAhead = 16

// groups reads of each consumer group who is in it, what is pending longest, and what it reads next.
func (t *taking) groups(ctx context.Context) error {
	type place struct {
		k *Keyspace
		g *Group
	}
	var places []place
	for i := range t.survey.Keyspaces {
		k := &t.survey.Keyspaces[i]
		for j := range k.Stream.Groups {
			places = append(places, place{k, &k.Stream.Groups[j]})
		}
	}
	return t.pipelined(ctx, len(places), func(p redis.Pipeliner, i int) func() error {
		k, g := places[i].k, places[i].g
		events := k.Name.EventsKey()
		consumers := p.XInfoConsumers(ctx, events, g.Name)
		var pending *redis.XPendingExtCmd
		if g.Pending > 0 {
			pending = p.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: events, Group: g.Name, Start: "-", End: "+", Count: 1})
		}
		var unread *redis.XMessageSliceCmd
		if k.Stream.lastID != "" && stream.CompareIDs(g.lastID, k.Stream.lastID) < 0 {
			unread = p.XRangeN(ctx, events, "("+g.lastID, "+", lookAhead)
		}
		return func() error {
			err := consumers.Err()
			t.takeConsumers(g, consumers.Val())
			if pending != nil {
				err = cmp.Or(err, pending.Err())
				if oldest := pending.Val(); len(oldest) > 0 {
					g.PendingAt, g.Attempts = stream.TimeOf(oldest[0].ID).UTC(), oldest[0].RetryCount
				}
			}
			if unread != nil {
				err = cmp.Or(err, unread.Err())
				g.takeUnread(k, unread.Val())
			}
			return k.note(events, err)
		}
	})
}

func (t *taking) takeConsumers(g *Group, consumers []redis.XInfoConsumer) {
	for _, c := range consumers {
		one := Consumer{Name: c.Name, Pending: c.Pending}
		if c.Idle >= 0 {
			one.ActiveAt = t.survey.At.Add(-c.Idle)
		}
		g.Consumers = append(g.Consumers, one)
	}
	slices.SortFunc(g.Consumers, func(a, b Consumer) int { return cmp.Compare(a.Name, b.Name) })
}

// takeUnread counts what the group has not been given, by the first event among it.
func (g *Group) takeUnread(k *Keyspace, entries []redis.XMessage) {
	if len(entries) == 0 {
		return
	}
	g.UnreadAt, g.Lag = stream.TimeOf(entries[0].ID).UTC(), -1
	var writes int64
	for _, entry := range entries {
		e, _, err := keyspace.DecodeEvent(entry)
		switch {
		case err != nil || e.Keyspace != string(k.Name):
		case e.Relist: // asks for repair, and is no write
			g.Lag = max(g.Lag, 0)
		default:
			if writes++; writes == 1 {
				g.Lag = k.since(e)
			}
		}
	}
	if len(entries) < lookAhead { // these are all: an old event that was replayed tells of no more than that
		g.Lag = min(g.Lag, writes)
	}
}

// since is the number of revisions from that of an event on.
func (k *Keyspace) since(e events.Changed) int64 {
	switch {
	case e.Epoch != k.Epoch:
		return int64(k.Revision) //nolint:gosec // G115: a count of writes
	case e.Revision > k.Revision: // written since meta was read
		return 0
	default:
		return int64(k.Revision-e.Revision) + 1 //nolint:gosec // G115: a count of writes
	}
}
