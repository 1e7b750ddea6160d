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

func TestOneRuleHasSeveralLimits(t *testing.T) {
	rule := limits.Rule{Key: "user", Terms: limits.Terms{
		Limit:  &limits.Limit{Requests: 1, Unit: "second"},
		Limits: []limits.Limit{{Requests: 2, Unit: "day"}, {Requests: 3, Unit: "day", Algorithm: limits.GCRA}, {Requests: 4, Unit: "day"}},
	}}
	c := build(t, limits.Domain{Domain: "d", Descriptors: []limits.Rule{rule}})
	got := c.Match(nil, "d", entries("user=u"))
	if want := []uint32{1, 2, 3, 4}; !slices.Equal(requests(got), want) {
		t.Errorf("got %v, want %v", requests(got), want)
	}
	for i, m := range got {
		if m.Limit.Index != i || c.Limits()[i] != m.Limit {
			t.Errorf("limit %d has index %d", i, m.Limit.Index)
		}
	}
}

func TestTheHeaviestSetCountsAndThoseThatAlwaysApply(t *testing.T) {
	set := func(requests uint32, weight int, always bool, wants ...limits.Entry) limits.SetRule {
		return limits.SetRule{
			Entries: wants, Weight: weight, AlwaysApply: always,
			Terms: limits.Terms{Limit: &limits.Limit{Requests: requests, Unit: "minute"}},
		}
	}
	c := build(t, limits.Domain{Domain: "d", Sets: []limits.SetRule{
		set(1, 0, false, limits.Entry{Key: "user"}),
		set(2, 5, false, limits.Entry{Key: "user"}, limits.Entry{Key: "method", Value: "POST"}),
		set(3, 5, false, limits.Entry{Key: "method", Value: "POST"}),
		set(4, 0, true, limits.Entry{Key: "path", Value: "/v1/*"}),
	}, Descriptors: []limits.Rule{a("user", "", 9)}})
	tests := []struct {
		name, in string
		want     []uint32
	}{
		{"one, beside the tree", "user=u", []uint32{9, 1}},
		{"the heaviest, the first of equals", "x=y method=POST user=u", []uint32{2}},
		{"another order", "user=u method=POST", []uint32{2}},
		{"a part of it", "method=POST", []uint32{3}},
		{"one that always applies", "path=/v1/x user=u method=GET", []uint32{1, 4}},
		{"an entry twice", "user=u user=v", []uint32{1}},
		{"none", "path=/v2", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := requests(c.Match(nil, "d", entries(tt.in))); !slices.Equal(got, tt.want) {
				t.Errorf("got the limits of %v, want %v", got, tt.want)
			}
		})
	}
	got := c.Match(nil, "d", entries("method=POST x=y user=u"))
	if want := entries("user=u method=POST"); len(got) != 1 || !slices.Equal(got[0].Counter, want) {
		t.Errorf("got %v, want one that counts %v, without the rest", got, want)
	}
}

func TestReplacedLimitsDoNotCount(t *testing.T) {
	named := func(key, name string, replaces ...string) limits.Rule {
		r := a(key, "", 1)
		r.Limit.Name = name
		for _, other := range replaces {
			r.Limit.Replaces = append(r.Limit.Replaces, limits.Replaced{Name: other})
		}
		return r
	}
	free := limits.Rule{Key: "free", Terms: limits.Terms{Limit: &limits.Limit{Unlimited: true, Name: "slow", Replaces: []limits.Replaced{{Name: "fast"}}}}}
	c := build(t, limits.Domain{Domain: "d", Descriptors: []limits.Rule{
		named("a", "slow"), named("b", "fast", "slow"), named("c", "vip", "fast"), named("n", ""), free,
	}})
	tests := []struct {
		name, in string
		want     string
	}{
		{"nothing replaces", "a n", "slow  "},
		{"one replaces another", "a b", "fast "},
		{"in any order", "b a", "fast "},
		{"a replaced one still replaces", "a b c", "vip "},
		{"an unlimited one replaces and stays", "free b a", "slow "},
		{"one without a name", "n b", " fast "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var all []Met
			for key := range strings.FieldsSeq(tt.in) {
				all = c.Match(all, "d", []Entry{{key, "1"}})
			}
			var got strings.Builder
			for _, m := range DropReplaced(all) {
				got.WriteString(m.Limit.Name + " ")
			}
			if got.String() != tt.want {
				t.Errorf("got %q, want %q", got.String(), tt.want)
			}
		})
	}
}

