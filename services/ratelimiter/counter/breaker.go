package counter

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// ErrOpen means that Redis was not asked, because it did not answer of late.
var ErrOpen = errors.New("the circuit breaker is open")

// breaker keeps calls from a server that does not answer. One call in a while finds out whether it does again.
type breaker struct {
	failures atomic.Int64 // in a row
	until    atomic.Int64 // ns since the epoch, or 0 when it is closed
	last     atomic.Pointer[error]
}

const (
	// tolerated is how many batches in a row may fail before the breaker opens.
	tolerated = 3
	// shortestBreak and longestBreak are between two tries.
	shortestBreak = 50 * time.Millisecond
	longestBreak  = time.Second
)

// refuses returns an error while the breaker is open. Where it is time to try, it lets one caller through.
func (b *breaker) refuses(now time.Time) error {
	until := b.until.Load()
	if until == 0 {
		return nil
	}
	if at := now.UnixNano(); at >= until && b.until.CompareAndSwap(until, at+int64(b.pause())) {
		return nil
	}
	return b.open()
}

func (b *breaker) pause() time.Duration {
	beyond := min(b.failures.Load()-tolerated, 10)
	return min(shortestBreak<<max(beyond, 0), longestBreak)
}

// note learns how a batch went.
func (b *breaker) note(err error, now time.Time) {
	if err == nil {
		if b.failures.Load() != 0 {
			b.failures.Store(0)
			b.until.Store(0)
		}
		return
	}
	why := fmt.Errorf("%w: %w", ErrOpen, err)
	b.last.Store(&why)
	if b.failures.Add(1) >= tolerated {
		b.until.Store(now.Add(b.pause()).UnixNano())
	}
}

// open returns why the breaker is open; nil when it is not.
func (b *breaker) open() error {
	if b.until.Load() == 0 {
		return nil
	}
	if p := b.last.Load(); p != nil {
		return *p
	}
	return ErrOpen
}
