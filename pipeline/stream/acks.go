package stream

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// ackDelay is how long an ack may wait for company, unless a read takes it along.
const ackDelay = 5 * time.Millisecond

// acks gathers acks, so that one command tells Redis of many.
type acks struct {
	mu       sync.Mutex
	byStream map[string][]string
	wake     chan struct{}
}

func newAcks() *acks {
	return &acks{byStream: map[string][]string{}, wake: make(chan struct{}, 1)}
}

func (a *acks) add(stream string, ids ...string) {
	a.mu.Lock()
	a.byStream[stream] = append(a.byStream[stream], ids...)
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// take returns the acks that wait for any of these streams, and they wait no longer.
func (a *acks) take(streams []string) map[string][]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.byStream) == 0 {
		return nil
	}
	taken := map[string][]string{}
	for _, stream := range streams {
		if ids, ok := a.byStream[stream]; ok {
			taken[stream] = ids
			delete(a.byStream, stream)
		}
	}
	return taken
}

// waiting returns the streams that acks wait for.
func (a *acks) waiting() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Keys(a.byStream))
}

// queueAcks adds one XACK for each stream to pipe. What it returns is to be
// called after the pipeline has run: it settles what Redis has taken, puts back
// what it has not, and returns why.
func (s *subscription) queueAcks(ctx context.Context, pipe redis.Pipeliner, taken map[string][]string) func() error {
	cmds := make(map[string]*redis.IntCmd, len(taken))
	for stream, ids := range taken {
		cmds[stream] = pipe.XAck(ctx, stream, s.cfg.Group, ids...)
	}
	return func() error {
		var failed error
		for stream, cmd := range cmds {
			if err := cmd.Err(); err != nil {
				failed = err
				s.acks.add(stream, taken[stream]...)
				continue
			}
			s.ledger.drop(stream, taken[stream]...)
		}
		return failed
	}
}

// sendAcks sends all acks gathered.
func (s *subscription) sendAcks(ctx context.Context) error {
	taken := s.acks.take(s.acks.waiting())
	if len(taken) == 0 {
		return nil
	}
	pipe := s.client.Pipeline()
	settle := s.queueAcks(ctx, pipe, taken)
	pipe.Exec(ctx) //nolint:errcheck // settle looks at each command
	return settle()
}

// ackLoop sends what no read takes along, because the reader waits for entries or for room.
func (s *subscription) ackLoop(ctx context.Context) {
	trouble := outage{log: s.log, what: "acks waiting for redis"}
	for {
		select {
		case <-s.acks.wake:
		case <-ctx.Done():
			return
		}
		if !pause(ctx, ackDelay) {
			return
		}
		if err := s.sendAcks(context.WithoutCancel(ctx)); err != nil {
			if !pause(ctx, trouble.failed(ctx, err)) {
				return
			}
			continue
		}
		trouble.over(ctx)
	}
}
