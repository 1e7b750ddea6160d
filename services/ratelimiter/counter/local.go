package counter

import (
	"math"
	"sync"
	"time"
)

// local counts in memory what Redis could not be asked, against a replica's share of each limit. It knows nothing of what
// Redis counted before, and Redis never learns what it counted.
type local struct {
	mu    sync.Mutex
	bound int
	held  map[string]*held
}

// held is a counter: of fixed and sliding windows, or of GCRA.
type held struct {
	window, count, last int64
	arrival             int64 // µs since the epoch
	end                 int64 // µs since the epoch: it says nothing any more
}

func newLocal(bound int) *local { return &local{bound: bound, held: map[string]*held{}} }

// share is the limit of one of several replicas, rounded up.
func (l *Limit) share(replicas int) *Limit {
	n := uint32(replicas) //nolint:gosec // at least 1
	s := *l
	s.Requests = (l.Requests + n - 1) / n
	s.Burst = (l.Burst + n - 1) / n
	if l.Requests > math.MaxUint32-n {
		s.Requests = l.Requests/n + 1
	}
	return s.Ready()
}

// count does what the script does.
func (m *local) count(key string, ask Ask, now time.Time, replicas int) Answer {
	l := ask.Limit.share(replicas)
	micro := now.UnixMicro()
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.held[key]
	if h == nil {
		h = &held{}
		if ask.Hits > 0 {
			m.makeRoom(micro)
			m.held[key] = h
		}
	}
	_, rest := l.window(now)
	return h.step(l, ask.Hits, micro, rest)
}

func (m *local) makeRoom(now int64) {
	if len(m.held) < m.bound {
		return
	}
	for key, h := range m.held { // those that say nothing any more, or else any
		if delete(m.held, key); h.end > now && len(m.held) < m.bound {
			return
		}
	}
}

func (h *held) step(l *Limit, hits, now int64, rest time.Duration) Answer {
	switch l.Algorithm {
	case GCRA:
		return h.arrive(l, hits, now)
	case SlidingWindow:
		return h.slide(l, hits, now)
	case FixedWindow:
	}
	limit := int64(l.Requests)
	over := hits >= 0 && h.count+hits > limit
	switch {
	case hits < 0:
		h.count = max(0, min(h.count, limit)+hits)
	case l.CountDenied || !over:
		h.count += hits
	}
	h.end = now + rest.Microseconds()
	return l.used(h.count, over, rest)
}

func (h *held) slide(l *Limit, hits, now int64) Answer {
	period, limit := l.Period.Microseconds(), int64(l.Requests)
	switch window := now / period; {
	case h.window == window-1:
		h.window, h.last, h.count = window, h.count, 0
	case h.window < window:
		h.window, h.last, h.count = window, 0, 0
	}
	since := max(0, now-h.window*period)
	used := estimateOf(h.last, h.count, since, period)
	over := hits >= 0 && used+hits > limit
	switch {
	case hits < 0:
		h.count = max(0, h.count-max(0, used-limit)+hits)
	case l.CountDenied || !over:
		h.count += hits
	}
	h.end = now + 2*period - since
	return l.slid(h.last, h.count, since, over)
}

func (h *held) arrive(l *Limit, hits, now int64) Answer {
	arrival, cost := max(h.arrival, now), l.cost(hits)
	over := hits >= 0 && arrival+cost-now > l.tolerance
	switch {
	case hits < 0:
		arrival = max(now, min(arrival, now+l.tolerance)+cost)
	case l.CountDenied || !over:
		arrival += cost
	}
	h.arrival, h.end = arrival, arrival
	return l.promised(arrival-now, over)
}
