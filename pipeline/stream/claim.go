package stream

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// releasedIdle is how long a released entry pretends to have been left alone, so
// that whoever looks next may take it over.
const releasedIdle = time.Hour

// claim takes over entries that their consumers, ourselves included, have left
// alone for too long. What we have in hand is kept alive and so not found; if it
// is found nevertheless, it is not handed out twice.
func (r *reader) claim(ready []*cursor, room int) {
	every := r.s.cfg.ClaimEvery
	r.nextClaim = time.Now().Add(every*4/5 + rand.N(every*2/5+1))
	ctx := context.WithoutCancel(r.s.live)
	searching := slices.Clone(ready)
	rand.Shuffle(len(searching), func(i, j int) { searching[i], searching[j] = searching[j], searching[i] })
	for len(searching) > 0 && room > 0 && r.s.live.Err() == nil {
		searching = searching[:min(len(searching), room)] // others another time
		claimed, err := r.claimRound(ctx, searching, int64(room/len(searching)))
		if err != nil {
			r.heal(err)
			return
		}
		room -= claimed
		searching = slices.DeleteFunc(searching, func(c *cursor) bool { return c.claim == beginning })
	}
}

// nothingPending is the id behind which no entry can be pending.
const nothingPending = "18446744073709551615-0"

// claimRound searches each stream once and queues what it finds. It also asks for what is pending for us behind every id: that is
// nothing, but unlike a read that waits in vain, and a search that finds nothing, it tells a Redis before 7.2 that we live.
func (r *reader) claimRound(ctx context.Context, searching []*cursor, count int64) (claimed int, err error) {
	cmds := make([]*redis.XAutoClaimCmd, len(searching))
	pipe := r.s.client.Pipeline()
	for i, c := range searching {
		cmds[i] = pipe.XAutoClaim(ctx, &redis.XAutoClaimArgs{
			Stream: c.stream, Group: r.s.cfg.Group, Consumer: r.s.consumer,
			MinIdle: r.s.cfg.ClaimIdle, Start: c.claim, Count: count,
		})
		pipe.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: r.s.cfg.Group, Consumer: r.s.consumer, Streams: []string{c.stream, nothingPending}, Count: 1, Block: -1,
		})
	}
	pipe.Exec(ctx) //nolint:errcheck // each command is looked at
	for i, c := range searching {
		found, next, e := cmds[i].Result()
		if e != nil {
			err = e
			continue
		}
		c.claim = next
		if len(found) > 0 {
			entries := r.take(c.stream, found, r.s.attempts(c.stream, found))
			r.queue(entries)
			claimed += len(entries)
		}
	}
	return claimed, err
}

// attempts returns the number of deliveries that Redis counted for entries that
// are pending for us.
func (s *subscription) attempts(stream string, entries []redis.XMessage) map[string]int {
	ctx := context.WithoutCancel(s.live)
	first, last := entries[0].ID, entries[0].ID
	for _, m := range entries {
		if CompareIDs(m.ID, first) < 0 {
			first = m.ID
		}
		if CompareIDs(m.ID, last) > 0 {
			last = m.ID
		}
	}
	pending, err := s.client.XPendingExt(ctx, &redis.XPendingExtArgs{
		Stream: stream, Group: s.cfg.Group, Start: first, End: last,
		Count: int64(len(entries) + s.cfg.InFlight), Consumer: s.consumer,
	}).Result()
	if err != nil { // the count then begins anew, which costs a retry or two
		s.log.DebugContext(ctx, "attempts not known", "stream", stream, "error", err)
	}
	attempts := make(map[string]int, len(pending))
	for _, p := range pending {
		attempts[p.ID] = int(p.RetryCount)
	}
	return attempts
}

// keepAlive tells Redis of the entries that wait or are worked on for long, so
// that no other consumer takes them for abandoned.
func (s *subscription) keepAlive(ctx context.Context) {
	every := s.cfg.ClaimIdle / 3
	for pause(ctx, every/2) {
		now := time.Now()
		stale := s.ledger.touch(s, now.Add(-every/2), now)
		if len(stale) == 0 {
			continue
		}
		pipe := s.client.Pipeline()
		for stream, ids := range stale {
			pipe.XClaimJustID(ctx, &redis.XClaimArgs{Stream: stream, Group: s.cfg.Group, Consumer: s.consumer, Messages: ids})
		}
		if _, err := pipe.Exec(ctx); err != nil && ctx.Err() == nil {
			s.log.DebugContext(ctx, "entries not kept alive", "error", err)
		}
	}
}

// rememberAttempts writes down how many attempts failed, so that the count survives us.
func (s *subscription) rememberAttempts(e *entry) {
	if s.cfg.Group == "" {
		return
	}
	if err := s.setPending(s.messages, s.client, e.stream, 0, e.attempt-1, e.id).Err(); err != nil {
		s.log.DebugContext(s.messages, "attempts not written down", "stream", e.stream, "entry_id", e.id, "error", err)
	}
}

// doer is a client or a pipeline.
type doer interface {
	Do(ctx context.Context, args ...any) *redis.Cmd
}

// setPending sets how long entries pretend to have been idle and how often they
// were delivered; it does nothing to those that are no longer pending.
func (s *subscription) setPending(ctx context.Context, client doer, stream string, idle time.Duration, attempts int, ids ...string) *redis.Cmd {
	args := []any{"xclaim", stream, s.cfg.Group, s.consumer, 0}
	for _, id := range ids {
		args = append(args, id)
	}
	args = append(args, "idle", idle.Milliseconds(), "retrycount", strconv.Itoa(attempts), "justid")
	return client.Do(ctx, args...)
}

// settle says the last words of the subscription: its acks, and which entries it gives back.
func (s *subscription) settle(ctx context.Context) {
	if s.cfg.Group == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	if err := s.sendAcks(ctx); err != nil {
		s.log.WarnContext(ctx, "acks lost at the end of a subscription", "topic", s.topic, "error", err)
	}
	type batch struct {
		stream   string
		attempts int
	}
	back := map[batch][]string{}
	for _, e := range s.released {
		made := e.attempt - 1
		if e.handed {
			made = e.attempt
		}
		b := batch{e.stream, made}
		back[b] = append(back[b], e.id)
	}
	pipe := s.client.Pipeline()
	for b, ids := range back {
		s.setPending(ctx, pipe, b.stream, releasedIdle, b.attempts, ids...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		s.log.WarnContext(ctx, "entries not given back at the end of a subscription", "topic", s.topic, "error", err)
	}
	for _, e := range s.released {
		s.ledger.drop(e.stream, e.id)
	}
}
