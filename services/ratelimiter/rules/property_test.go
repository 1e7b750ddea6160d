package rules

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meshweir/meshweir/schemas/limits"
)

// words are such that joining them is ambiguous.
var words = []string{"a", "b", "a_b", "b_a", "_", "", "a:b", "1:a,", "*", "a*", "*b", "a*b"}

func randomRules(r *rand.Rand, depth int) []limits.Rule {
	var all []limits.Rule
	seen := map[Entry]bool{}
	for range r.IntN(6) {
		rule := limits.Rule{Key: words[r.IntN(5)], Value: words[r.IntN(len(words))], Terms: randomTerms(r)}
		if seen[Entry{rule.Key, rule.Value}] {
			continue
		}
		seen[Entry{rule.Key, rule.Value}] = true
		rule.ShareThreshold = isPattern(rule.Value) && r.IntN(2) == 0
		if depth > 0 {
			rule.Descriptors = randomRules(r, depth-1)
		}
		all = append(all, rule)
	}
	return all
}

func randomTerms(r *rand.Rand) limits.Terms {
	var terms limits.Terms
	for range r.IntN(3) {
		terms.Limits = append(terms.Limits, limits.Limit{
			Requests: r.Uint32N(9), Unit: []string{"second", "minute", "day"}[r.IntN(3)], Calendar: false,
			Algorithm: []limits.Algorithm{"", limits.SlidingWindow, limits.GCRA}[r.IntN(3)],
		})
	}
	return terms
}

func randomDomain(r *rand.Rand, name string) limits.Domain {
	d := limits.Domain{Domain: name, Descriptors: randomRules(r, 2)}
	for range r.IntN(5) {
		var set limits.SetRule
		for range 1 + r.IntN(2) {
			set.Entries = append(set.Entries, limits.Entry{Key: words[r.IntN(5)], Value: words[r.IntN(len(words))]})
		}
		set.Terms, set.AlwaysApply, set.Weight = randomTerms(r), r.IntN(2) == 0, r.IntN(3)
		d.Sets = append(d.Sets, set)
	}
	return d
}

func randomDescriptor(r *rand.Rand) []Entry {
	var all []Entry
	for range 1 + r.IntN(3) {
		all = append(all, Entry{words[r.IntN(5)], words[r.IntN(len(words))]})
	}
	return all
}

// TestNoTwoCountersHaveOneIdentity meets random rules with random descriptors of words that are made to be confused.
// Who has the same identity must be counted by the same limit, and by the same entries.
func TestNoTwoCountersHaveOneIdentity(t *testing.T) {
	met := 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		c, err := Build(randomDomain(r, "a"), randomDomain(r, "a_a"))
		if err != nil {
			continue // two keys that are empty
		}
		counters := map[string]Met{}
		for range 200 {
			descriptor := randomDescriptor(r)
			before := slices.Clone(descriptor)
			all := c.Match(nil, []string{"a", "a_a"}[r.IntN(2)], descriptor)
			if limit, err := c.Override("a", 5, "hour"); err == nil && limit != nil {
				all = append(all, Met{Limit: limit, Counter: descriptor})
			}
			if !slices.Equal(descriptor, before) {
				t.Fatalf("seed %d: the descriptor changed from %v to %v", seed, before, descriptor)
			}
			for _, m := range all {
				met++
				identity := string(m.AppendIdentity(nil))
				other, known := counters[identity]
				if known && (other.Limit != m.Limit || !slices.Equal(other.Counter, m.Counter)) {
					t.Fatalf("seed %d: %q counts %s of %q by %v and %s of %q by %v", seed, identity,
						other.Limit.Rule, other.Limit.ID, other.Counter, m.Limit.Rule, m.Limit.ID, m.Counter)
				}
				m.Counter = slices.Clone(m.Counter)
				counters[identity] = m
				domain, id, counter, err := ParseIdentity(identity)
				if err != nil || domain != m.Limit.Domain || id != m.Limit.ID || !slices.Equal(counter, m.Counter) {
					t.Fatalf("%q: read back as %q, %q, %v (%v)", identity, domain, id, counter, err)
				}
			}
		}
	}
	if met < 1000 {
		t.Errorf("only %d limits were met: the rules are not what the descriptors look for", met)
	}
}

