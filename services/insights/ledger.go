package insights

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/insight"
)

// ledger knows since when each insight holds. Replicas, which find it at different moments, agree on the earliest
// that any of them knows; so nothing is written twice.
type ledger struct {
	known map[string]stamp
	// stored is what Redis was last seen to hold.
	stored map[keyspace.Name]map[string]insight.Insight
}

// stamp is since when an insight holds, and since when it says what it says.
type stamp struct {
	content     []byte
	first, last time.Time
}

func newLedger() *ledger {
	return &ledger{known: map[string]stamp{}, stored: map[keyspace.Name]map[string]insight.Insight{}}
}

// see notes what Redis holds under an ID; a zero insight is none.
func (l *ledger) see(name keyspace.Name, id string, said insight.Insight) {
	if said.Code == "" {
		delete(l.stored[name], id)
		return
	}
	if l.stored[name] == nil {
		l.stored[name] = map[string]insight.Insight{}
	}
	l.stored[name][id] = said
}

// date returns an insight with its times, as it is to be stored in a keyspace, given that it is said now.
func (l *ledger) date(name keyspace.Name, id string, said insight.Insight, now time.Time) ([]byte, error) {
	now = now.UTC().Truncate(time.Second)
	content, err := contentOf(said)
	if err != nil {
		return nil, err
	}
	s, ok := l.known[id]
	switch {
	case !ok:
		s = stamp{content, now, now}
	case !bytes.Equal(s.content, content):
		s.content, s.last = content, now
	}
	if stored, ok := l.stored[name][id]; ok {
		s.first = earlier(s.first, stored.FirstSeen)
		if other, err := contentOf(stored); err == nil && bytes.Equal(other, content) {
			s.last = earlier(s.last, stored.LastChanged)
		}
	}
	l.known[id] = s
	said.FirstSeen, said.LastChanged = s.first, s.last
	return json.Marshal(said)
}

// close forgets an insight that no longer holds.
func (l *ledger) close(id string) { delete(l.known, id) }

func contentOf(said insight.Insight) ([]byte, error) {
	said.FirstSeen, said.LastChanged = time.Time{}, time.Time{}
	return json.Marshal(said)
}

func earlier(a, b time.Time) time.Time {
	if !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
