package counter

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// partsOf cuts a text into parts, of which any may be empty.
func partsOf(text string) []string { return strings.Split(text, "|") }

func keyOf(l *Limit, parts []string) string {
	var joined []byte
	for _, part := range parts {
		joined = AppendPart(joined, part)
	}
	return string(l.appendKey(nil, joined, 7))
}

// Whatever callers send, two lists of parts have one counter only when they are the same.
func FuzzNoTwoListsShareACounter(f *testing.F) {
	f.Add("k1|x|k2|y", "k1|x_k2_y")
	f.Add("a|", "a")
	f.Add("1:a|", "|1:a")
	f.Add("a|b@7", "a|b")
	f.Add(strings.Repeat("x", 300), strings.Repeat("x", 299)+"|x")
	limits := []*Limit{
		(&Limit{Domain: "d", Name: "n", Requests: 1, Period: time.Second, Algorithm: FixedWindow}).Ready(),
		(&Limit{Domain: "d", Name: "n", Requests: 1, Period: time.Second, Algorithm: GCRA}).Ready(),
		(&Limit{Domain: "d}", Name: "n", Requests: 1, Period: time.Second, Algorithm: SlidingWindow, Together: true}).Ready(),
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		one, other := partsOf(a), partsOf(b)
		for i, l := range limits {
			for j, m := range limits {
				same := i == j && slices.Equal(one, other)
				if got := keyOf(l, one) == keyOf(m, other); got != same {
					t.Errorf("limits %d and %d: %q and %q have one counter: got %t, want %t", i, j, one, other, got, same)
				}
			}
		}
	})
}

// Neither do limits whose names run into their domain or their parts.
func TestNamesDoNotRunIntoEachOther(t *testing.T) {
	seen := map[string]string{}
	for _, names := range [][3]string{{"a", "b", "c"}, {"ab", "", "c"}, {"a", "bc", ""}, {"a", "b1:c", ""}, {"", "ab", "c"}, {"a", "b", "c@7"}} {
		l := (&Limit{Domain: names[0], Name: names[1], Requests: 1, Period: time.Second, Algorithm: FixedWindow}).Ready()
		key := keyOf(l, names[2:])
		if other, ok := seen[key]; ok {
			t.Errorf("%q has the counter of %s: %s", names, other, key)
		}
		seen[key] = strings.Join(names[:], "|")
	}
}

// Counters that count together share a slot, whatever the caller sends.
func TestCountersThatCountTogetherShareATag(t *testing.T) {
	tags := map[string]bool{}
	for _, value := range []string{"a", "}", "{", "{x}"} {
		for _, name := range []string{"n", "}{"} {
			l := (&Limit{Domain: "d{}", Name: name, Requests: 1, Period: time.Second, Algorithm: GCRA, Together: true}).Ready()
			key := keyOf(l, []string{value})
			_, rest, _ := strings.Cut(key, "{")
			tag, _, _ := strings.Cut(rest, "}")
			tags[tag] = tag != ""
		}
	}
	if len(tags) != 1 {
		t.Errorf("got tags %v, want one", tags)
	}
}
