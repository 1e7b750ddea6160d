package stream

import (
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// entry is one stream entry in the hands of this process, from its read to its
// ack or release.
type entry struct {
	entryKey
	values map[string]any
	// decoded is the message of the first delivery, nil where undecodable says why.
	decoded     *message.Message
	undecodable error
	// attempt numbers the next delivery, or the one under way, from 1.
	attempt int
	// handed is set once the entry has been handed out for this attempt.
	handed bool
	room   *room
	owner  *subscription
	// alive is when Redis was last told that the entry is in hand; guarded by the ledger.
	alive time.Time
}

type entryKey struct{ stream, id string }

// ledger lists what a Subscriber has in hand. An entry stays listed until Redis
// knows of its ack, so that no second read of what is pending hands it out again.
type ledger struct {
	mu   sync.Mutex
	held map[entryKey]*entry
}

// take lists e, unless an entry of its key is listed already.
func (l *ledger) take(e *entry) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, held := l.held[e.entryKey]; held {
		return false
	}
	l.held[e.entryKey] = e
	return true
}

func (l *ledger) drop(stream string, ids ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		delete(l.held, entryKey{stream, id})
	}
}

// touch returns, by stream, the ids that owner holds and that were last alive
// before the given time, and notes that they are alive now.
func (l *ledger) touch(owner *subscription, before, now time.Time) map[string][]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	stale := map[string][]string{}
	for key, e := range l.held {
		if e.owner == owner && e.alive.Before(before) {
			e.alive = now
			stale[key.stream] = append(stale[key.stream], key.id)
		}
	}
	return stale
}

// gather is how long a reader with little room waits for more, rather than
// reading a few entries at a time.
const gather = 5 * time.Millisecond

// room counts what a reader holds against its limit.
type room struct {
	mu          sync.Mutex
	limit, held int
	freed       chan struct{}
}

func newRoom(limit int) *room {
	return &room{limit: limit, freed: make(chan struct{}, 1)}
}

func (r *room) setLimit(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.limit = n
}

// left returns how many entries more may be held, and whether that is worth a read.
func (r *room) left() (n int, ample bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n = r.limit - r.held
	return n, n > 0 && n >= r.limit/2
}

func (r *room) take(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held += n
}

func (r *room) free() {
	r.mu.Lock()
	r.held--
	r.mu.Unlock()
	select {
	case r.freed <- struct{}{}:
	default:
	}
}

// wait returns how many entries may be read: at once when there is ample room,
// a moment later when there is little. It returns 0 when stop ends the wait.
func (r *room) wait(stop <-chan struct{}) int {
	var patience <-chan time.Time
	for {
		n, ample := r.left()
		if ample {
			return n
		}
		if n > 0 && patience == nil {
			timer := time.NewTimer(gather)
			defer timer.Stop()
			patience = timer.C
		}
		select {
		case <-r.freed:
		case <-patience:
			if n, _ := r.left(); n > 0 {
				return n
			}
			patience = nil
		case <-stop:
			return 0
		}
	}
}
