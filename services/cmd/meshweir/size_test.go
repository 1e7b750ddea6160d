package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/meshweir/meshweir/pipeline/process"
)

func TestSizeGrowsWithTheFleet(t *testing.T) {
	size := func(args ...string) string {
		t.Helper()
		var out, notes bytes.Buffer
		if code := run(t.Context(), append([]string{"size"}, args...), &out, &notes); code != process.ExitOK {
			t.Fatalf("got exit code %d, want 0: %s", code, &notes)
		}
		return out.String()
	}
	small, large := size("--objects", "1000", "-o", "yaml"), size("--objects", "1000000", "-o", "yaml")
	if small == large || !strings.Contains(large, "objects: 1000000") {
		t.Errorf("got the same for another fleet, or not for what was asked: %s", large)
	}
	table := size()
	for _, want := range []string{"COMPONENT", "redis", "agent", "translator", "ui", " MiB"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table has no %q:\n%s", want, table)
		}
	}
}

func TestSizeRefusesFleetsThatCannotBe(t *testing.T) {
	for _, args := range [][]string{{"--clusters", "0"}, {"--objects", "-1"}, {"--changes", "Inf"}, {"--changes", "NaN"}} {
		var out, notes bytes.Buffer
		if code := run(t.Context(), append([]string{"size"}, args...), &out, &notes); code != process.ExitUsage || out.Len() > 0 {
			t.Errorf("%v: got exit code %d and %q, want %d and nothing", args, code, &out, process.ExitUsage)
		}
	}
}
