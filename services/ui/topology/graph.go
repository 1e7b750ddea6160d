package topology

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/ui/mesh"
	"github.com/meshweir/meshweir/services/ui/view"
)

// Limit is the number of nodes that a graph has at most.
const Limit = 150

// Column is where a node stands between clients on the left and Services on the right.
type Column int

// The columns, from left to right.
const (
	Gateways Column = iota
	Routes
	GlobalServices
	Services
	columns
)

// String is what people call what stands in the column.
func (c Column) String() string {
	return [...]string{"Gateways", "Routes", "Global services", "Services"}[c]
}

// Node is an object, a name that leads to none that is known, or a group of objects.
type Node struct {
	// ID is the same as long as the node means the same.
	ID     string `json:"id"`
	Column Column `json:"-"`
	// Kind is the kind of the object, or of those of a group.
	Kind      string `json:"kind"`
	Title     string `json:"title"`
	Namespace string `json:"namespace,omitempty"`
	Cluster   string `json:"cluster"`
	// Hosts are the host names that the object is about.
	Hosts []string `json:"hosts,omitempty"`
	// Ref is the object; nil for a group and for a name that leads nowhere.
	Ref *view.Ref `json:"object,omitempty"`
	// Count is the number of objects in a group; 0 for a single one.
	Count int `json:"count,omitempty"`
	// Ill counts those of a group that ask for attention.
	Ill    int         `json:"ill,omitempty"`
	Health mesh.Health `json:"health"`
	// Says is why the health is what it is.
	Says string `json:"says,omitempty"`
	// Sidecars says that the route is for requests from sidecars, too.
	Sidecars bool `json:"sidecars,omitempty"`
}

// Edge is a way from one node to another.
type Edge struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Label is the share of requests that go this way, where a rule says so.
	Label  string      `json:"label,omitempty"`
	Health mesh.Health `json:"health"`
	// Count is the number of ways between two groups; 0 for a single one.
	Count int `json:"count,omitempty"`
}

// Grouped says how far a graph is summed up.
type Grouped string

// The degrees.
const (
	ByObject    Grouped = ""
	ByNamespace Grouped = "namespace"
	ByCluster   Grouped = "cluster"
)

// Graph is what a page of the topology shows.
type Graph struct {
	// Clusters are those that have nodes, sorted by name.
	Clusters []Cluster `json:"clusters"`
	// Nodes are sorted by cluster, column, namespace, title and ID; Edges by From and To.
	Nodes []*Node `json:"nodes"`
	Edges []*Edge `json:"edges"`
	// Grouped says how far the graph is summed up, Objects how many objects it is about.
	Grouped Grouped `json:"grouped,omitempty"`
	Objects int     `json:"objects"`
	// Ill counts those of them that ask for attention, also where they have no room.
	Ill int `json:"ill"`
	// Left counts the clusters that have no room.
	Left int `json:"left_out,omitempty"`
	// Idle counts the Services that no route leads to, which are not shown unless asked for.
	Idle int `json:"idle"`
}

// Cluster is the frame of a cluster's nodes.
type Cluster struct {
	Name string `json:"name"`
	Seen bool   `json:"seen"`
}

