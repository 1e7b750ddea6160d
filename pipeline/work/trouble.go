package work

import (
	"context"
	"log/slog"
	"time"
)

// trouble logs that passes fail when they begin to, now and then while they do, and when they succeed again.
type trouble struct {
	log *slog.Logger
	// since is when passes began to fail, said when that was last logged; zero while they do not.
	since, said time.Time
}

// note takes how a pass ended at a time.
func (t *trouble) note(ctx context.Context, err error, now time.Time) {
	const again = time.Minute
	switch {
	case err == nil && !t.since.IsZero():
		t.log.InfoContext(ctx, "the work is up to date again", "after", now.Sub(t.since).String())
		t.since, t.said = time.Time{}, time.Time{}
	case err == nil:
	case t.since.IsZero() || now.Sub(t.said) >= again:
		if t.since.IsZero() {
			t.since = now
		}
		t.said = now
		t.log.WarnContext(ctx, "the work is behind and is tried again until it succeeds", "error", err)
	default:
		t.log.DebugContext(ctx, "the work is still behind", "error", err)
	}
}
