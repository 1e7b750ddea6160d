package rules

import (
	"slices"
	"strings"
	"testing"

	"github.com/meshweir/meshweir/schemas/limits"
)

// a is a rule with a limit of so many a minute, by which tests tell rules apart.
func a(key, value string, requests uint32, below ...limits.Rule) limits.Rule {
	r := limits.Rule{Key: key, Value: value, Descriptors: below}
	if requests > 0 {
		r.Limit = &limits.Limit{Requests: requests, Unit: "minute"}
	}
	return r
}

func entries(text string) []Entry {
	var all []Entry
	for pair := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(pair, "=")
		all = append(all, Entry{key, value})
	}
	return all
}

func build(t testing.TB, documents ...limits.Domain) *Config {
	t.Helper()
	c, err := Build(documents...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func requests(all []Met) []uint32 {
	var got []uint32
	for _, m := range all {
		got = append(got, m.Limit.Requests)
	}
	return got
}

func TestMatchLooksForTheValueThenPatternsThenTheKey(t *testing.T) {
	c := build(t, limits.Domain{Domain: "d", Descriptors: []limits.Rule{
		a("path", "", 1, a("user", "", 11)),
		a("path", "/v1/*", 2),
		a("path", "/v1/x", 3),
		a("path", "*/export", 4),
		a("path", "/*/a/*/b", 5),
		a("a_b", "c", 6),
		a("bare", "", 0, a("x", "", 7)),
		a("free", "", 0),
	}})
	tests := []struct {
		name, in string
		want     []uint32
	}{
		{"the value", "path=/v1/x", []uint32{3}},
		{"a pattern", "path=/v1/y", []uint32{2}},
		{"the first of two patterns", "path=/v1/export", []uint32{2}},
		{"a pattern in front", "path=/v2/export", []uint32{4}},
		{"several wildcards", "path=/q/a/r/s/b", []uint32{5}},
		{"several wildcards, one part missing", "path=/q/r/s/b", []uint32{1}},
		{"only the key", "path=/", []uint32{1}},
		{"a value that is empty", "path=", []uint32{1}},
		{"one level down", "path=/ user=u", []uint32{11}},
		{"deeper than the rules", "path=/ user=u x=y", nil},
		{"a pattern's rule has no way down", "path=/v1/y user=u", nil},
		{"an inner rule without a limit", "bare=1", nil},
		{"below it", "bare=1 x=2", []uint32{7}},
		{"another order", "x=2 bare=1", nil},
		{"a rule without limits", "free=1", nil},
		{"key and value are not one name", "a=b_c", nil},
		{"key and value", "a_b=c", []uint32{6}},
		{"no rule", "other=1", nil},
		{"nothing", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := requests(c.Match(nil, "d", entries(tt.in))); !slices.Equal(got, tt.want) {
				t.Errorf("got the limits of %v, want %v", got, tt.want)
			}
		})
	}
	if got := c.Match(nil, "e", entries("path=/")); got != nil {
		t.Errorf("another domain: got %v, want nothing", got)
	}
}

func TestSharedThresholdCountsThePattern(t *testing.T) {
	rule := a("file", "a*", 1, a("user", "", 2))
	rule.ShareThreshold = true
	c := build(t, limits.Domain{Domain: "d", Descriptors: []limits.Rule{rule, a("file", "b*", 3)}})
	in := entries("file=abc user=u")
	got := c.Match(nil, "d", in)
	if want := entries("file=a* user=u"); len(got) != 1 || !slices.Equal(got[0].Counter, want) {
		t.Errorf("got %v, want one that counts %v", got, want)
	}
	if !slices.Equal(in, entries("file=abc user=u")) {
		t.Errorf("the descriptor is now %v", in)
	}
	if got := c.Match(nil, "d", entries("file=bcd")); len(got) != 1 || got[0].Counter[0].Value != "bcd" {
		t.Errorf("without sharing: got %v, want one that counts the value", got)
	}
}
