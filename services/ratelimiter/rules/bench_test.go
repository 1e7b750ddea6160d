package rules

import (
	"fmt"
	"testing"

	"github.com/meshweir/meshweir/schemas/limits"
)

func benchConfig(t testing.TB) *Config {
	var policies []limits.Rule
	for i := range 5000 {
		policies = append(policies, a("generic_key", fmt.Sprintf("east/shop/policy-%d/limit", i), 0, a("user", "", 10)))
	}
	paths := []limits.Rule{a("path", "", 1)}
	for i := range 10 {
		paths = append(paths, a("path", fmt.Sprintf("/v%d/*/x", i), 2))
	}
	d := limits.Domain{Domain: "d", Descriptors: append(policies, paths...)}
	for i := range 1000 {
		d.Sets = append(d.Sets, limits.SetRule{
			Entries: []limits.Entry{{Key: "tenant", Value: fmt.Sprint(i)}, {Key: "user"}},
			Terms:   limits.Terms{Limit: &limits.Limit{Requests: 1, Unit: "hour"}},
		})
	}
	return build(t, d)
}

func descriptors() map[string][]Entry {
	return map[string][]Entry{
		"policy":  {{"generic_key", "east/shop/policy-4711/limit"}, {"user", "u"}},
		"pattern": {{"path", "/v9/y/x"}},
		"set":     {{"tenant", "711"}, {"user", "u"}, {"method", "GET"}},
		"none":    {{"other", "x"}},
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	c := benchConfig(t)
	room := make([]Met, 0, 8)
	for name, descriptor := range descriptors() {
		if got := testing.AllocsPerRun(100, func() { c.Match(room, "d", descriptor) }); got != 0 {
			t.Errorf("%s: got %v allocations, want none", name, got)
		}
	}
	key := make([]byte, 0, 256)
	met := c.Match(room, "d", descriptors()["policy"])[0]
	if got := testing.AllocsPerRun(100, func() { met.AppendIdentity(key) }); got != 0 {
		t.Errorf("identity: got %v allocations, want none", got)
	}
}

func BenchmarkMatch(b *testing.B) {
	c := benchConfig(b)
	room := make([]Met, 0, 8)
	for name, descriptor := range descriptors() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Match(room, "d", descriptor)
			}
		})
	}
}

func BenchmarkBuild(b *testing.B) {
	for b.Loop() {
		benchConfig(b)
	}
}
