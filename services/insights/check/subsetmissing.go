package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/schemas/istio"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/insights/fleet"
)

// subsetMissing is CFG0106. It speaks where no client of a route finds the subset; a host that is not there is CFG0101's.
func subsetMissing(r *fleet.Reader, subject fleet.Ref, _ Settings) Result {
	var result Result
	for _, s := range subsets(r, subject) {
		at := istio.Resolve(hosts{r, subject.Cluster}, subject.Cluster, s.host, s.clients)
		if at.Verdict != istio.Exists && at.Verdict != istio.Unknown {
			continue
		}
		if at.Verdict == istio.Exists && s.declared(r, subject, at.To) {
			continue
		}
		why := at.Why
		if why == "" {
			why = r.Unknown(subject.Cluster, fleet.DestinationRules)
		}
		if why != "" {
			result.Doubts = append(result.Doubts, Doubt{Target: subject, Detail: s.detail(), Why: why})
			continue
		}
		result.Found = append(result.Found, s.finding(subject))
	}
	return result
}

// subset is a subset of a host that a VirtualService leads to, at one or more fields.
type subset struct {
	host, name string
	fields     []string
	clients    istio.Audience
	defaults   defaults
	// counts are the rules that some client is served by, idle those that declare the subset and serve nobody.
	counts, idle []fleet.Ref
	// of are the subsets that each of these declares.
	of map[fleet.Ref][]string
}

func (s *subset) detail() string { return s.host + "/" + s.name }

// subsets returns the subsets that a VirtualService leads to, each once, in the order of its fields.
func subsets(r *fleet.Reader, subject fleet.Ref) []*subset {
	v := fleet.Get[fleet.VirtualService](r, subject)
	if v == nil || v.Managed() {
		return nil
	}
	var all []*subset
	legs(v, func(to fleet.Destination, path string) {
		if to.Subset == "" {
			return
		}
		host := resource.FullHost(to.Host, subject.Key.Namespace)
		i := slices.IndexFunc(all, func(s *subset) bool { return s.host == host && s.name == to.Subset })
		if i < 0 {
			i, all = len(all), append(all, &subset{host: host, name: to.Subset, of: map[fleet.Ref][]string{}})
		}
		all[i].fields = append(all[i].fields, path+".subset")
	})
	if len(all) > 0 {
		d := defaultsOf(r, subject.Cluster)
		to := clients(r, subject, v, d)
		for _, s := range all {
			s.clients, s.defaults = to, d
		}
	}
	return all
}

// declared reports whether some client finds the subset, and notes the rules that it looked at.
func (s *subset) declared(r *fleet.Reader, subject fleet.Ref, to istio.Claim[fleet.Ref]) bool {
	rules := s.rules(r, subject.Cluster)
	names := []string{subject.Key.Namespace, ""} // "" for clients of a namespace without rules
	homes := []string{to.Namespace}
	for _, c := range (hosts{r, subject.Cluster}).Here(s.host) {
		homes = append(homes, c.Namespace)
	}
	for _, rule := range rules {
		names = append(append(names, rule.Namespace), istio.Exported(rule.ExportTo, nil, rule.Namespace).Names...)
		if to.Kind == istio.GlobalService { // whose ServiceEntry stands where Meshweir put it
			homes = append(homes, rule.Namespace)
		}
	}
	if !s.clients.All {
		names = s.clients.Names
	}
	all := istio.Rules[fleet.Ref]{Root: s.defaults.root, ExportTo: s.defaults.destinationRules, In: func(namespace string) []istio.Rule[fleet.Ref] {
		return slices.DeleteFunc(slices.Clone(rules), func(rule istio.Rule[fleet.Ref]) bool { return rule.Namespace != namespace })
	}}
	for _, client := range names {
		for _, home := range homes {
			for _, rule := range all.For(client, home, s.host) {
				if !rule.InForce {
					continue
				}
				if slices.Contains(s.of[rule.Object], s.name) {
					return true
				}
				s.counts = append(s.counts, rule.Object)
			}
		}
	}
	for _, rule := range rules {
		if slices.Contains(s.of[rule.Object], s.name) {
			s.idle = append(s.idle, rule.Object)
		}
	}
	for _, refs := range []*[]fleet.Ref{&s.counts, &s.idle} {
		slices.SortFunc(*refs, fleet.Ref.Compare)
		*refs = slices.Compact(*refs)
	}
	return len(names) == 0 // nobody sees the route
}

