package web

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/services/ui/mesh"
	"github.com/meshweir/meshweir/services/ui/topology"
)

// topologyPage shows the ways of requests as a graph, and as a table that says the same.
type topologyPage struct {
	Notice
	Filter topology.Filter `json:"filter"`
	Graph  topology.Graph  `json:"graph"`
	Layout topology.Layout `json:"-"`
	Boxes  []wayBox        `json:"-"`
	Rows   []wayRow        `json:"-"`
	// Clusters and Namespaces are what can be filtered by.
	Clusters   []string `json:"-"`
	Namespaces []Option `json:"-"`
}

// wayBox is a node in the graph.
type wayBox struct {
	topology.Box
	wayNode
	// Short and Under are the two lines of the box, cut so that they fit.
	Short, Under string
}

// Label is the name of the box for those who hear it: first what others read on it, by which it can be
// called (WCAG 2.5.3), then all of it.
func (b wayBox) Label() string {
	return strings.TrimSpace(b.Short+" "+b.Under) + ": " + b.Words
}

// wayRow is a node as a row of the table.
type wayRow struct {
	*topology.Node
	wayNode
	From, To []way
}

// way is the other end of an edge.
type way struct {
	*topology.Node
	wayNode
	Label string
	// Edge is the health of the way itself.
	Edge mesh.Health
}

func topologies() *page {
	return &page{
		name: "topology", section: "Topology", pattern: "/topology", regions: []string{"notice", "head", "graph", "table"},
		data: func(_ context.Context, f *Fleet, a address) (any, string, error) {
			filter, err := parseTopology(a.query)
			if err != nil {
				return nil, "", badRequest{err}
			}
			p := &topologyPage{Notice: f.Notice, Filter: filter, Graph: topology.Build(f.wiring(), filter), Namespaces: namespacesOf(f, filter.Cluster)}
			p.Layout = p.Graph.Layout()
			p.Rows = wayRows(filter, p.Graph)
			for _, b := range p.Layout.Boxes {
				n := describe(filter, b.Node)
				p.Boxes = append(p.Boxes, wayBox{b, n, fit(n.Name, 164, 6.7), fit(n.Sub(), 184, 5.6)})
			}
			p.Clusters = f.clusterNames()
			return p, "Topology", nil
		},
	}
}

// parseTopology reads a filter. Its errors are for the person who wrote the URL.
func parseTopology(values url.Values) (topology.Filter, error) {
	f := topology.Filter{
		Cluster: values.Get("cluster"), Namespace: values.Get("namespace"), Host: strings.TrimSpace(values.Get("host")),
		Idle: values.Get("idle") == "1",
	}
	if len(f.Host) > maxText {
		return f, fmt.Errorf("host is %d bytes long; it can be %d", len(f.Host), maxText)
	}
	if idle := values.Get("idle"); idle != "" && idle != "1" {
		return f, fmt.Errorf("idle is %q; it can be 1", idle)
	}
	return f, nil
}

func topologyURL(f topology.Filter) string {
	values := given(map[string]string{"cluster": f.Cluster, "namespace": f.Namespace, "host": f.Host})
	if f.Idle {
		values.Set("idle", "1")
	}
	return withQuery("/topology", values)
}

func wayRows(f topology.Filter, g topology.Graph) []wayRow {
	rows := make([]wayRow, len(g.Nodes))
	at := map[string]int{}
	for i, n := range g.Nodes {
		rows[i].Node, rows[i].wayNode = n, describe(f, n)
		at[n.ID] = i
	}
	for _, e := range g.Edges {
		from, to := &rows[at[e.From]], &rows[at[e.To]]
		from.To = append(from.To, way{to.Node, to.wayNode, e.Label, e.Health})
		to.From = append(to.From, way{from.Node, from.wayNode, e.Label, e.Health})
	}
	// As requests go: gateways first.
	slices.SortStableFunc(rows, func(a, b wayRow) int { return cmp.Compare(a.Column, b.Column) })
	return rows
}

// Filtered reports whether the filter leaves anything out.
func (p *topologyPage) Filtered() bool {
	return p.Filter.Cluster != "" || p.Filter.Namespace != "" || p.Filter.Host != ""
}

// WithIdle is the address that shows the Services that no route leads to, too.
func (p *topologyPage) WithIdle() string {
	f := p.Filter
	f.Idle = true
	return topologyURL(f)
}
