package check

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/services/insights/fleet"
)

// hostClaimed is CFG0103. It speaks of the younger Gateway, which loses.
func hostClaimed(r *fleet.Reader, subject fleet.Ref, _ Settings) Result {
	g := fleet.Get[fleet.Gateway](r, subject)
	if g == nil {
		return Result{}
	}
	var result Result
	m, said := newMerge(r, subject.Cluster, g.Spec.Selector), map[string]bool{}
	for at := range g.Spec.Servers {
		for _, l := range lostBy(m, server{place{subject, at}, g}) {
			if !said[l.detail()] {
				said[l.detail()] = true
				result.Found = append(result.Found, l.finding())
			}
		}
	}
	return result
}

// loss is what a server loses to an earlier one of another Gateway: a host or, without one, its port.
type loss struct {
	by, of server
	host   string
}

// lostBy returns what a server loses, to whom it does so first.
func lostBy(m *merge, s server) []loss {
	var hosts, port []loss
	for _, e := range m.earlier(s) {
		switch {
		case e.ref == s.ref || m.leavesOut(e):
		case s.losesPort(e):
			port = append(port, loss{by: e, of: s})
		default:
			for _, host := range s.shared(e) {
				hosts = append(hosts, loss{e, s, host})
			}
		}
	}
	if s.spec().TLS == nil && m.leavesOut(s) { // and so has no routes that could come second
		return port
	}
	return append(port, hosts...)
}

func (l loss) detail() string {
	if l.host == "" {
		return fmt.Sprintf("port-%d", l.of.spec().Port.Number)
	}
	return fmt.Sprintf("%s:%d", l.host, l.of.spec().Port.Number)
}

// what names what is lost.
func (l loss) what() string {
	if l.host == "" {
		return fmt.Sprintf("port %d", l.of.spec().Port.Number)
	}
	return fmt.Sprintf("%s at port %d", l.host, l.of.spec().Port.Number)
}

// claim is the evidence for what a server asks for.
func (l loss) claim(s server) insight.Evidence {
	created := s.g.Created
	if created == "" {
		created = "an unknown time"
	}
	if l.host == "" {
		return insight.Evidence{
			Says:   fmt.Sprintf("%s, made at %s, wants the port for %s", s.ref.Text(), created, s.spec().Port.Protocol),
			Source: s.ref.Insight(), Field: fmt.Sprintf("spec.servers[%d].port", s.at), Value: strconv.Itoa(s.spec().Port.Number),
		}
	}
	return insight.Evidence{
		Says:   fmt.Sprintf("%s, made at %s, wants the host at port %d", s.ref.Text(), created, s.spec().Port.Number),
		Source: s.ref.Insight(), Field: fmt.Sprintf("spec.servers[%d].hosts[%d]", s.at, slices.Index(s.hosts(), l.host)), Value: l.host,
	}
}

func (l loss) finding() Finding {
	by, of := l.by, l.of
	f := Finding{Target: of.ref, Detail: l.detail(), Also: []fleet.Ref{by.ref}}
	effect := "Istio leaves out the whole server of " + of.ref.Text()
	if l.host != "" && of.spec().TLS == nil {
		f.Severity = insight.Warning
		effect = "its routes come after those of " + by.ref.Text()
	}
	f.Summary = fmt.Sprintf("%s and %s want %s of the same proxies; %s is older, so %s", of.ref.Text(), by.ref.Text(), l.what(), by.ref.Text(), effect)
	if of.g.Created == by.g.Created {
		f.Summary = strings.Replace(f.Summary, "is older", "comes first by its name", 1)
	}
	f.Evidence = []insight.Evidence{l.claim(by), l.claim(of), {
		Says: "both select the same proxies", Source: of.ref.Insight(), Field: "spec.selector", Value: labelText(of.g.Spec.Selector),
	}}
	target := of.ref
	for _, g := range []*fleet.Gateway{by.g, of.g} {
		if !g.Managed() {
			continue
		}
		for _, source := range g.Sources() {
			ref, ok := fleet.ParseRef(source)
			if !ok || ref.Key.Kind != "Gateway" {
				continue
			}
			f.Also = append(f.Also, ref)
			f.Evidence = append(f.Evidence, insight.Evidence{Says: "Meshweir made " + g.Namespace + "/" + g.Name + " from this", Source: ref.Insight(), Field: "spec.listeners"})
			if g == of.g {
				target = ref
			}
		}
	}
	slices.SortFunc(f.Also, fleet.Ref.Compare)
	f.Also = slices.Compact(f.Also)
	f.Remedy = []insight.Step{
		{Do: "Decide which of the two serves the host, and take it out of the other.", Commands: []string{edit(target)}},
		{Do: "Where both should, let one Gateway have the host, and the routes of both sides refer to it."},
	}
	if l.host == "" {
		f.Remedy = []insight.Step{{
			Do: "Decide which of the two has the port, and give the other one another port, or an address (bind) of its own.", Commands: []string{edit(target)},
		}}
	}
	return f
}

// labelText prints labels as kubectl takes them.
func labelText(labels map[string]string) string {
	pairs := make([]string, 0, len(labels))
	for _, k := range sortedKeys(labels) {
		pairs = append(pairs, k+"="+labels[k])
	}
	return strings.Join(pairs, ",")
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
