package istio

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Rule is a DestinationRule, as far as it says for whom it is, and how it ranks. T is what the caller knows it by.
type Rule[T comparable] struct {
	Object          T
	Namespace, Name string
	// Created is its creationTimestamp; empty counts as the oldest.
	Created string
	// Host is its host in full.
	Host     string
	ExportTo []string
	// Selector is the matchLabels of its workloadSelector; empty for all clients.
	Selector map[string]string
}

// SeenRule is a DestinationRule that a client sees, and whether the client, or some workload of its namespace, is served by it.
type SeenRule[T comparable] struct {
	Rule[T]
	InForce bool
}

// Rules are the DestinationRules of a cluster.
type Rules[T comparable] struct {
	// Root is the root namespace.
	Root string
	// ExportTo says who sees those that do not say it; none means every namespace.
	ExportTo []string
	// In returns those of a namespace.
	In func(namespace string) []Rule[T]
}

// For returns the rules for a host that clients in a namespace see, in the order in which they look for them: their own; those that the namespace of the
// service at the host exports; those that the root namespace does. The first of these that serves the client decides
// (pilot/pkg/model/push_context.go, destinationRule).
func (s Rules[T]) For(client, service, host string) []SeenRule[T] {
	var seen []SeenRule[T]
	listed, decided := map[T]bool{}, false
	for _, at := range s.shelves(client, service) {
		rules := matching(at.rules, host)
		force := inForce(rules, at, client)
		for _, r := range rules {
			if !listed[r.Object] && at.shows(r.ExportTo, client) {
				listed[r.Object] = true
				seen = append(seen, SeenRule[T]{r, !decided && force[r.Object]})
			}
		}
		decided = decided || len(force) > 0
	}
	return seen
}

// shelf is what Istio keeps of the DestinationRules of a namespace: its own, or those that it exports.
type shelf[T comparable] struct {
	rules []Rule[T]
	own   bool
}

// shows reports whether a client looks at what is exported so.
func (x shelf[T]) shows(exportTo []string, client string) bool {
	return x.own || len(exportTo) == 0 || slices.Contains(exportTo, "*") || slices.Contains(exportTo, client)
}

// shelves returns where a client looks, one after the other. A client of the root namespace begins with its private ones: its others are for
// the whole mesh (pilot/pkg/model/push_context.go, setDestinationRules).
func (s Rules[T]) shelves(client, service string) []shelf[T] {
	alone := slices.Contains(s.ExportTo, ".")
	in := func(namespace string, is func(r Rule[T], private bool) bool) []Rule[T] {
		var rules []Rule[T]
		for _, r := range s.In(namespace) {
			if r.ExportTo = slices.Compact(slices.Sorted(slices.Values(r.ExportTo))); len(r.Selector) > 0 {
				r.ExportTo = []string{"."} // whatever it says
			}
			private := len(r.ExportTo) == 0 && alone || len(r.ExportTo) == 1 && (r.ExportTo[0] == "." || r.ExportTo[0] == namespace)
			if is(r, private) {
				rules = append(rules, r)
			}
		}
		return rules
	}
	own := func(r Rule[T], private bool) bool {
		if client == s.Root {
			return private
		}
		return len(r.ExportTo) == 0 || slices.ContainsFunc(r.ExportTo, func(to string) bool { return to == "*" || to == "." || to == client })
	}
	exported := func(_ Rule[T], private bool) bool { return !private }
	return []shelf[T]{{in(client, own), true}, {in(service, exported), false}, {in(s.Root, exported), false}}
}

// Matches reports whether the rule is for a host: its own, or one that its wildcard covers.
func (r Rule[T]) Matches(host string) bool {
	suffix, wild := strings.CutPrefix(r.Host, "*")
	return r.Host == host || wild && strings.HasSuffix(host, suffix)
}

// matching returns the rules for a host, the most specific first, of one host those with a selector, then the oldest.
func matching[T comparable](rules []Rule[T], host string) []Rule[T] {
	rules = slices.DeleteFunc(rules, func(r Rule[T]) bool { return !r.Matches(host) })
	last := func(is bool) int {
		if is {
			return 1
		}
		return 0
	}
	slices.SortFunc(rules, func(a, b Rule[T]) int {
		return cmp.Or(last(strings.HasPrefix(a.Host, "*"))-last(strings.HasPrefix(b.Host, "*")), len(b.Host)-len(a.Host),
			last(len(a.Selector) == 0)-last(len(b.Selector) == 0),
			older(a.Created, b.Created, a.Name, b.Name, a.Namespace, b.Namespace))
	})
	return rules
}

// inForce returns those of the rules for a host by which some client is served: of the most specific host. Rules that are exported alike are merged; of those that are
// not, the last without a selector counts (pilot/pkg/model/destination_rule.go, mergeDestinationRule, and SidecarScope.DestinationRule).
func inForce[T comparable](rules []Rule[T], at shelf[T], client string) map[T]bool {
	type group struct {
		Rule[T]
		merged []T
	}
	var groups []*group
	for _, r := range rules {
		if r.Host != rules[0].Host {
			break
		}
		apart := true
		for _, g := range groups {
			switch alike := slices.Equal(r.ExportTo, g.ExportTo); {
			case !alike && (len(g.ExportTo) == 0 || !containsAll(r.ExportTo, g.ExportTo)), len(r.Selector) > 0 && len(g.Selector) > 0 && !maps.Equal(r.Selector, g.Selector):
				apart = true
				continue
			default:
				apart = !alike && (len(r.Selector) > 0) != (len(g.Selector) > 0)
			}
			g.merged = append(g.merged, r.Object)
		}
		if apart {
			groups = append(groups, &group{r, []T{r.Object}})
		}
	}
	force := map[T]bool{}
	rest := true // no rule was found for clients that no selector selects
	for _, g := range slices.Backward(groups) {
		if !at.shows(g.ExportTo, client) || len(g.Selector) == 0 && !rest {
			continue
		}
		rest = rest && len(g.Selector) > 0
		for _, object := range g.merged {
			force[object] = true
		}
	}
	return force
}

func containsAll(list, of []string) bool {
	return !slices.ContainsFunc(of, func(s string) bool { return !slices.Contains(list, s) })
}
