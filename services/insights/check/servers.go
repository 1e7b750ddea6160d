package check

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/insights/fleet"
)

// merge is how Istio puts the Gateways together that select the proxies of one of them (pilot/pkg/model/gateway.go, mergeGateways). It
// takes them in the order of their creation, then of name and namespace, server by server, and leaves a server out that one before it,
// at the same port and address, stands in the way of: with TLS, one that has a host of it; and in any case one without TLS, unless
// both speak HTTP.
type merge struct {
	r        *fleet.Reader
	cluster  string
	selector map[string]string
	// out are the servers that were looked at, and whether Istio leaves them out.
	out map[place]bool
}

// place tells servers apart.
type place struct {
	ref fleet.Ref
	at  int
}

// server is a server of a Gateway; at is its place among those.
type server struct {
	place
	g *fleet.Gateway
}

func newMerge(r *fleet.Reader, cluster string, selector map[string]string) *merge {
	return &merge{r: r, cluster: cluster, selector: selector, out: map[place]bool{}}
}

// leavesOut reports whether Istio leaves a server out.
func (m *merge) leavesOut(s server) bool {
	out, known := m.out[s.place]
	if !known {
		out = slices.ContainsFunc(m.earlier(s), func(e server) bool {
			return (s.spec().TLS != nil || s.losesPort(e)) && !m.leavesOut(e)
		})
		m.out[s.place] = out
	}
	return out
}

// earlier returns, in order, the servers that Istio takes before one at its port and address, and that have a host of it or leave no room for it.
func (m *merge) earlier(s server) []server {
	port := strconv.Itoa(s.spec().Port.Number)
	refs := m.r.Find(fleet.ByTCPPort, m.cluster, port)
	if !s.spec().HTTP() {
		refs = append(refs, m.r.Find(fleet.ByHTTPPort, m.cluster, port)...)
	}
	if s.spec().HTTP() || s.spec().TLS != nil {
		for _, host := range s.spec().Hosts {
			refs = append(refs, m.r.Find(fleet.ByServerHost, m.cluster, host[strings.Index(host, "/")+1:])...)
		}
	}
	slices.SortFunc(refs, fleet.Ref.Compare)
	var found []server
	for _, ref := range slices.Compact(refs) {
		g := fleet.Get[fleet.Gateway](m.r, ref)
		if g == nil || !m.together(g.Spec.Selector, m.selector) || !m.together(g.Spec.Selector, s.g.Spec.Selector) {
			continue
		}
		for at, spec := range g.Spec.Servers {
			e := server{place{ref, at}, g}
			if spec.Port.Number == s.spec().Port.Number && spec.Bind == s.spec().Bind && e.compare(s) < 0 && (s.losesPort(e) || len(s.shared(e)) > 0) {
				found = append(found, e)
			}
		}
	}
	slices.SortFunc(found, server.compare)
	return found
}

// together reports whether two selectors select some workload both, or are sure to whenever there is one.
func (m *merge) together(a, b map[string]string) bool {
	for k, v := range a {
		if w, ok := b[k]; ok && w != v {
			return false
		}
	}
	if resource.Selects(a, b) || resource.Selects(b, a) { // what the narrower one selects, the wider one does too
		return true
	}
	return slices.ContainsFunc(proxies(m.r, m.cluster, a), func(ref fleet.Ref) bool {
		w := fleet.Get[fleet.Workload](m.r, ref)
		return w != nil && resource.Selects(b, w.Spec.Template.Labels)
	})
}

func (s server) spec() *fleet.Server { return &s.g.Spec.Servers[s.at] }

// compare is Istio's order.
func (s server) compare(o server) int {
	return cmp.Or(strings.Compare(s.g.Created, o.g.Created), strings.Compare(s.ref.Key.Name, o.ref.Key.Name),
		strings.Compare(s.ref.Key.Namespace, o.ref.Key.Namespace), cmp.Compare(s.at, o.at))
}

// losesPort reports whether an earlier server at the port and address leaves no room for this one, whatever its hosts.
func (s server) losesPort(earlier server) bool {
	e := earlier.spec()
	return (e.HTTP() || e.TLS == nil) && (!e.HTTP() || !s.spec().HTTP())
}

// shared returns the hosts that another server has too; none where only one of the two has TLS.
func (s server) shared(o server) []string {
	if (s.spec().TLS == nil) != (o.spec().TLS == nil) {
		return nil
	}
	theirs := o.hosts()
	return slices.DeleteFunc(s.hosts(), func(host string) bool { return !slices.Contains(theirs, host) })
}

// hosts are the hosts as Istio compares them: "namespace/host", or "host" for those of every namespace.
func (s server) hosts() []string {
	hosts := slices.Clone(s.spec().Hosts)
	for i, host := range hosts {
		switch scope, name, ok := strings.Cut(host, "/"); {
		case ok && scope == "*":
			hosts[i] = name
		case ok && scope == ".":
			hosts[i] = s.ref.Key.Namespace + "/" + name
		}
	}
	return hosts
}
