package rules

import (
	"slices"
	"strings"
)

// Config is the rules of all domains. The zero Config has none.
type Config struct {
	domains  map[string]*domain
	limits   []*Limit
	warnings []Problem
	made     overrides
}

// domain is the rules of one domain.
type domain struct {
	name         string
	allOrNothing bool
	root         node
	sets         sets
}

// node is one rule of the tree.
type node struct {
	limits []*Limit
	keys   map[string]*byKey // the rules for the next entry, by its key
	shared string            // the pattern that replaces the value in the counter, or ""

	written bool // while it is built: a document has this rule
}

// byKey is the rules for an entry with one key.
type byKey struct {
	exact    map[string]*node // patterns too: a value that is written as one is meant by it
	patterns []patternNode    // in the order of the configuration
	any      *node
}

type patternNode struct {
	pattern
	node *node
}

// find returns the rule for an entry, or nil.
func (n *node) find(e Entry) *node {
	k := n.keys[e.Key]
	if k == nil {
		return nil
	}
	if found := k.exact[e.Value]; found != nil {
		return found
	}
	for i := range k.patterns {
		if k.patterns[i].matches(e.Value) {
			return k.patterns[i].node
		}
	}
	return k.any
}

// Knows says whether there are rules for a domain.
func (c *Config) Knows(domain string) bool { return c.domains[domain] != nil }

// Limits returns all limits, by their Index.
func (c *Config) Limits() []*Limit { return c.limits }

// Match appends the limits that a descriptor of a domain meets: those of the rule at which its entries end, then those
// of sets. Without a rule, and for a domain that nobody configured, there are none. It allocates nothing unless a value
// is shared, or the entries of a set are not together in the descriptor.
func (c *Config) Match(dst []Met, domain string, descriptor []Entry) []Met {
	d := c.domains[domain]
	if d == nil || len(descriptor) == 0 {
		return dst
	}
	return d.sets.match(d.root.match(dst, descriptor), descriptor)
}

func (n *node) match(dst []Met, descriptor []Entry) []Met {
	counter := descriptor
	for i, entry := range descriptor {
		if n = n.find(entry); n == nil {
			return dst
		}
		if n.shared != "" && n.shared != entry.Value {
			if &counter[0] == &descriptor[0] {
				counter = slices.Clone(descriptor)
			}
			counter[i].Value = n.shared
		}
	}
	for _, limit := range n.limits {
		dst = append(dst, Met{Limit: limit, Counter: counter})
	}
	return dst
}

// pattern is a value in which "*" stands for anything, also for nothing.
type pattern struct {
	prefix, suffix string
	middle         []string // what must come between, in this order
}

func isPattern(value string) bool { return strings.Contains(value, "*") }

func compile(value string) pattern {
	parts := strings.Split(value, "*")
	last := len(parts) - 1
	p := pattern{prefix: parts[0], suffix: parts[last]}
	for _, part := range parts[1:last] {
		if part != "" {
			p.middle = append(p.middle, part)
		}
	}
	return p
}

func (p *pattern) matches(value string) bool {
	if len(value) < len(p.prefix)+len(p.suffix) || !strings.HasPrefix(value, p.prefix) || !strings.HasSuffix(value, p.suffix) {
		return false
	}
	value = value[len(p.prefix) : len(value)-len(p.suffix)]
	for _, part := range p.middle { // the first place of each leaves the most for the next
		_, after, found := strings.Cut(value, part)
		if !found {
			return false
		}
		value = after
	}
	return true
}