func TestDocumentsOfOneDomainBecomeOne(t *testing.T) {
	c := build(t, limits.Domain{Domain: "d", Descriptors: []limits.Rule{a("k", "v", 0, a("x", "", 1))}},
		limits.Domain{Domain: "d", AllOrNothing: true, Descriptors: []limits.Rule{a("k", "v", 2, a("y", "", 3)), a("z", "", 4)}})
	for in, want := range map[string]uint32{"k=v x=1": 1, "k=v": 2, "k=v y=1": 3, "z=1": 4} {
		if got := c.Match(nil, "d", entries(in)); len(got) != 1 || got[0].Limit.Requests != want || !got[0].Limit.AllOrNothing {
			t.Errorf("%s: got %v, want %d, all or nothing", in, got, want)
		}
	}
	_, err := Build(limits.Domain{Domain: "d", Descriptors: []limits.Rule{a("k", "v", 1)}},
		limits.Domain{Domain: "d", Descriptors: []limits.Rule{a("j", "", 1), a("k", "v", 2)}})
	if want := `descriptors[1]: another document limits k=v of domain "d" already`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestNamesOfRulesShowValuesWhereTheyShall(t *testing.T) {
	detailed := a("d", "", 1)
	detailed.DetailedMetric = true
	inner := a("user", "", 2)
	inner.ValueToMetric = true
	c := build(t, limits.Domain{Domain: "d", Descriptors: []limits.Rule{detailed, a("path", "/v1", 0, inner), a("plain", "", 3)}})
	tests := []struct{ in, rule, want string }{
		{"d=x", "d", "d=x"},
		{"path=/v1 user=u", "path=/v1 > user", "path=/v1 > user=u"},
		{"plain=x", "plain", "plain"},
	}
	for _, tt := range tests {
		m := c.Match(nil, "d", entries(tt.in))[0]
		if got := string(m.AppendRule(nil)); got != tt.want || m.Limit.Rule != tt.rule || m.Limit.Detailed() != (tt.rule != tt.want) {
			t.Errorf("%s: got %q of %q, want %q of %q", tt.in, got, m.Limit.Rule, tt.want, tt.rule)
		}
	}
}

func TestOverridesCountForThemselves(t *testing.T) {
	c := build(t, limits.Domain{Domain: "d", Descriptors: []limits.Rule{a("k", "", 1)}})
	one, err := c.Override("d", 5, "MINUTE")
	if err != nil || one.Requests != 5 || one.Period.Unit != "minute" || one.Shadow || !one.CountDenied {
		t.Fatalf("got %+v, %v", one, err)
	}
	if again, _ := c.Override("d", 5, "MINUTE"); again != one {
		t.Error("the same override is another limit")
	}
	if more, _ := c.Override("d", 6, "MINUTE"); more == one || more.ID != one.ID {
		t.Error("a raised override does not go on with the counter")
	}
	if none, err := c.Override("e", 5, "MINUTE"); none != nil || err != nil {
		t.Errorf("in a domain that nobody configured: got %v, %v", none, err)
	}
	if _, err := c.Override("d", 5, "UNKNOWN"); err == nil {
		t.Error("without a unit: no error")
	}
	met := c.Match(nil, "d", entries("k=v"))[0]
	if string(met.AppendIdentity(nil)) == string(Met{Limit: one, Counter: met.Counter}.AppendIdentity(nil)) {
		t.Error("the override counts with the rule")
	}
	for i := range uint32(3 * mostOverrides) {
		if _, err := c.Override("d", i, "DAY"); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.made.made) > mostOverrides {
		t.Errorf("%d overrides are remembered", len(c.made.made))
	}
}

func TestSetsThatWantTheSameCountForThemselves(t *testing.T) {
	same := limits.SetRule{
		Entries: []limits.Entry{{Key: "user"}}, AlwaysApply: true,
		Terms: limits.Terms{Limit: &limits.Limit{Requests: 1, Unit: "minute"}},
	}
	c := build(t, limits.Domain{Domain: "d", Sets: []limits.SetRule{same}}, limits.Domain{Domain: "d", Sets: []limits.SetRule{same}})
	got := c.Match(nil, "d", entries("user=u"))
	if len(got) != 2 || string(got[0].AppendIdentity(nil)) == string(got[1].AppendIdentity(nil)) {
		t.Errorf("got %v, want two with counters of their own", got)
	}
}
