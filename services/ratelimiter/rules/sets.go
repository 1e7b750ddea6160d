package rules

import (
	"cmp"
	"slices"

	"github.com/meshweir/meshweir/schemas/limits"
)

// sets are the rules that match a descriptor whatever the order of its entries. Each rule is found by one of its
// entries, so that a descriptor is put to the rules only that may match.
type sets struct {
	count int
	exact map[Entry][]*set
	keys  map[string][]*set
}

type set struct {
	order  int
	weight int
	always bool
	wants  []want
	limits []*Limit
}

// want is an entry that must be there.
type want struct {
	key, value string
	kind       byte // any value, this value, or a value like it
	pattern    pattern
}

const (
	anyValue = iota
	thisValue
	likeValue
)

func (w *want) matches(e Entry) bool {
	switch {
	case w.key != e.Key:
		return false
	case w.kind == thisValue:
		return w.value == e.Value
	case w.kind == likeValue:
		return w.pattern.matches(e.Value)
	}
	return true
}

func newWant(e limits.Entry) want {
	switch {
	case isPattern(e.Value):
		return want{key: e.Key, value: e.Value, kind: likeValue, pattern: compile(e.Value)}
	case e.Value != "":
		return want{key: e.Key, value: e.Value, kind: thisValue}
	}
	return want{key: e.Key}
}

// id tells apart the rules that may count the same entries: by what they want where that is not a value itself.
func (r *set) id() string {
	id := []byte("set")
	for _, w := range r.wants {
		switch w.kind {
		case thisValue:
			id = append(id, '=')
		case likeValue:
			id = appendPart(append(id, '~'), w.value)
		default:
			id = append(id, '*')
		}
	}
	return string(append(id, ' '))
}

// entries are what the rule wants, as a counter.
func (r *set) entries() []Entry {
	var all []Entry
	for _, w := range r.wants {
		all = append(all, Entry{w.key, w.value})
	}
	return all
}

// add puts a rule where its most telling entry finds it.
func (s *sets) add(rule *set) {
	rule.order = s.count
	s.count++
	if s.exact == nil {
		s.exact, s.keys = map[Entry][]*set{}, map[string][]*set{}
	}
	for _, w := range rule.wants {
		if w.kind == thisValue {
			s.exact[Entry{w.key, w.value}] = append(s.exact[Entry{w.key, w.value}], rule)
			return
		}
	}
	key := rule.wants[0].key
	s.keys[key] = append(s.keys[key], rule)
}

// match appends the limits of the rule of the greatest weight and of those that always apply, in their order.
func (s *sets) match(dst []Met, descriptor []Entry) []Met {
	if s.exact == nil {
		return dst
	}
	var room [8]*set
	found := room[:0]
	var best *set
	look := func(rules []*set) {
		for _, rule := range rules {
			switch {
			case !rule.holds(descriptor) || slices.Contains(found, rule):
			case rule.always:
				found = append(found, rule)
			case best == nil || rule.weight > best.weight || rule.weight == best.weight && rule.order < best.order:
				best = rule
			}
		}
	}
	for _, entry := range descriptor {
		look(s.exact[entry])
		look(s.keys[entry.Key])
	}
	if best != nil {
		found = append(found, best)
	}
	if len(found) == 0 {
		return dst
	}
	slices.SortFunc(found, func(a, b *set) int { return cmp.Compare(a.order, b.order) })
	for _, rule := range found {
		counter := rule.counter(descriptor)
		for _, limit := range rule.limits {
			dst = append(dst, Met{Limit: limit, Counter: counter})
		}
	}
	return dst
}

func (r *set) holds(descriptor []Entry) bool {
	for i := range r.wants {
		if !slices.ContainsFunc(descriptor, r.wants[i].matches) {
			return false
		}
	}
	return true
}

// counter picks the rule's entries out of a descriptor: a part of it where they are together and in the rule's order.
func (r *set) counter(descriptor []Entry) []Entry {
	first := slices.IndexFunc(descriptor, r.wants[0].matches)
	together := first+len(r.wants) <= len(descriptor)
	for i := range r.wants {
		if !together {
			break
		}
		together = slices.IndexFunc(descriptor, r.wants[i].matches) == first+i
	}
	if together {
		return descriptor[first : first+len(r.wants) : first+len(r.wants)]
	}
	picked := make([]Entry, len(r.wants))
	for i := range r.wants {
		picked[i] = descriptor[slices.IndexFunc(descriptor, r.wants[i].matches)]
	}
	return picked
}
