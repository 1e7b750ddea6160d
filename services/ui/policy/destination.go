package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/ui/mesh"
)

// destinationStages are the DestinationRules by which clients in some namespaces call a backend.
func destinationStages(ix *mesh.Index, cluster string, to *mesh.Object, clients []string) []Stage {
	host := mesh.HostOf(to)
	if host == "" {
		return nil
	}
	var stages []Stage
	for _, client := range clients {
		var entries []Entry
		listed := map[*mesh.Object]bool{}
		decided := false
		for _, at := range ruleIndexes(ix, cluster, client, to.Key.Namespace) {
			rules := matching(at.rules, host)
			force := inForce(rules, at, client)
			for _, r := range rules {
				if listed[r.object] || !at.shows(r.exportTo, client) {
					continue
				}
				listed[r.object] = true
				e := entryOf(ix, r.object)
				if len(r.selector) == 0 {
					e.Scope = ""
				}
				e.Overridden = decided || !force[r.object]
				entries = append(entries, e)
			}
			decided = decided || len(force) > 0
		}
		if len(entries) > 0 {
			stages = append(stages, Stage{
				Title: "On the way, from " + client, Entries: entries,
				Rule: "The first of the client's, the service's and the root namespace that has a rule decides, there the most specific host",
			})
		}
	}
	return stages
}

// rule is a DestinationRule.
type rule struct {
	object   *mesh.Object
	host     string
	exportTo []string // sorted
	selector map[string]string
}

// ruleIndex is what Istio keeps of the DestinationRules of a namespace: its own, or those that it exports.
type ruleIndex struct {
	rules []rule
	own   bool
}

// shows reports whether a client looks at what is exported so.
func (x ruleIndex) shows(exportTo []string, client string) bool {
	return x.own || len(exportTo) == 0 || slices.Contains(exportTo, "*") || slices.Contains(exportTo, client)
}

// ruleIndexes returns the rules in which a client looks for that of a service, one after the other: its own; those that the service's namespace exports; those
// that the root namespace does. A client of the root namespace begins with its private ones: its others are for the whole mesh
// (pilot/pkg/model/push_context.go, setDestinationRules and destinationRule).
func ruleIndexes(ix *mesh.Index, cluster, client, service string) []ruleIndex {
	root := ix.RootNamespace(cluster)
	private := slices.Contains(ix.DestinationRuleExportTo(cluster), ".")
	in := func(namespace string, is func(r rule, private bool) bool) []rule {
		var rules []rule
		for _, o := range ix.DestinationRules(cluster, namespace) {
			r := ruleOf(o)
			alone := len(r.exportTo) == 0 && private || len(r.exportTo) == 1 && (r.exportTo[0] == "." || r.exportTo[0] == namespace)
			if is(r, alone) {
				rules = append(rules, r)
			}
		}
		return rules
	}
	own := func(r rule, private bool) bool {
		if client == root {
			return private
		}
		return len(r.exportTo) == 0 || slices.ContainsFunc(r.exportTo, func(to string) bool { return to == "*" || to == "." || to == client })
	}
	exported := func(_ rule, private bool) bool { return !private }
	return []ruleIndex{{in(client, own), true}, {in(service, exported), false}, {in(root, exported), false}}
}

func ruleOf(o *mesh.Object) rule {
	r := rule{object: o, host: resource.FullHost(o.Wiring.Hosts[0], o.Key.Namespace), selector: o.Wiring.Selector}
	if r.exportTo = slices.Compact(slices.Sorted(slices.Values(o.Wiring.ExportTo))); len(r.selector) > 0 {
		r.exportTo = []string{"."} // whatever it says
	}
	return r
}

// matching returns the rules for a host, the most specific first, of one host those with a selector, then the oldest.
func matching(rules []rule, host string) []rule {
	rules = slices.DeleteFunc(rules, func(r rule) bool {
		suffix, wild := strings.CutPrefix(r.host, "*")
		return r.host != host && (!wild || !strings.HasSuffix(host, suffix))
	})
	slices.SortFunc(rules, func(a, b rule) int {
		return cmp.Or(first(strings.HasPrefix(a.host, "*"))-first(strings.HasPrefix(b.host, "*")), len(b.host)-len(a.host),
			first(len(b.selector) > 0)-first(len(a.selector) > 0), mesh.Older(a.object, b.object))
	})
	return rules
}

// inForce returns those of the rules for a host by which some client is served: of the most specific host. Rules that are exported alike are merged; of those that are
// not, the last without a selector counts (pilot/pkg/model/destination_rule.go, mergeDestinationRule, and SidecarScope.DestinationRule).
func inForce(rules []rule, at ruleIndex, client string) map[*mesh.Object]bool {
	type group struct {
		rule
		merged []*mesh.Object
	}
	var groups []*group
	for _, r := range rules {
		if r.host != rules[0].host {
			break
		}
		apart := true
		for _, g := range groups {
			switch alike := slices.Equal(r.exportTo, g.exportTo); {
			case !alike && (len(g.exportTo) == 0 || !containsAll(r.exportTo, g.exportTo)), len(r.selector) > 0 && len(g.selector) > 0 && !maps.Equal(r.selector, g.selector):
				apart = true
				continue
			default:
				apart = !alike && (len(r.selector) > 0) != (len(g.selector) > 0)
			}
			g.merged = append(g.merged, r.object)
		}
		if apart {
			groups = append(groups, &group{r, []*mesh.Object{r.object}})
		}
	}
	force := map[*mesh.Object]bool{}
	rest := true // no rule was found for clients that no selector selects
	for _, g := range slices.Backward(groups) {
		if !at.shows(g.exportTo, client) || len(g.selector) == 0 && !rest {
			continue
		}
		rest = rest && len(g.selector) > 0
		for _, o := range g.merged {
			force[o] = true
		}
	}
	return force
}

func containsAll(list, of []string) bool {
	return !slices.ContainsFunc(of, func(s string) bool { return !slices.Contains(list, s) })
}
