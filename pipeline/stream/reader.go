package stream

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// fresh is the id behind which XREADGROUP finds what no consumer has been given.
	fresh = ">"
	// beginning is the id before every entry.
	beginning = "0-0"
	// sip is how long a read may wait that serves only some of its reader's streams.
	sip = 20 * time.Millisecond
	// resetCheck is how often a quiet fan-out looks whether a stream began anew.
	resetCheck = 5 * time.Second
)

// reader reads some streams of a subscription with one command at a time.
type reader struct {
	s    *subscription
	room *room

	// mu guards wanted, the streams to read, each with the id to start behind, or "" when it is still to be prepared.
	// changed wakes a reader that has none.
	mu      sync.Mutex
	wanted  map[string]string
	changed chan struct{}

	// What follows belongs to the goroutine of run.
	cursors   []*cursor
	turn      int // rotates cursors when there is not room for all
	trouble   outage
	nextClaim time.Time
	nextCheck time.Time
}

// cursor is a reader's place in one stream.
type cursor struct {
	stream string
	// next is the id to read behind: [fresh], or while reading what is pending for us, and in fan-out, an entry's.
	next string
	// ready says that the stream can be read: its group exists, its type is right.
	ready bool
	// refused is set while Redis refuses the stream, and retryAt is when to ask again.
	refused bool
	retryAt time.Time
	// claim is where the next search for entries of dead consumers begins.
	claim string
}

func newReader(s *subscription) *reader {
	return &reader{
		s: s, room: newRoom(s.cfg.InFlight),
		wanted: map[string]string{}, changed: make(chan struct{}, 1),
		trouble:   outage{log: s.log, what: "reading " + s.topic},
		nextClaim: time.Now().Add(rand.N(s.cfg.ClaimEvery)),
	}
}

func (r *reader) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.wanted)
}

// keep drops the streams that are not wanted, and takes those that it reads out of wanted.
func (r *reader) keep(wanted map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for stream := range r.wanted {
		if wanted[stream] {
			delete(wanted, stream)
			continue
		}
		delete(r.wanted, stream)
	}
}

func (r *reader) add(stream, start string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wanted[stream] = start
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func (r *reader) run() {
	live := r.s.live
	for live.Err() == nil {
		r.sync()
		ready := r.prepare(live)
		if len(ready) == 0 {
			r.idle()
			continue
		}
		r.room.setLimit(max(r.s.cfg.InFlight, len(ready)))
		room := r.room.wait(live.Done())
		if room == 0 {
			return
		}
		if r.s.cfg.Group != "" && time.Now().After(r.nextClaim) {
			r.claim(ready, room)
			continue
		}
		r.read(ready, room)
	}
}

// sync brings the cursors in line with what is wanted.
func (r *reader) sync() {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := make(map[string]bool, len(r.cursors))
	r.cursors = slices.DeleteFunc(r.cursors, func(c *cursor) bool {
		_, wanted := r.wanted[c.stream]
		known[c.stream] = true
		return !wanted
	})
	for stream, start := range r.wanted {
		if known[stream] {
			continue
		}
		c := &cursor{stream: stream, next: start, ready: start != "", claim: beginning}
		if !c.ready {
			c.next = beginning
		}
		r.cursors = append(r.cursors, c)
		r.s.serve(stream)
	}
}

// idle waits while there is no stream to read.
func (r *reader) idle() {
	timer := time.NewTimer(r.s.cfg.Block)
	defer timer.Stop()
	select {
	case <-r.changed:
	case <-timer.C:
	case <-r.s.live.Done():
	}
}

// read reads once and queues what came.
func (r *reader) read(ready []*cursor, room int) {
	block := r.s.cfg.Block
	if room < len(ready) { // some now, the others the next time
		r.turn %= len(ready)
		ready = slices.Concat(ready[r.turn:], ready[:r.turn])[:room]
		r.turn += room
		block = min(block, sip)
	}
	for _, c := range ready {
		if r.s.cfg.Group != "" && c.next != fresh {
			block = -1 // what is pending for us is there or not
		}
	}
	reply, err := r.command(ready, max(1, min(r.s.cfg.Batch, room/len(ready))), block)
	quiet := errors.Is(err, redis.Nil)
	if err != nil && !quiet {
		r.heal(err)
		return
	}
	r.trouble.over(r.s.live)
	if quiet && r.s.cfg.Group == "" {
		r.checkResets()
	}
	r.accept(ready, reply)
}

// command sends XREAD, or XREADGROUP with the acks that wait. With acks to
// deliver it does not wait for entries.
func (r *reader) command(ready []*cursor, count int, block time.Duration) ([]redis.XStream, error) {
	// Not the live context: a reply that is thrown away leaves its entries pending.
	ctx := context.WithoutCancel(r.s.live)
	streams := make([]string, 0, 2*len(ready))
	for _, c := range ready {
		streams = append(streams, c.stream)
	}
	for _, c := range ready {
		streams = append(streams, c.next)
	}
	if r.s.cfg.Group == "" {
		return r.s.client.XRead(ctx, &redis.XReadArgs{Streams: streams, Count: int64(count), Block: block}).Result()
	}
	args := &redis.XReadGroupArgs{
		Group: r.s.cfg.Group, Consumer: r.s.consumer, Streams: streams, Count: int64(count), Block: block,
	}
	taken := r.s.acks.take(streams[:len(ready)]) // not those of other nodes of a cluster
	if len(taken) == 0 {
		return r.s.client.XReadGroup(ctx, args).Result()
	}
	args.Block = -1
	pipe := r.s.client.Pipeline()
	settle := r.s.queueAcks(ctx, pipe, taken)
	read := pipe.XReadGroup(ctx, args)
	pipe.Exec(ctx) //nolint:errcheck // each command is looked at
	if err := settle(); err != nil {
		r.s.log.DebugContext(ctx, "acks put back", "error", err)
	}
	reply, err := read.Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil // not quiet: it has not waited
	}
	return reply, err
}

