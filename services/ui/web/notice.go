package web

import (
	"time"

	"github.com/meshweir/meshweir/pipeline/redisconn"
)

// Notice says what is wrong with the picture itself.
type Notice struct {
	// Stale is since when Redis cannot be reached; zero when it can.
	Stale time.Time `json:"stale,omitzero"`
	// Refusal is why Redis takes no writes; nil when it does.
	Refusal *Refusal `json:"refusal,omitempty"`
}

// Refusal says what is wrong with a Redis that can be read and not written.
type Refusal struct {
	Since time.Time `json:"since"`
	What  string    `json:"what"`
	Why   string    `json:"why"`
	Mend  string    `json:"mend"`
}

// hear takes how reading and writing ended, and reports whether that is news.
func (n *Notice) hear(err error, now time.Time) (news bool) {
	before := *n
	finding, refused := redisconn.Refusal(err)
	*n = Notice{}
	switch {
	case err == nil:
	case !refused:
		n.Stale = earlier(before.Stale, now)
	default:
		n.Refusal = &Refusal{Since: now, What: finding.What, Why: finding.Why, Mend: finding.Mend}
		if b := before.Refusal; b != nil {
			n.Refusal.Since = b.Since
			return *b != *n.Refusal
		}
	}
	return !before.Stale.Equal(n.Stale) || before.Refusal != nil || n.Refusal != nil
}

func earlier(since, now time.Time) time.Time {
	if since.IsZero() {
		return now
	}
	return since
}
