package counter

import (
	"math"
	"math/bits"
	"time"
)

// Algorithm is a way to count.
type Algorithm byte

// The algorithms.
const (
	// FixedWindow counts in windows that begin at multiples of the period, or where the calendar says.
	FixedWindow Algorithm = 'f'
	// SlidingWindow adds to the count of this window the share of the last one's that lies within one period from now.
	SlidingWindow Algorithm = 's'
	// GCRA is the generic cell rate algorithm (ITU-T I.371): even spacing, and bursts.
	GCRA Algorithm = 'g'
)

// OnError is the answer where Redis gives none.
type OnError byte

// The answers.
const (
	// Fail answers with the error.
	Fail OnError = iota
	// Allow lets pass.
	Allow
	// Deny denies.
	Deny
	// Local counts in memory, against this replica's share of the limit.
	Local
)

// Effect is what being over a limit does to a call whose counters count together or not at all.
type Effect byte

// The effects.
const (
	// Denies denies the call.
	Denies Effect = 'd'
	// Shadows denies nothing.
	Shadows Effect = 's'
	// Spends denies the call when all such limits are used up.
	Spends Effect = 'q'
)

// Limit is what counting needs to know of a limit. It does not change; make it with its fields and [Limit.Ready].
type Limit struct {
	// Name tells the limit from all others of its domain, over changes of the configuration too. It must be another one
	// for another period or algorithm, but not for another number of requests.
	Name string
	// Domain is the limit's.
	Domain string
	// Requests are allowed in a period.
	Requests uint32
	// Period is the length of a period, of at least a millisecond. A calendar's is that of its longest.
	Period time.Duration
	// Window returns where the window of a time begins and ends, for a period of the calendar. Nil: at multiples of Period.
	Window func(now time.Time) (start, end time.Time)
	// Algorithm is how it counts.
	Algorithm Algorithm
	// Burst is how many hits GCRA takes at once; 0 is Requests.
	Burst uint32
	// CountDenied counts hits that are denied.
	CountDenied bool
	// Together makes the counters of a call count together or not at all. They share a slot, with all of the domain.
	Together bool
	// Effect matters where Together is set.
	Effect Effect
	// OnError is the answer where Redis gives none.
	OnError OnError

	prefix    string
	tolerance int64 // of GCRA, in µs: what Burst hits take
}

// Ready computes what each question needs, and returns the limit.
func (l *Limit) Ready() *Limit {
	if l.Burst == 0 {
		l.Burst = l.Requests
	}
	if l.Effect == 0 {
		l.Effect = Denies
	}
	if l.Requests > 0 {
		tolerance, _ := mulDiv(int64(l.Burst), l.Period.Microseconds(), int64(l.Requests))
		l.tolerance = min(tolerance, maxCost-1)
	}
	l.prefix = prefixOf(l)
	return l
}

// cost is what so many hits take, in µs. It is rounded up, so that no more pass than the limit says: a limit of n
// in a second is up to n millionths stricter.
func (l *Limit) cost(hits int64) int64 {
	if hits < 0 {
		return -l.cost(-hits)
	}
	cost, rest := mulDiv(hits, l.Period.Microseconds(), int64(l.Requests))
	if rest > 0 {
		cost++
	}
	return min(cost, maxCost)
}

// maxCost is more than any tolerance, and exact in a script's numbers.
const maxCost = 1 << 51

// mulDiv returns a*b/c, and whether something is left, for numbers that are not negative.
func mulDiv(a, b, c int64) (quotient, rest int64) {
	high, low := bits.Mul64(uint64(a), uint64(b)) //nolint:gosec // not negative
	if high >= uint64(c) {                        //nolint:gosec // not negative
		return math.MaxInt64, 0
	}
	q, r := bits.Div64(high, low, uint64(c))      //nolint:gosec // not negative
	return int64(min(q, math.MaxInt64)), int64(r) //nolint:gosec // bounded
}

// window returns the number of the window of a time, and how long it lasts from now.
func (l *Limit) window(now time.Time) (number int64, rest time.Duration) {
	if l.Window != nil {
		start, end := l.Window(now)
		return start.Unix(), end.Sub(now)
	}
	if l.Period < time.Hour*24*365 { // nanoseconds since the epoch fit until the year 2262
		nano := now.UnixNano()
		return nano / int64(l.Period), l.Period - time.Duration(nano%int64(l.Period))
	}
	micro, period := now.UnixMicro(), l.Period.Microseconds()
	return micro / period, time.Duration(period-micro%period) * time.Microsecond
}
