package topology

import (
	"maps"
	"slices"
)

// group puts the nodes of each column together, by cluster and namespace or by cluster.
func (b *builder) group(by Grouped) {
	groups := map[string]*Node{}
	of := map[string]string{}
	for _, id := range slices.Sorted(maps.Keys(b.nodes)) {
		n := b.nodes[id]
		namespace, title := n.Namespace, n.Namespace
		if by == ByCluster {
			namespace, title = "", n.Cluster
		}
		key := "group:" + n.Cluster + ":" + n.Column.String() + ":" + namespace
		g := groups[key]
		if g == nil {
			g = &Node{
				ID: key, Column: n.Column, Kind: n.Column.String(), Title: title, Namespace: namespace, Cluster: n.Cluster,
				Health: n.Health, Says: n.Says,
			}
			groups[key] = g
		}
		g.take(n)
		of[id] = key
	}
	edges := map[pair]*Edge{}
	for p, e := range b.edges {
		from, to := of[p.from], of[p.to]
		if from == "" || to == "" {
			continue
		}
		at := pair{from, to}
		if edges[at] == nil {
			edges[at] = &Edge{From: from, To: to, Health: e.Health}
		}
		edges[at].Count += max(1, e.Count)
		edges[at].Health = edges[at].Health.Worse(e.Health)
	}
	b.nodes, b.edges = groups, edges
}

// take counts a node, or a smaller group, in.
func (n *Node) take(o *Node) {
	n.Count += max(1, o.Count)
	switch {
	case o.Count > 0:
		n.Ill += o.Ill
	case o.Health.Ill():
		n.Ill++
	}
	if worse := n.Health.Worse(o.Health); worse != n.Health {
		n.Health, n.Says = worse, o.Says
	}
}

// cut leaves out clusters until the rest has room, first those that have nothing ill, and returns how many.
func (b *builder) cut() int {
	counts, ill := map[string]int{}, map[string]int{}
	for _, n := range b.nodes {
		counts[n.Cluster]++
		ill[n.Cluster] += n.Ill
		if n.Count == 0 && n.Health.Ill() {
			ill[n.Cluster]++
		}
	}
	names := slices.Sorted(maps.Keys(counts))
	slices.SortStableFunc(names, func(a, b string) int { return min(1, ill[b]) - min(1, ill[a]) })
	left, total := map[string]bool{}, 0
	for _, name := range names {
		total += counts[name]
		left[name] = total > Limit && total != counts[name]
	}
	maps.DeleteFunc(b.nodes, func(_ string, n *Node) bool { return left[n.Cluster] })
	maps.DeleteFunc(left, func(_ string, is bool) bool { return !is })
	return len(left)
}
