package counter

import (
	"sync"
	"sync/atomic"
	"time"
)

// overs are the counters that Redis said are over their limit: their next hit is denied without asking. An answer is kept
// for a second at most, and never beyond the time at which a hit would pass.
type overs struct {
	shards [64]overShard
	bound  int // of each shard
}

type overShard struct {
	mu    sync.RWMutex
	until map[string]overUntil
	// returns counts refunds: what Redis said before one is not kept after it.
	returns atomic.Uint32
}

type overUntil struct{ end, retry, reset int64 } // ns since the epoch

const keptFor = time.Second

func newOvers(keys int) *overs {
	o := &overs{bound: max(keys/64, 1)}
	for i := range o.shards {
		o.shards[i].until = map[string]overUntil{}
	}
	return o
}

func (o *overs) shard(hash uint64) *overShard { return &o.shards[hash>>16%64] }

// answer answers for a counter that is known to be over.
func (s *overShard) answer(key []byte, now int64) (Answer, bool) {
	s.mu.RLock()
	u, ok := s.until[string(key)]
	s.mu.RUnlock()
	if !ok || now >= u.end {
		return Answer{}, false
	}
	return Answer{Over: true, Retry: time.Duration(u.retry - now), Reset: time.Duration(u.reset - now), From: FromMemory}, true
}

// keep notes that no hit passes for a while, unless a refund came since returns was read.
func (s *overShard) keep(bound int, key string, a Answer, now int64, returns uint32) {
	u := overUntil{end: now + int64(min(a.Retry, keptFor)), retry: now + int64(a.Retry), reset: now + int64(a.Reset)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.returns.Load() != returns {
		return
	}
	if len(s.until) >= bound {
		for old, u := range s.until { // those that have passed, or else any
			if delete(s.until, old); u.end > now && len(s.until) < bound {
				break
			}
		}
	}
	s.until[key] = u
}

// refund forgets a counter's answer, and those that are on their way.
func (s *overShard) refund(key []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.returns.Add(1)
	delete(s.until, string(key))
}
