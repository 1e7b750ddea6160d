package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/meshweir/meshweir/schemas/limits"
)

// Problem is one thing that is wrong with a document.
type Problem struct {
	// Document counts the documents that Build was given, from 0.
	Document int
	// Path is the field: "descriptors[2].rate_limit.unit".
	Path string
	// Message says what is wrong and how to mend it.
	Message string
}

// Error is all that is wrong with the documents.
type Error struct{ Problems []Problem }

// Error lists the problems.
func (e *Error) Error() string {
	var lines []string
	for _, p := range e.Problems {
		lines = append(lines, p.Path+": "+p.Message)
	}
	return "reading limits: " + strings.Join(lines, "; ")
}

// Build compiles documents. Those of one domain become one, as if their rules stood in one document in this order. The
// error is an [*Error] with all that is wrong.
func Build(documents ...limits.Domain) (*Config, error) {
	b := builder{config: &Config{domains: map[string]*domain{}}, alike: map[string]int{}}
	for i, document := range documents {
		b.document = i
		b.add(document)
	}
	for _, l := range b.config.limits {
		l.AllOrNothing = b.config.domains[l.Domain].allOrNothing
	}
	b.warnOfReplaces()
	if len(b.problems) > 0 {
		return nil, &Error{b.problems}
	}
	return b.config, nil
}

// Warnings are what is allowed and probably not meant.
func (c *Config) Warnings() []Problem { return c.warnings }

type builder struct {
	config   *Config
	document int
	problems []Problem
	replaces []replacing
	alike    map[string]int // how many limits of sets count the same entries
}

type replacing struct {
	Problem
	domain, name string
}

func (b *builder) fail(path, message string) {
	b.problems = append(b.problems, Problem{b.document, path, message})
}

func (b *builder) add(document limits.Domain) {
	if document.Domain == "" {
		b.fail("domain", "is missing: every call names one")
	}
	d := b.config.domains[document.Domain]
	if d == nil {
		d = &domain{name: document.Domain}
		b.config.domains[document.Domain] = d
	}
	d.allOrNothing = d.allOrNothing || document.AllOrNothing
	b.rules(d, &d.root, "descriptors", document.Descriptors, nil)
	for i, rule := range document.Sets {
		b.set(d, "set_descriptors["+strconv.Itoa(i)+"]", rule)
	}
}

// rules adds rules to a node, which may have some from another document.
func (b *builder) rules(d *domain, parent *node, path string, rules []limits.Rule, above []level) {
	seen := map[Entry]bool{}
	for i, rule := range rules {
		at := path + "[" + strconv.Itoa(i) + "]"
		entry := Entry{rule.Key, rule.Value}
		switch {
		case rule.Key == "":
			b.fail(at+".key", "is missing: a rule is about an entry with a key")
			continue
		case seen[entry]:
			b.fail(at, fmt.Sprintf("%s has a rule above already; put them together", level{key: rule.Key, value: rule.Value}))
			continue
		case rule.ShareThreshold && !isPattern(rule.Value):
			b.fail(at+".share_threshold", "goes with a value that has a \"*\": other values have one counter each")
		}
		seen[entry] = true
		child := parent.child(entry)
		shared := ""
		if rule.ShareThreshold {
			shared = rule.Value
		}
		if child.written && child.shared != shared {
			b.fail(at+".share_threshold", fmt.Sprintf("another document of domain %q says otherwise for %s", d.name, level{key: rule.Key, value: rule.Value}))
		}
		child.written, child.shared = true, shared
		levels := append(slices.Clip(above), level{rule.Key, rule.Value, rule.ValueToMetric})
		made := b.limits(d, at, rule.Terms, Limit{levels: levels, detailed: rule.DetailedMetric, Metadata: rule.Metadata})
		if len(made) > 0 && len(child.limits) > 0 {
			b.fail(at, fmt.Sprintf("another document limits %s of domain %q already", level{key: rule.Key, value: rule.Value}, d.name))
		}
		child.limits = append(child.limits, made...)
		b.rules(d, child, at+".descriptors", rule.Descriptors, levels)
	}
}

