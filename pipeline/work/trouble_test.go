package work

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestFailingPassesAreLoggedOnceInAMinute(t *testing.T) {
	var out bytes.Buffer
	tr := trouble{log: slog.New(slog.NewTextHandler(&out, nil))}
	began := time.Unix(1_000_000, 0)
	for _, seconds := range []int64{0, 1, 2, 59, 60, 61, 119} {
		tr.note(t.Context(), errors.New("OOM"), began.Add(time.Duration(seconds)*time.Second))
	}
	tr.note(t.Context(), nil, began.Add(2*time.Minute))
	tr.note(t.Context(), nil, began.Add(3*time.Minute))
	if behind, again := strings.Count(out.String(), "is behind"), strings.Count(out.String(), "up to date again"); behind != 2 || again != 1 {
		t.Errorf("logged %d warnings and %d ends of two minutes of failures, want 2 and 1:\n%s", behind, again, out.String())
	}
	tr.note(t.Context(), errors.New("OOM"), began.Add(4*time.Minute))
	if n := strings.Count(out.String(), "is behind"); n != 3 {
		t.Errorf("logged %d warnings, want one for the second trouble, too", n)
	}
}
