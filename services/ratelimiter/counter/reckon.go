package counter

import (
	"math"
	"time"
)

// Answer is what became of a question.
type Answer struct {
	// Over says that the hits are not within the limit.
	Over bool
	// Remaining is how many more hits would pass now.
	Remaining uint32
	// Reset is how long it takes, without more hits, until the limit is whole again.
	Reset time.Duration
	// Retry is how long it takes until one more hit would pass; 0 when it would now.
	Retry time.Duration
	// From is where the answer comes from.
	From Source
	// Err is why Redis did not answer. The answer is then the one that the limit names; where it names none, it is no answer.
	Err error
}

// Source is where an answer comes from.
type Source byte

// The sources.
const (
	// FromRedis is an answer of Redis.
	FromRedis Source = iota
	// FromMemory is one that Redis gave within the last second: the counter is over its limit.
	FromMemory
	// FromLimit is one that no counter could change, of a limit of 0.
	FromLimit
	// FromFallback is one without Redis, as the limit names it.
	FromFallback
)

// used answers for a fixed window with so many hits counted.
func (l *Limit) used(count int64, over bool, rest time.Duration) Answer {
	a := Answer{Over: over, Reset: rest}
	if left := int64(l.Requests) - count; left > 0 {
		a.Remaining = uint32(left) //nolint:gosec // at most Requests
	} else {
		a.Retry = rest
	}
	return a
}

// slid answers for a sliding window: the last window's count, this one's, and the time since it began.
func (l *Limit) slid(last, count, since int64, over bool) Answer {
	period := l.Period.Microseconds()
	estimate := estimateOf(last, count, since, period)
	a := Answer{Over: over}
	if left := int64(l.Requests) - estimate; left > 0 {
		a.Remaining = uint32(left) //nolint:gosec // at most Requests
	}
	switch {
	case count > 0:
		a.Reset = micros(2*period - since)
	case last > 0:
		a.Reset = micros(period - since)
	}
	if a.Remaining > 0 {
		return a
	}
	// One hit passes once the share of the older window leaves room for it.
	room := int64(l.Requests) - 1
	if count <= room {
		a.Retry = micros(faded(last, room-count, period) - since)
	} else {
		a.Retry = micros(period - since + faded(count, room, period))
	}
	a.Retry = max(a.Retry, time.Microsecond)
	return a
}

// estimateOf is how many hits lie within one period from now, rounded up.
func estimateOf(last, count, since, period int64) int64 {
	return int64(math.Ceil(float64(last)*float64(period-since)/float64(period))) + count
}

// faded is how long after a window's end no more than room is left of its count.
func faded(count, room, period int64) int64 {
	if count <= room {
		return 0
	}
	return period - int64(float64(room)*float64(period)/float64(count))
}

// promised answers for GCRA: how much time from now on is promised to hits that came.
func (l *Limit) promised(promised int64, over bool) Answer {
	a := Answer{Over: over, Reset: micros(promised)}
	if free := l.tolerance - promised; free > 0 {
		left, _ := mulDiv(free, int64(l.Requests), l.Period.Microseconds())
		left = min(left, int64(l.Burst))
		for left > 0 && l.cost(left) > free { // costs are rounded up
			left--
		}
		a.Remaining = uint32(left) //nolint:gosec // at most Burst
	}
	if a.Remaining == 0 {
		a.Retry = max(micros(promised+l.cost(1)-l.tolerance), time.Microsecond)
	}
	return a
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// always answers for a limit of 0, which needs no counter.
func (l *Limit) always(hits int64, now time.Time) Answer {
	_, rest := l.window(now)
	return Answer{Over: hits > 0, Reset: rest, Retry: rest, From: FromLimit}
}