// child is the node for an entry of a rule, which is made unless it exists.
func (n *node) child(e Entry) *node {
	if n.keys == nil {
		n.keys = map[string]*byKey{}
	}
	k := n.keys[e.Key]
	if k == nil {
		k = &byKey{exact: map[string]*node{}}
		n.keys[e.Key] = k
	}
	if e.Value == "" {
		if k.any == nil {
			k.any = &node{}
		}
		return k.any
	}
	found := k.exact[e.Value]
	if found == nil {
		found = &node{}
		k.exact[e.Value] = found
		if isPattern(e.Value) {
			k.patterns = append(k.patterns, patternNode{compile(e.Value), found})
		}
	}
	return found
}

func (b *builder) set(d *domain, at string, rule limits.SetRule) {
	if len(rule.Entries) == 0 {
		b.fail(at+".entries", "is empty: a set that wants nothing would match every descriptor")
		return
	}
	made := &set{weight: rule.Weight, always: rule.AlwaysApply}
	var like Limit
	for i, e := range rule.Entries {
		if e.Key == "" {
			b.fail(at+".entries["+strconv.Itoa(i)+"].key", "is missing")
		}
		made.wants = append(made.wants, newWant(e))
		like.levels = append(like.levels, level{key: e.Key, value: e.Value})
	}
	made.limits = b.limits(d, at, rule.Terms, like)
	for _, l := range made.limits {
		l.ID = made.id() + l.ID
		// Of sets that want the same, each counts for itself.
		alike := string(Met{Limit: l, Counter: made.entries()}.AppendIdentity(nil))
		if n := b.alike[alike]; n > 0 {
			l.ID += "+" + strconv.Itoa(n)
		}
		b.alike[alike]++
	}
	d.sets.add(made)
}

// limits makes the limits of a rule; like has what they share.
func (b *builder) limits(d *domain, at string, terms limits.Terms, like Limit) []*Limit {
	like.Domain, like.Shadow, like.Quota = d.name, terms.Shadow, terms.Quota
	like.Rule = string(Met{Limit: &Limit{levels: like.levels}}.AppendRule(nil))
	var all []limits.Limit
	var paths []string
	if terms.Limit != nil {
		all, paths = append(all, *terms.Limit), append(paths, at+".rate_limit")
	}
	for i, l := range terms.Limits {
		all, paths = append(all, l), append(paths, at+".rate_limits["+strconv.Itoa(i)+"]")
	}
	var made []*Limit
	for i, l := range all {
		one, err := b.limit(like, l)
		if err != nil {
			b.fail(paths[i]+"."+err.field, err.message)
			continue
		}
		if one.Unlimited && len(all) > 1 {
			b.fail(paths[i]+".unlimited", "stands alone: the rule has other limits")
		}
		ordinal := 0
		for _, other := range made {
			if other.Period == one.Period && other.Algorithm == one.Algorithm {
				ordinal++
			}
		}
		one.ID = id(one.Algorithm, one.Period, ordinal)
		one.Index = len(b.config.limits)
		b.config.limits = append(b.config.limits, one)
		made = append(made, one)
	}
	for i, l := range made {
		b.checkReplaces(paths[i], l, made)
	}
	return made
}

func (b *builder) checkReplaces(at string, l *Limit, siblings []*Limit) {
	for i, name := range l.Replaces {
		field := at + ".replaces[" + strconv.Itoa(i) + "].name"
		switch {
		case name == "":
			b.fail(field, "is missing: it names the limit that shall not count")
		case slices.ContainsFunc(siblings, func(other *Limit) bool { return other.Name == name }):
			b.fail(field, fmt.Sprintf("%q is a limit of the same rule, which would never count", name))
		default:
			b.replaces = append(b.replaces, replacing{Problem{b.document, field, ""}, l.Domain, name})
		}
	}
}

