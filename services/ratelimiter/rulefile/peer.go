package rulefile

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/meshweir/meshweir/schemas/limits"
)

// Differences are what envoyproxy/ratelimit makes of the documents otherwise, and hints about what it and we do alike
// and surprises many. The documents are those of all files that it would be given.
func Differences(documents []*Document) Findings {
	var found Findings
	first := map[string]*Document{}
	for _, d := range documents {
		p := peer{document: d}
		if d.index > 0 {
			p.say("", "reads only the first document of a file: it would not know this one")
		}
		if other := first[d.Domain.Domain]; other != nil {
			p.say("domain", fmt.Sprintf("refuses a domain in two documents (the other one is in %s), unless MERGE_DOMAIN_CONFIG is set", other.File))
		} else {
			first[d.Domain.Domain] = d
		}
		for _, o := range d.odd {
			p.say(o.path, o.message)
		}
		p.unknown("", reflect.ValueOf(d.Domain))
		p.rules("descriptors", d.Descriptors, counter{pattern: "_"})
		p.collisions()
		found = append(found, p.found...)
	}
	return found
}

// peer judges one document as envoyproxy/ratelimit does.
type peer struct {
	document *Document
	found    Findings
	counters []counter
}

// counter is what a rule counts: its name in Redis, in which "*" stands for what the caller says.
type counter struct {
	path, pattern string
	keys          []string
}

func (p *peer) say(path, message string) {
	p.found = append(p.found, p.document.finding(path, Difference, "envoyproxy/ratelimit "+message))
}

// words are those that it does not know.
func words() []string {
	return []string{
		"all_or_nothing", "set_descriptors", "rate_limits", "unit_multiplier", "period", "calendar", "algorithm", "burst",
		"count_denied", "on_error",
	}
}

// unknown tells of each field that is set and that it does not know.
func (p *peer) unknown(path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			p.unknown(path, v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			p.unknown(path+"["+strconv.Itoa(i)+"]", v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Anonymous {
				p.unknown(path, v.Field(i))
				continue
			}
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			at := strings.TrimPrefix(path+"."+name, ".")
			if _, written := p.document.places[at]; !written {
				continue
			}
			if slices.Contains(words(), name) {
				p.say(at, "does not know this field, and refuses the file")
				continue // one finding is enough for what is in it
			}
			p.unknown(at, v.Field(i))
		}
	default:
	}
}

// rules compares how rules are found: it joins key and value into one name.
func (p *peer) rules(path string, rules []limits.Rule, above counter) {
	joined := map[string]string{}
	for i, rule := range rules {
		at := path + "[" + strconv.Itoa(i) + "]"
		name := rule.Key
		if rule.Value != "" {
			name += "_" + rule.Value
		}
		if other, taken := joined[name]; taken {
			p.say(at, fmt.Sprintf("joins key and value to %q, which is that of %s too, and refuses the file", name, other))
		}
		joined[name] = at
		p.rule(at, rule)
		counted := counter{
			path: at, pattern: above.pattern + rule.Key + "_" + cmp.Or(rule.Value, "*") + "_",
			keys: append(slices.Clip(above.keys), rule.Key),
		}
		if rule.Limit != nil && !rule.Limit.Unlimited {
			p.counters = append(p.counters, counted)
		}
		p.rules(at+".descriptors", rule.Descriptors, counted)
	}
}

func (p *peer) rule(at string, rule limits.Rule) {
	if star := strings.Index(rule.Value, "*"); star >= 0 && star < len(rule.Value)-1 {
		p.say(at+".value", "takes a \"*\" that is not the last character as it is, in versions before spring 2026")
	}
	if rule.Value == "" && strings.HasSuffix(rule.Key, "*") {
		p.say(at+".key", "takes this for a pattern of key and value joined; here it is a key that ends with \"*\"")
	}
	if rule.Metadata != nil {
		p.say(at+".metadata", "refuses the file in versions before spring 2026, which do not know this field")
	}
	if rule.Limit == nil || rule.Limit.Calendar {
		return
	}
	hint := map[string]string{
		"week":  "a week begins on Thursday 00:00 UTC",
		"month": "a month is 30 days from the Unix epoch, wherever the calendar's begins",
		"year":  "a year is 365 days from the Unix epoch, wherever the calendar's begins",
	}[strings.ToLower(rule.Limit.Unit)]
	if hint != "" {
		p.found = append(p.found, p.document.finding(at+".rate_limit.unit", Hint,
			hint+", as for envoyproxy/ratelimit; \"calendar: true\" makes it begin where the calendar says"))
	}
}

// mostCounters bounds the comparison of each counter with each.
const mostCounters = 300

// collisions tells of rules whose counters have the same name in Redis for values that a caller can choose.
func (p *peer) collisions() {
	if len(p.counters) > mostCounters {
		p.found = append(p.found, p.document.finding("", Hint, fmt.Sprintf(
			"the domain has more than %d limits: whether envoyproxy/ratelimit would mix their counters was not looked at", mostCounters)))
		return
	}
	for i, c := range p.counters {
		for _, other := range p.counters[:i] {
			// Where the keys are the same, the more telling rule has its values for itself.
			if !slices.Equal(c.keys, other.keys) && meet(c.pattern, other.pattern) {
				p.say(c.path, fmt.Sprintf("joins the entries of a counter with \"_\": with values that a caller may choose, hits of %s count here too (line %d)",
					other.path, p.document.finding(other.path, "", "").Line))
				break
			}
		}
	}
}

// meet says whether a text matches both patterns, in which "*" stands for anything.
func meet(a, b string) bool {
	// reach[j] says that what was taken of a and b[:j] may be the same text.
	reach := make([]bool, len(b)+1)
	reach[0] = true
	for j := range len(b) {
		reach[j+1] = reach[j] && b[j] == '*'
	}
	for i := range len(a) {
		next := make([]bool, len(b)+1)
		next[0] = reach[0] && a[i] == '*'
		for j := range len(b) {
			switch {
			case a[i] == '*' || b[j] == '*':
				next[j+1] = reach[j+1] || next[j]
			default:
				next[j+1] = reach[j] && a[i] == b[j]
			}
		}
		reach = next
	}
	return reach[len(b)]
}
