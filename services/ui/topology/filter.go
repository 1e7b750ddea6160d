package topology

import (
	"maps"
	"slices"
	"strings"
)

// filter leaves the nodes that match, and what is on the way to and from them.
func (b *builder) filter(f Filter) {
	if f.Cluster == "" && f.Namespace == "" && f.Host == "" {
		return
	}
	before, after := map[string][]string{}, map[string][]string{}
	for p := range b.edges {
		before[p.to] = append(before[p.to], p.from)
		after[p.from] = append(after[p.from], p.to)
	}
	var from []string
	for id, n := range b.nodes {
		if f.matches(n) {
			from = append(from, id)
		}
	}
	kept := b.reach(from, before)
	maps.Copy(kept, b.reach(from, after))
	b.nodes = kept
}

// reach returns what can be come to from some nodes, one way, and these.
func (b *builder) reach(from []string, ways map[string][]string) map[string]*Node {
	reached := map[string]*Node{}
	todo := slices.Clone(from)
	for len(todo) > 0 {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if n := b.nodes[id]; n != nil && reached[id] == nil {
			reached[id] = n
			todo = append(todo, ways[id]...)
		}
	}
	return reached
}

// matches reports whether a node itself is asked for. By host a gateway is not: it
// would bring along all its routes.
func (f Filter) matches(n *Node) bool {
	if f.Cluster != "" && n.Cluster != f.Cluster || f.Namespace != "" && n.Namespace != f.Namespace {
		return false
	}
	if f.Host == "" {
		return true
	}
	host := strings.ToLower(strings.TrimSpace(f.Host))
	return n.Column != Gateways && slices.ContainsFunc(n.Hosts, func(h string) bool {
		return strings.Contains(strings.ToLower(h), host) || coversHost(h, host)
	})
}

// coversHost reports whether a host with a wildcard stands for another one.
func coversHost(wildcard, host string) bool {
	suffix, is := strings.CutPrefix(strings.ToLower(wildcard), "*")
	return is && strings.HasSuffix(host, suffix)
}
