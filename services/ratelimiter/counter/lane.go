package counter

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// ticket is what one call asks in one lane.
type ticket struct {
	commands []*command
	used     int
	arrived  time.Time
	err      error         // why there is no answer at all
	done     chan struct{} // of size 1; nil when nobody waits
}

// next returns a command to fill.
func (t *ticket) next() *command {
	if t.used == len(t.commands) {
		t.commands = append(t.commands, newCommand())
	}
	c := t.commands[t.used]
	t.used++
	c.asks = c.asks[:0]
	c.first = false
	return c
}

// lane asks one server, one batch at a time. What comes meanwhile is the next batch. The caller who finds the lane idle
// sends at once, by itself; nothing runs where nobody asks.
type lane struct {
	client   redis.UniversalClient
	cluster  redis.UniversalClient // nil where there is none; sends what moved to where it is
	deadline time.Duration
	breaker  breaker
	observe  func(commands int, took time.Duration, err error)
	tickets  sync.Pool

	mu      sync.Mutex
	busy    bool
	waiting []*ticket
	spare   []*ticket
	cmds    []redis.Cmder // of the one batch in flight
}

// longestBatch bounds a batch, so that one does not stop Redis for long.
const longestBatch = 512

// do asks what t holds, and returns when it is answered, or could not be.
func (l *lane) do(t *ticket) {
	if err := l.breaker.refuses(t.arrived); err != nil {
		t.err = err
		return
	}
	l.mu.Lock()
	if l.busy {
		l.waiting = append(l.waiting, t)
		l.mu.Unlock()
		<-t.done
		return
	}
	l.busy = true
	l.mu.Unlock()
	// Those who are about to ask join, where there are any.
	runtime.Gosched()
	l.mu.Lock()
	batch := l.take(t)
	l.mu.Unlock()
	l.run(batch, t)
	l.mu.Lock()
	l.spare = batch[:0]
	more := len(l.waiting) > 0
	l.busy = more
	l.mu.Unlock()
	if more {
		go l.drain()
	}
}

// take returns what waits as the next batch, behind first if there is one.
func (l *lane) take(first *ticket) []*ticket {
	batch := l.spare[:0]
	l.spare = nil
	if first != nil {
		batch = append(batch, first)
	}
	n := min(len(l.waiting), longestBatch)
	batch = append(batch, l.waiting[:n]...)
	rest := copy(l.waiting, l.waiting[n:])
	clear(l.waiting[rest:])
	l.waiting = l.waiting[:rest]
	return batch
}

// drain sends batches until nothing waits.
func (l *lane) drain() {
	for {
		runtime.Gosched()
		l.mu.Lock()
		if len(l.waiting) == 0 {
			l.busy = false
			l.mu.Unlock()
			return
		}
		batch := l.take(nil)
		l.mu.Unlock()
		l.run(batch, nil)
		l.mu.Lock()
		l.spare = batch[:0]
		l.mu.Unlock()
	}
}

// run sends a batch and tells each but own, whose caller this is, that its answers are there.
func (l *lane) run(batch []*ticket, own *ticket) {
	now := time.Now()
	// Nobody waits longer than the deadline: three quarters of it are for one batch, and who waited for
	// a slow one still has the last quarter.
	until := batch[0].arrived.Add(l.deadline * 3 / 4)
	if least := now.Add(l.deadline / 4); until.Before(least) {
		until = least
	}
	var err error
	if now.Sub(batch[0].arrived) > l.deadline*3/4 {
		err = errLate
	} else {
		err = l.send(batch, until)
	}
	for _, t := range batch {
		t.err = err
		if t != own && t.done != nil {
			t.done <- struct{}{}
		}
	}
	clear(batch)
}

// errLate is for who waited for a batch that took too long.
var errLate = errors.New("asking Redis: no answer within the deadline")

// send sends a batch and reads its answers. An error means that none is there.
func (l *lane) send(batch []*ticket, until time.Time) error {
	cmds := l.cmds[:0]
	for _, t := range batch {
		for _, c := range t.commands[:t.used] {
			cmds = c.appendTo(cmds)
		}
	}
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	begun := time.Now()
	err := execute(ctx, l.client, cmds)
	ended := time.Now()
	l.breaker.note(err, ended)
	if l.observe != nil {
		l.observe(len(cmds), ended.Sub(begun), err)
	}
	clear(cmds)
	l.cmds = cmds
	if err != nil {
		return err
	}
	l.heal(ctx, batch)
	return nil
}

// execute sends commands. An error is about the connection; what the server says of a command stays in the command.
func execute(ctx context.Context, client redis.UniversalClient, cmds []redis.Cmder) error {
	pipe := client.Pipeline()
	if err := pipe.BatchProcess(ctx, cmds...); err != nil {
		return err
	}
	_, err := pipe.Exec(ctx)
	if _, said := errors.AsType[redis.Error](err); said {
		return nil
	}
	return err
}

// heal sends what must be sent once more, and gives counters a time to live that lost it.
func (l *lane) heal(ctx context.Context, batch []*ticket) {
	var moved, whole []redis.Cmder
	var lost *ticket
	for _, t := range batch {
		for _, c := range t.commands[:t.used] {
			switch elsewhere, all := c.again(); {
			case elsewhere && l.cluster != nil:
				moved = c.appendTo(moved)
			case all:
				whole = c.appendTo(whole)
			case c.kind == adds && !c.first && c.add.Val() == c.hits && c.add.Err() == nil:
				if lost == nil {
					lost = &ticket{arrived: time.Now()}
				}
				e := lost.next()
				e.kind, e.key, e.life = expires, c.key, c.life
			}
		}
	}
	// Errors stand in the commands.
	if len(moved) > 0 {
		_ = execute(ctx, l.cluster, moved)
	}
	if len(whole) > 0 {
		_ = execute(ctx, l.client, whole)
	}
	if lost != nil {
		l.mu.Lock()
		l.waiting = append(l.waiting, lost)
		l.mu.Unlock()
	}
}