// TestMatchIsWhatTheRulesSay compares with a reading of the rules that is slow and plain.
func TestMatchIsWhatTheRulesSay(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		d := randomDomain(r, "d")
		c, err := Build(d)
		if err != nil {
			continue
		}
		for range 100 {
			descriptor := randomDescriptor(r)
			var got, want []string
			for _, m := range c.Match(nil, "d", descriptor) {
				got = append(got, fmt.Sprint(m.Limit.Requests, m.Limit.Algorithm, m.Limit.Period, m.Counter))
			}
			for _, terms := range plain(d, descriptor) {
				for _, l := range terms.limits {
					p, _ := period(l)
					want = append(want, fmt.Sprint(l.Requests, cmpOr(l.Algorithm), p, terms.counter))
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d, %v: got %q, want %q", seed, descriptor, got, want)
			}
		}
	}
}

func cmpOr(a limits.Algorithm) limits.Algorithm {
	if a == "" {
		return limits.FixedWindow
	}
	return a
}

type plainTerms struct {
	limits  []limits.Limit
	counter []Entry
}

func plain(d limits.Domain, descriptor []Entry) []plainTerms {
	var all []plainTerms
	rules, counter := d.Descriptors, slices.Clone(descriptor)
	for i, e := range descriptor {
		found := -1
		for pass := range 3 {
			for j, rule := range rules {
				hit := rule.Key == e.Key && []bool{
					rule.Value != "" && rule.Value == e.Value, isPattern(rule.Value) && plainGlob(rule.Value, e.Value), rule.Value == "",
				}[pass]
				if hit && found < 0 {
					found = j
				}
			}
		}
		if found < 0 {
			break
		}
		if rules[found].ShareThreshold {
			counter[i].Value = rules[found].Value
		}
		if i == len(descriptor)-1 {
			all = append(all, plainTerms{rules[found].Limits, counter})
		}
		rules = rules[found].Descriptors
	}
	best := -1
	var matched []int
	counters := map[int][]Entry{}
	for i, set := range d.Sets {
		var picked []Entry
		for _, want := range set.Entries {
			for _, e := range descriptor {
				if want.Key == e.Key && (want.Value == "" || want.Value == e.Value && !isPattern(want.Value) || isPattern(want.Value) && plainGlob(want.Value, e.Value)) {
					picked = append(picked, e)
					break
				}
			}
		}
		if len(picked) < len(set.Entries) {
			continue
		}
		counters[i] = picked
		if set.AlwaysApply {
			matched = append(matched, i)
		} else if best < 0 || set.Weight > d.Sets[best].Weight {
			best = i
		}
	}
	if best >= 0 {
		matched = append(matched, best)
	}
	slices.Sort(matched)
	for _, i := range matched {
		all = append(all, plainTerms{d.Sets[i].Limits, counters[i]})
	}
	return all
}

func plainGlob(pattern, text string) bool {
	if pattern == "" {
		return text == ""
	}
	if pattern[0] == '*' {
		return plainGlob(pattern[1:], text) || text != "" && plainGlob(pattern, text[1:])
	}
	return text != "" && text[0] == pattern[0] && plainGlob(pattern[1:], text[1:])
}

func FuzzPattern(f *testing.F) {
	f.Add("a*b*c", "axxbxxc")
	f.Add("*ab*ab*", "abab")
	f.Add("aa*aa", "aaa")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if !isPattern(pattern) || len(pattern) > 12 || len(text) > 24 || strings.Count(pattern, "*") > 4 {
			return
		}
		p := compile(pattern)
		if got, want := p.matches(text), plainGlob(pattern, text); got != want {
			t.Errorf("%q like %q: got %t, want %t", text, pattern, got, want)
		}
	})
}

func FuzzIdentity(f *testing.F) {
	f.Add("3:abc,1:x,0:,1:a,")
	f.Fuzz(func(t *testing.T, text string) {
		domain, id, counter, err := ParseIdentity(text)
		if err != nil {
			return
		}
		if got := string(Met{Limit: &Limit{Domain: domain, ID: id}, Counter: counter}.AppendIdentity(nil)); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	})
}

func FuzzOverride(f *testing.F) {
	f.Add(uint32(1), "MINUTE")
	f.Add(uint32(0), "UNKNOWN")
	c := build(f, limits.Domain{Domain: "d"})
	f.Fuzz(func(t *testing.T, requests uint32, unit string) {
		l, err := c.Override("d", requests, unit)
		if (l == nil) == (err == nil) || l != nil && (l.Requests != requests || l.Period.Length < time.Second) {
			t.Errorf("got %+v and %v", l, err)
		}
	})
}