// accept moves the cursors and queues the entries of a reply.
func (r *reader) accept(asked []*cursor, reply []redis.XStream) {
	messages := make(map[string][]redis.XMessage, len(reply))
	for _, s := range reply {
		messages[s.Stream] = s.Messages
	}
	var entries []*entry
	for _, c := range asked {
		got := messages[c.stream]
		if r.s.cfg.Group == "" {
			if len(got) > 0 {
				c.next = got[len(got)-1].ID
			}
			entries = append(entries, r.take(c.stream, got, nil)...)
			continue
		}
		var attempts map[string]int
		switch {
		case c.next == fresh:
		case len(got) == 0:
			c.next = fresh
		default:
			c.next = got[len(got)-1].ID
			attempts = r.s.attempts(c.stream, got)
		}
		entries = append(entries, r.take(c.stream, got, attempts)...)
	}
	r.queue(entries)
}

// take makes entries of what came, leaving out what is in hand already and what
// has left the stream.
func (r *reader) take(stream string, got []redis.XMessage, attempts map[string]int) []*entry {
	entries := make([]*entry, 0, len(got))
	var gone []string
	for _, m := range got {
		if m.Values == nil { // pending, but deleted or trimmed
			gone = append(gone, m.ID)
			continue
		}
		e := &entry{
			entryKey: entryKey{stream, m.ID}, values: m.Values, attempt: max(1, attempts[m.ID]),
			room: r.room, owner: r.s, alive: time.Now(),
		}
		if r.s.cfg.Group != "" && !r.s.ledger.take(e) {
			continue
		}
		e.decoded, e.undecodable = Decode(m.Values)
		entries = append(entries, e)
	}
	if len(gone) > 0 && r.s.cfg.Group != "" {
		r.s.log.Warn("pending entries left the stream unread", "stream", stream, "entries", len(gone))
		r.s.acks.add(stream, gone...)
	}
	return entries
}

func (r *reader) queue(entries []*entry) {
	if len(entries) == 0 {
		return
	}
	r.room.take(len(entries))
	r.s.lanes.put(entries, func(e *entry) string {
		if e.undecodable != nil {
			return e.stream
		}
		return r.s.cfg.Lane(e.stream, e.decoded)
	})
}
