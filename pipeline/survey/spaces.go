package survey

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/stream"
)

// spaces reads of each keyspace what takes one command each: meta, the end of the stream, its groups and the beat.
func (t *taking) spaces(ctx context.Context) error {
	metas := map[keyspace.Name]keyspace.Meta{}
	err := t.pipelined(ctx, len(t.survey.Keyspaces), func(p redis.Pipeliner, i int) func() error {
		k := &t.survey.Keyspaces[i]
		events, beatKey := k.Name.EventsKey(), k.Name.BeatKey()
		meta := keyspace.QueueMeta(ctx, p, k.Name)
		info, last := p.XInfoStream(ctx, events), p.XRevRangeN(ctx, events, "+", "-", 1)
		groups := p.XInfoGroups(ctx, events)
		beat, left := p.Get(ctx, beatKey), p.PTTL(ctx, beatKey)
		return func() error {
			m, err := meta()
			if err := k.note(k.Name.MetaKey(), err); err != nil {
				return err
			}
			metas[k.Name] = m
			k.takeMeta(m)
			if err := k.note(events, cmp.Or(info.Err(), last.Err(), groups.Err())); err != nil {
				return err
			}
			length := int64(0)
			if info.Err() == nil {
				length = info.Val().Length
			}
			k.takeStream(length, last.Val(), groups.Val())
			if text, err := beat.Bytes(); err == nil && left.Val() > 0 {
				k.Beat = newBeat(text, t.survey.At.Add(left.Val()))
				return nil
			}
			return k.note(beatKey, beat.Err())
		}
	})
	if err == nil {
		err = t.readAgain(ctx, metas)
	}
	for i := range t.survey.Keyspaces {
		t.survey.Keyspaces[i].takeInputs(metas)
	}
	return err
}

// readAgain reads those metas again that are older than what something was computed from: they were read before that
// was written. What is older even now has lost its history.
func (t *taking) readAgain(ctx context.Context, metas map[keyspace.Name]keyspace.Meta) error {
	older := map[keyspace.Name]bool{}
	for _, m := range metas {
		for name, at := range m.Inputs {
			if metas[name].Compare(at) < 0 {
				older[name] = true
			}
		}
	}
	names := slices.Sorted(maps.Keys(older))
	return t.pipelined(ctx, len(names), func(p redis.Pipeliner, i int) func() error {
		meta := keyspace.QueueMeta(ctx, p, names[i])
		return func() error {
			m, err := meta()
			if err == nil {
				metas[names[i]] = m
			}
			return new(Keyspace).note(names[i].MetaKey(), err) // of what the directory lists, trouble is noted already
		}
	})
}

func (k *Keyspace) takeMeta(m keyspace.Meta) {
	if !m.Exists() {
		if len(k.Trouble) == 0 {
			k.Trouble = append(k.Trouble, "it is in the directory and holds nothing: Redis lost it, and its writer has not written it again")
		}
		return
	}
	k.Exists, k.Epoch, k.Revision, k.Complete = true, m.Epoch.String(), m.Revision, m.Complete
	k.Owner, k.ChangedAt, k.buckets = m.Owner, m.ChangedAt.UTC(), m.Buckets
	for name, at := range m.Inputs {
		k.Inputs = append(k.Inputs, Input{Name: name, Epoch: at.Epoch.String(), Revision: at.Revision})
	}
	slices.SortFunc(k.Inputs, func(a, b Input) int { return cmp.Compare(a.Name, b.Name) })
}

func (k *Keyspace) takeStream(length int64, last []redis.XMessage, groups []redis.XInfoGroup) {
	k.Stream.Length = length
	if len(last) > 0 {
		k.Stream.lastID, k.Stream.LastAt = last[0].ID, stream.TimeOf(last[0].ID).UTC()
		if e, _, err := keyspace.DecodeEvent(last[0]); err == nil && e.Keyspace == string(k.Name) && e.Epoch == k.Epoch {
			k.Stream.LastRevision = e.Revision
		}
	} else if k.Exists && length == 0 && len(groups) == 0 && len(k.Trouble) == 0 {
		k.Trouble = append(k.Trouble, fmt.Sprintf("%s has no entries: it was deleted, or trimmed by somebody else; the next write makes it again", k.Name.EventsKey()))
	}
	for _, g := range groups {
		k.Stream.Groups = append(k.Stream.Groups, Group{Name: g.Name, Pending: g.Pending, lastID: g.LastDeliveredID})
	}
	slices.SortFunc(k.Stream.Groups, func(a, b Group) int { return cmp.Compare(a.Name, b.Name) })
}

func newBeat(info []byte, until time.Time) *Beat {
	if !json.Valid(info) {
		info, _ = json.Marshal(string(info)) // text marshals
	}
	return &Beat{Info: info, Until: until}
}

// takeInputs compares what was computed from with what there is.
func (k *Keyspace) takeInputs(metas map[keyspace.Name]keyspace.Meta) {
	for i := range k.Inputs {
		in := &k.Inputs[i]
		now := metas[in.Name]
		in.ChangedAt = now.ChangedAt.UTC()
		switch {
		case now.Epoch.String() != in.Epoch || now.Revision < in.Revision:
			in.Lost, in.Behind = true, now.Revision
		default:
			in.Behind = now.Revision - in.Revision
		}
	}
}