// Filter says what of a fleet is shown. The zero value shows all but idle Services.
type Filter struct {
	Cluster   string `json:"cluster,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	// Host is a part of a host name.
	Host string `json:"host,omitempty"`
	// Idle shows the Services that no route leads to.
	Idle bool `json:"idle,omitempty"`
}

// Build makes the graph of what a filter leaves, with the ways to and from it.
func Build(ix *mesh.Index, f Filter) Graph {
	b := newBuilder(ix)
	b.addAll()
	idle := b.idle()
	if !f.Idle {
		for _, id := range idle {
			delete(b.nodes, id)
		}
	}
	b.filter(f)
	g := Graph{Objects: len(b.nodes)}
	for _, id := range idle {
		if f.matches(b.all[id]) {
			g.Idle++
		}
	}
	for _, n := range b.nodes {
		if n.Health.Ill() {
			g.Ill++
		}
	}
	for _, to := range []Grouped{ByNamespace, ByCluster} {
		if len(b.nodes) > Limit {
			b.group(to)
			g.Grouped = to
		}
	}
	g.Left = b.cut()
	g.Nodes, g.Edges = b.sorted()
	for name, seen := range ix.Clusters() {
		if slices.ContainsFunc(g.Nodes, func(n *Node) bool { return n.Cluster == name }) {
			g.Clusters = append(g.Clusters, Cluster{name, seen})
		}
	}
	return g
}

type pair struct{ from, to string }

type builder struct {
	ix    *mesh.Index
	nodes map[string]*Node
	edges map[pair]*Edge
	// all are the nodes before any was left out.
	all map[string]*Node
}

func newBuilder(ix *mesh.Index) *builder {
	return &builder{ix: ix, nodes: map[string]*Node{}, edges: map[pair]*Edge{}}
}

// addAll adds what people wrote, and what it leads to.
func (b *builder) addAll() {
	for o := range b.ix.Objects() {
		if o.Managed {
			continue // what it was made from stands for it
		}
		switch {
		case o.Gateway():
			b.add(o, Gateways)
		case o.Route():
			b.addRoute(o)
		case o.Is(resource.Group, v1alpha1.KindGlobalService):
			b.addGlobal(o)
		case o.Is("", "Service"), o.Is(mesh.GroupNetworking, "ServiceEntry"):
			b.add(o, Services)
		}
	}
	b.all = maps.Clone(b.nodes)
}

func (b *builder) add(o *mesh.Object, at Column) *Node {
	id := o.Ref.String()
	if n := b.nodes[id]; n != nil {
		return n
	}
	n := &Node{
		ID: id, Column: at, Kind: o.Key.Kind, Title: o.Key.Name, Namespace: o.Key.Namespace, Cluster: o.Ref.Cluster,
		Hosts: o.Wiring.Hosts, Ref: &o.Ref, Health: o.Health, Says: o.Says,
	}
	b.nodes[id] = n
	return n
}

func (b *builder) addRoute(o *mesh.Object) {
	n := b.add(o, Routes)
	for _, l := range b.ix.Gateways(o) {
		if l.Sidecars {
			n.Sidecars = true
			continue
		}
		b.connect(b.end(l, o, Gateways), n, "")
	}
	leads := b.ix.Backends(o)
	for _, l := range leads {
		to := b.end(l, o, Services)
		b.connect(n, to, share(leads, l))
	}
}

func (b *builder) addGlobal(o *mesh.Object) {
	n := b.add(o, GlobalServices)
	for _, service := range b.ix.Behind(o) {
		b.connect(n, b.add(service, Services), "")
	}
}

// end returns the node at the other end of a lead, one that is missing if it must be.
func (b *builder) end(l mesh.Lead, from *mesh.Object, at Column) *Node {
	if l.To != nil {
		if l.To.Is(resource.Group, v1alpha1.KindGlobalService) {
			at = GlobalServices
		}
		return b.add(l.To, at)
	}
	id := from.Ref.Cluster + ":?" + l.Kind + "/" + l.Name
	if n := b.nodes[id]; n != nil {
		return n
	}
	namespace, title, both := strings.Cut(l.Name, "/")
	if !both {
		namespace, title = from.Key.Namespace, l.Name
	}
	n := &Node{
		ID: id, Column: at, Kind: l.Kind, Title: title, Namespace: namespace, Cluster: from.Ref.Cluster,
		Health: mesh.Missing, Says: cmp.Or(l.Missing, "Named by a route, and not there"),
	}
	if l.Unknown != "" {
		n.Health, n.Says = mesh.Plain, l.Unknown
	}
	if l.Kind == v1alpha1.KindGlobalService {
		n.Column = GlobalServices
	}
	b.nodes[id] = n
	return n
}

func (b *builder) connect(from, to *Node, label string) {
	p := pair{from.ID, to.ID}
	if e := b.edges[p]; e != nil {
		if e.Label != label {
			e.Label = "" // two rules that do not agree
		}
		return
	}
	health := mesh.Fine
	for _, n := range []*Node{from, to} {
		if n.Health == mesh.Missing || n.Health == mesh.Held || n.Health == mesh.Away {
			health = health.Worse(n.Health)
		}
	}
	if from.Health == mesh.Broken && from.Column == Routes {
		health = mesh.Broken // what is wrong with a route keeps its requests from getting through
	}
	b.edges[p] = &Edge{From: from.ID, To: to.ID, Label: label, Health: health}
}

// share is how many of a rule's requests go a way, in percent; empty for all of them.
func share(leads []mesh.Lead, l mesh.Lead) string {
	if l.Backend.Mirror {
		return "mirror"
	}
	total, own, ways := 0, 0, 0
	for _, o := range leads {
		if o.Rule != l.Rule || o.Backend.Mirror {
			continue
		}
		weight := 1
		if o.Backend.Weight != nil {
			weight = *o.Backend.Weight
		}
		total, ways = total+weight, ways+1
		if o.Backend == l.Backend {
			own = weight
		}
	}
	if ways < 2 || total <= 0 {
		return ""
	}
	return strconv.Itoa((own*100+total/2)/total) + " %"
}

// idle returns the Services that nothing leads to.
func (b *builder) idle() []string {
	reached := map[string]bool{}
	for p := range b.edges {
		reached[p.to] = true
	}
	var idle []string
	for id, n := range b.nodes {
		if n.Column == Services && !reached[id] {
			idle = append(idle, id)
		}
	}
	return idle
}

// sorted returns what the graph has, in an order that depends on names only.
func (b *builder) sorted() ([]*Node, []*Edge) {
	nodes := make([]*Node, 0, len(b.nodes))
	for _, n := range b.nodes {
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b *Node) int {
		return cmp.Or(strings.Compare(a.Cluster, b.Cluster), int(a.Column-b.Column), strings.Compare(a.Namespace, b.Namespace),
			strings.Compare(a.Title, b.Title), strings.Compare(a.ID, b.ID))
	})
	var edges []*Edge
	for _, e := range b.edges {
		if b.nodes[e.From] != nil && b.nodes[e.To] != nil {
			edges = append(edges, e)
		}
	}
	slices.SortFunc(edges, func(a, b *Edge) int { return cmp.Or(strings.Compare(a.From, b.From), strings.Compare(a.To, b.To)) })
	return nodes, edges
}