// rules returns the DestinationRules of a cluster that are for the host, and notes what they declare.
func (s *subset) rules(r *fleet.Reader, cluster string) []istio.Rule[fleet.Ref] {
	var rules []istio.Rule[fleet.Ref]
	for _, ref := range slices.Concat(r.Find(fleet.ByRuleHost, cluster, s.host), r.Find(fleet.ByRuleHost, cluster, "*")) {
		d := fleet.Get[fleet.DestinationRule](r, ref)
		if d == nil {
			continue
		}
		rule := istio.Rule[fleet.Ref]{
			Object: ref, Namespace: d.Namespace, Name: d.Name, Created: d.Created,
			Host: resource.FullHost(d.Spec.Host, d.Namespace), ExportTo: d.Spec.ExportTo, Selector: d.Spec.WorkloadSelector.MatchLabels,
		}
		if !rule.Matches(s.host) {
			continue
		}
		rules = append(rules, rule)
		for _, declared := range d.Spec.Subsets {
			s.of[ref] = append(s.of[ref], declared.Name)
		}
	}
	return rules
}

func (s *subset) finding(subject fleet.Ref) Finding {
	f := Finding{
		Target: subject, Detail: s.detail(), Also: slices.Concat(s.counts, s.idle),
		Summary: fmt.Sprintf("%s leads to the subset %q of %s, which no DestinationRule declares", subject.Text(), s.name, s.host),
	}
	if len(s.idle) > 0 {
		f.Summary += " that counts for its clients"
	}
	for _, path := range s.fields {
		f.Evidence = append(f.Evidence, insight.Evidence{Says: "the route leads there", Source: subject.Insight(), Field: path, Value: s.name})
	}
	for _, ref := range s.counts[:min(len(s.counts), mostNamed)] {
		f.Evidence = append(f.Evidence, insight.Evidence{
			Says: "this one counts, and does not declare it", Source: ref.Insight(), Field: "spec.subsets", Value: strings.Join(s.of[ref], ", "),
		})
	}
	for _, ref := range s.idle[:min(len(s.idle), mostNamed)] {
		f.Evidence = append(f.Evidence, insight.Evidence{
			Says: "this one declares it, and does not count: clients do not see it, or another one comes before it", Source: ref.Insight(),
			Field: fmt.Sprintf("spec.subsets[%d].name", slices.Index(s.of[ref], s.name)), Value: s.name,
		})
	}
	if len(s.counts)+len(s.idle) == 0 {
		f.Evidence = append(f.Evidence, insight.Evidence{Says: "no DestinationRule of the cluster is for the host and seen from there", Source: insight.Ref{Cluster: subject.Cluster}})
	}
	correct := insight.Step{Do: "See whether the name is misspelt, and correct it.", Commands: []string{edit(subject)}}
	declare := insight.Step{Do: "Or declare the subset in a DestinationRule for the host, in the namespace of the service or of the clients."}
	switch {
	case len(s.counts) > 0:
		declare = insight.Step{Do: "Or declare the subset in the DestinationRule that counts.", Commands: []string{edit(s.counts[0])}}
	case len(s.idle) > 0:
		declare = insight.Step{Do: "Or let the clients see the DestinationRule that declares it: move it to their namespace or that of the service, or widen its exportTo.", Commands: []string{edit(s.idle[0])}}
	}
	f.Remedy = []insight.Step{correct, declare}
	return f
}
