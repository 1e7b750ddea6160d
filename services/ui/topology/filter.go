package topology

import (
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
	kept := map[string]*Node{}
	for id, n := range b.nodes {
		if f.matches(n) {
			b.reach(kept, id, before)
			b.reach(kept, id, after)
		}
	}
	b.nodes = kept
}

// reach adds what can be come to from a node, one way.
func (b *builder) reach(kept map[string]*Node, from string, ways map[string][]string) {
	seen := map[string]bool{}
	todo := []string{from}
	for len(todo) > 0 {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if n := b.nodes[id]; n != nil && !seen[id] {
			seen[id] = true
			kept[id] = n
			todo = append(todo, ways[id]...)
		}
	}
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
