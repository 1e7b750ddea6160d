package pipelinetest

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// ServerInfo returns the sum of numbers in what a server says of itself (INFO), such as its CPU, in seconds, of
// used_cpu_sys and used_cpu_user. A field that is missing fails the test.
func ServerInfo(t testing.TB, client redis.UniversalClient, fields ...string) (sum float64) {
	t.Helper()
	info, err := client.Info(context.Background()).Result()
	if err != nil {
		t.Fatalf("asking the server for INFO: %v", err)
	}
	found := 0
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if !slices.Contains(fields, name) {
			continue
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("reading INFO: %s: %v", name, err)
		}
		sum += number
		found++
	}
	if found != len(fields) {
		t.Fatalf("INFO has %d of the fields %q", found, fields)
	}
	return sum
}
