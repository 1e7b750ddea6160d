package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/services/insights/fleet"
)

// hostClaimed is CFG0103. It speaks of the younger Gateway, which loses. What wins is Istio's rule (pilot/pkg/model/gateway.go,
// MergeGateways): Gateways come in the order of their creation, then of name and namespace; of TLS servers on one port, one
// that repeats a host is left out; the routes of other servers are put together in that order.
func hostClaimed(r *fleet.Reader, subject fleet.Ref, _ Settings) Result {
	g := fleet.Get[fleet.Gateway](r, subject)
	if g == nil {
		return Result{}
	}
	var result Result
	said := map[string]bool{}
	for i, server := range g.Spec.Servers {
		for j, host := range server.Hosts {
			c := claim{subject, g, server, sanitized(host, subject.Key.Namespace), fmt.Sprintf("spec.servers[%d].hosts[%d]", i, j)}
			other, ok := c.winner(r)
			if !ok || said[c.detail()] {
				continue
			}
			said[c.detail()] = true
			result.Found = append(result.Found, c.finding(other))
		}
	}
	return result
}

// claim is a host that a server of a Gateway asks for.
type claim struct {
	ref    fleet.Ref
	g      *fleet.Gateway
	server fleet.Server
	host   string
	field  string
}

func (c claim) detail() string { return fmt.Sprintf("%s:%d", c.host, c.server.Port.Number) }

// sanitized is the host as Istio compares it: "namespace/host", or "host" for those of every namespace.
func sanitized(host, namespace string) string {
	scope, name, ok := strings.Cut(host, "/")
	switch {
	case !ok:
		return host
	case scope == "*":
		return name
	case scope == ".":
		return namespace + "/" + name
	default:
		return host
	}
}

// winner returns the claim of the oldest Gateway that has the same host before this one.
func (c claim) winner(r *fleet.Reader) (oldest claim, ok bool) {
	for _, ref := range r.Find(fleet.ByServerHost, c.ref.Cluster, c.host[strings.Index(c.host, "/")+1:]) {
		other := fleet.Get[fleet.Gateway](r, ref)
		if ref == c.ref || other == nil || !before(ref, other, c.ref, c.g) || !sameProxies(r, c.ref.Cluster, c.g.Spec.Selector, other.Spec.Selector) {
			continue
		}
		found, claims := c.in(ref, other)
		if claims && (!ok || before(ref, other, oldest.ref, oldest.g)) {
			oldest, ok = found, true
		}
	}
	return oldest, ok
}

// in finds the same claim in another Gateway.
func (c claim) in(ref fleet.Ref, g *fleet.Gateway) (claim, bool) {
	for i, s := range g.Spec.Servers {
		if s.Port.Number != c.server.Port.Number || s.Bind != c.server.Bind || (s.TLS == nil) != (c.server.TLS == nil) {
			continue
		}
		for j, host := range s.Hosts {
			if host = sanitized(host, ref.Key.Namespace); host == c.host {
				return claim{ref, g, s, host, fmt.Sprintf("spec.servers[%d].hosts[%d]", i, j)}, true
			}
		}
	}
	return claim{}, false
}

// before says which of two Gateways Istio takes first.
func before(a fleet.Ref, x *fleet.Gateway, b fleet.Ref, y *fleet.Gateway) bool {
	if x.Created != y.Created {
		return x.Created < y.Created
	}
	return a.Key.Name+"."+a.Key.Namespace < b.Key.Name+"."+b.Key.Namespace
}

// sameProxies reports whether two selectors select some workload both, or are sure to whenever there is one.
func sameProxies(r *fleet.Reader, cluster string, a, b map[string]string) bool {
	for k, v := range a {
		if w, ok := b[k]; ok && w != v {
			return false
		}
	}
	if matches(a, b) || matches(b, a) { // what the narrower one selects, the wider one does too
		return true
	}
	return slices.ContainsFunc(proxies(r, cluster, a), func(ref fleet.Ref) bool {
		w := fleet.Get[fleet.Workload](r, ref)
		return w != nil && matches(b, w.Spec.Template.Labels)
	})
}

func (c claim) finding(other claim) Finding {
	f := Finding{Target: c.ref, Detail: c.detail(), Also: []fleet.Ref{other.ref}}
	effect := "Istio leaves out the whole server of " + c.ref.Text()
	if c.server.TLS == nil {
		f.Severity = insight.Warning
		effect = "its routes come after those of " + other.ref.Text()
	}
	f.Summary = fmt.Sprintf("%s and %s want %s at port %d of the same proxies; %s is older, so %s",
		c.ref.Text(), other.ref.Text(), c.host, c.server.Port.Number, other.ref.Text(), effect)
	if c.g.Created == other.g.Created {
		f.Summary = strings.Replace(f.Summary, "is older", "comes first by its name", 1)
	}
	for _, side := range []claim{other, c} {
		created := side.g.Created
		if created == "" {
			created = "an unknown time"
		}
		f.Evidence = append(f.Evidence, insight.Evidence{
			Says:   fmt.Sprintf("%s, made at %s, wants the host at port %d", side.ref.Text(), created, side.server.Port.Number),
			Source: side.ref.Insight(), Field: side.field, Value: side.host,
		})
	}
	f.Evidence = append(f.Evidence, insight.Evidence{
		Says: "both select the same proxies", Source: c.ref.Insight(), Field: "spec.selector", Value: labelText(c.g.Spec.Selector),
	})
	target := c.ref
	for _, g := range []*fleet.Gateway{other.g, c.g} {
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
			if g == c.g {
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
