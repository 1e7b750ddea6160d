package ratelimiter

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/meshweir/meshweir/services/ratelimiter/counter"
	"github.com/meshweir/meshweir/services/ratelimiter/rules"
)

// Counter is a caller who is close to a limit, or over it, as this limiter last heard.
type Counter struct {
	// Domain, Rule and Limit say which limit it is.
	Domain string `json:"domain"`
	Rule   string `json:"rule"`
	Limit  string `json:"limit,omitempty"`
	// Entries are what the limit counts by; values that must not be seen are digests.
	Entries []Entry `json:"entries"`
	// Requests are allowed in a Period.
	Requests uint32 `json:"requests"`
	Period   string `json:"period"`
	// Remaining is how many more would pass, and Over says that some did not.
	Remaining uint32 `json:"remaining"`
	Over      bool   `json:"over"`
	// Shadow says that the limit denies nothing.
	Shadow bool `json:"shadow,omitempty"`
	// Reset is when it may go on, or is whole again.
	Reset time.Time `json:"reset"`
	// Seen is when this limiter last heard of it.
	Seen time.Time `json:"seen"`
}

// Entry is one entry that a limit counts by.
type Entry struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// watch keeps who is close to a limit or over it. What has reset is forgotten.
type watch struct {
	bound int

	mu   sync.Mutex
	seen map[string]*Counter
}

const mostWatched = 10_000

func newWatch() *watch { return &watch{bound: mostWatched, seen: map[string]*Counter{}} }

func (w *watch) note(now time.Time, l *limit, parts []byte, met *rules.Met, a counter.Answer, secrets *secrets) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := append(append(append(make([]byte, 0, 256), l.Domain...), 0), l.ID...)
	key = append(append(key, 0), parts...)
	c := w.seen[string(key)]
	if c == nil {
		w.makeRoom(now)
		c = &Counter{Domain: l.Domain, Rule: l.Rule, Limit: l.Name, Period: l.Period.String(), Shadow: l.Shadow}
		for _, e := range met.Counter {
			value := e.Value
			if secrets.hides(e.Key) {
				value = digest(value)
			}
			// The call's own strings would keep all of its memory.
			c.Entries = append(c.Entries, Entry{strings.Clone(e.Key), strings.Clone(value)})
		}
		w.seen[string(key)] = c
	}
	c.Requests, c.Remaining, c.Over, c.Seen, c.Reset = l.Requests, a.Remaining, a.Over, now, now.Add(untilReset(a))
}

func (w *watch) makeRoom(now time.Time) {
	if len(w.seen) < w.bound {
		return
	}
	for key, c := range w.seen { // those that have passed, or else any
		if delete(w.seen, key); c.Reset.After(now) && len(w.seen) < w.bound {
			return
		}
	}
}

// top returns the tightest, of one domain or of all.
func (w *watch) top(now time.Time, n int, domain string) []Counter {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := []Counter{}
	for key, c := range w.seen {
		switch {
		case !c.Reset.After(now):
			delete(w.seen, key)
		case domain == "" || c.Domain == domain:
			found = append(found, *c)
		}
	}
	slices.SortFunc(found, func(a, b Counter) int {
		return cmp.Or(
			-cmp.Compare(b2i(a.Over), b2i(b.Over)),
			cmp.Compare(float64(a.Remaining)/float64(max(a.Requests, 1)), float64(b.Remaining)/float64(max(b.Requests, 1))),
			b.Seen.Compare(a.Seen), cmp.Compare(a.Rule, b.Rule),
		)
	})
	return found[:min(n, len(found))]
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