// warnOfReplaces tells of names that no limit has.
func (b *builder) warnOfReplaces() {
	known := map[string][]string{} // by domain
	for _, l := range b.config.limits {
		if l.Name != "" {
			known[l.Domain] = append(known[l.Domain], l.Name)
		}
	}
	for _, r := range b.replaces {
		if names := known[r.domain]; !slices.Contains(names, r.name) {
			r.Message = fmt.Sprintf("no limit of domain %q is called %q%s", r.domain, r.name, didYouMean(r.name, names...))
			b.config.warnings = append(b.config.warnings, r.Problem)
		}
	}
}

// limit reads one limit.
func (b *builder) limit(like Limit, l limits.Limit) (*Limit, *fieldError) {
	like.Name, like.Unlimited, like.OnError = l.Name, l.Unlimited, l.OnError
	like.Algorithm = cmp.Or(l.Algorithm, limits.FixedWindow)
	for _, r := range l.Replaces {
		like.Replaces = append(like.Replaces, r.Name)
	}
	switch l.OnError {
	case "", limits.Allow, limits.Deny, limits.Local:
	default:
		return nil, fault("on_error", fmt.Sprintf("%q is none of allow, deny, local%s", l.OnError, didYouMean(string(l.OnError), "allow", "deny", "local")))
	}
	if l.Unlimited {
		if field := counted(l); field != "" {
			return nil, fault(field, "goes without unlimited: what is unlimited is not counted")
		}
		return &like, nil
	}
	var err *fieldError
	if like.Period, err = period(l); err != nil {
		return nil, err
	}
	like.Requests = l.Requests
	like.CountDenied = like.Algorithm == limits.FixedWindow
	if l.CountDenied != nil {
		like.CountDenied = *l.CountDenied
	}
	return algorithm(&like, l.Burst)
}

// counted names a field that says how to count, or none. Requests may stand there, as for envoyproxy/ratelimit.
func counted(l limits.Limit) string {
	switch {
	case l.Unit != "":
		return "unit"
	case l.Period != "":
		return "period"
	case l.Algorithm != "":
		return "algorithm"
	case l.Burst != 0:
		return "burst"
	case l.Multiplier != 0:
		return "unit_multiplier"
	case l.Calendar:
		return "calendar"
	}
	return ""
}

// algorithm checks what goes together with the algorithm.
func algorithm(l *Limit, burst uint32) (*Limit, *fieldError) {
	switch l.Algorithm {
	case limits.GCRA:
		l.Burst = cmp.Or(burst, l.Requests)
		if int64(l.Requests) > l.Period.Length.Microseconds() && !l.Period.Calendar() {
			return nil, fault("requests_per_unit", "gcra spaces hits by at least a microsecond: at most 1000000 a second")
		}
	case limits.FixedWindow, limits.SlidingWindow:
		if burst != 0 {
			return nil, fault("burst", "goes with algorithm gcra")
		}
	default:
		return nil, fault("algorithm", fmt.Sprintf("%q is none of fixed_window, sliding_window, gcra%s", l.Algorithm,
			didYouMean(string(l.Algorithm), "fixed_window", "sliding_window", "gcra")))
	}
	if l.Period.Calendar() && l.Algorithm != limits.FixedWindow {
		return nil, fault("calendar", "goes with algorithm fixed_window: the others need a period of fixed length")
	}
	return l, nil
}

// id tells apart the limits of a rule: by algorithm and period, and a number for those that are alike in both.
func id(algorithm limits.Algorithm, length Period, ordinal int) string {
	text := string(algorithm[:1]) + length.id()
	if ordinal > 0 {
		text += "." + strconv.Itoa(ordinal)
	}
	return text
}

// String is an entry as messages show it.
func (l level) String() string {
	if l.value == "" {
		return l.key
	}
	return l.key + "=" + l.value
}

type fieldError struct{ field, message string }

func (e *fieldError) Error() string { return e.field + ": " + e.message }

func fault(field, message string) *fieldError { return &fieldError{field, message} }
