package web

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/meshweir/meshweir/services/ui/topology"
	"github.com/meshweir/meshweir/services/ui/view"
)

// addRoute gives a cluster a gateway, and a route from it to a Service.
func addRoute(c *Cluster, namespace, name string) {
	add := func(key string, w view.Wiring) {
		if !slices.ContainsFunc(c.Items, func(it *Item) bool { return it.Ref.Key == key }) {
			c.Items = append(c.Items, newItem(c.Name, key, view.Row{Place: view.PlaceLive, Wiring: &w}))
		}
	}
	const group = "gateway.networking.k8s.io"
	add("Gateway."+group+"/ingress/shop", view.Wiring{Hosts: []string{"<x>.example", "b.example"}, Listeners: []view.Listener{{Name: "http", Port: 80}}})
	add("HTTPRoute."+group+"/"+namespace+"/"+name, view.Wiring{
		Hosts:   []string{name + ".example"},
		Parents: []view.Target{{Group: group, Kind: "Gateway", Namespace: "ingress", Name: "shop"}, {Kind: view.KindMesh}},
		Rules:   []view.Rule{{Backends: []view.Backend{{Target: view.Target{Kind: "Service", Name: name}, Port: 80}, {Target: view.Target{Kind: "Service", Name: "nowhere"}}}}},
	})
	add("Service/"+namespace+"/"+name, view.Wiring{Selector: map[string]string{"app": name}})
}

// wideFleet is a cluster with n routes in ten namespaces.
func wideFleet(n int) *Fleet {
	c := &Cluster{Name: "east", Cluster: view.Cluster{Known: true}}
	for i := range n {
		addRoute(c, fmt.Sprintf("team-%d", i%10), fmt.Sprintf("r%04d", i))
	}
	slices.SortFunc(c.Items, func(a, b *Item) int { return view.CompareKeys(a.Key, b.Key) })
	return &Fleet{Clusters: []*Cluster{c}}
}

// manyClusters is more of them than a graph has room for.
func manyClusters() *Fleet {
	f := &Fleet{}
	for i := range 100 {
		c := &Cluster{Name: fmt.Sprintf("c%03d", i), Cluster: view.Cluster{Known: i%2 == 0}}
		addRoute(c, "shop", "cart")
		f.Clusters = append(f.Clusters, c)
	}
	return f
}

func topologyOf(t *testing.T, f *Fleet, query string) *topologyPage {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	data, _, err := topologies().data(context.Background(), f, address{query: values})
	if err != nil {
		t.Fatal(err)
	}
	p, ok := data.(*topologyPage)
	if !ok {
		t.Fatalf("the page's data is %T", data)
	}
	return p
}

func TestTheTableOfTheTopologySaysWhatTheGraphShows(t *testing.T) {
	p := topologyOf(t, wideFleet(20), "")
	if len(p.Rows) != len(p.Boxes) || len(p.Boxes) == 0 {
		t.Fatalf("%d rows and %d boxes", len(p.Rows), len(p.Boxes))
	}
	from, to := 0, 0
	for _, r := range p.Rows {
		from += len(r.From)
		to += len(r.To)
		if !slices.ContainsFunc(p.Boxes, func(b wayBox) bool { return b.ID == r.ID && b.Href == r.Href && b.Node.Health == r.Health }) {
			t.Errorf("no box is like the row of %s", r.ID)
		}
	}
	if from != len(p.Layout.Lines) || to != len(p.Layout.Lines) {
		t.Errorf("rows have %d ways from and %d to elsewhere; the graph has %d lines", from, to, len(p.Layout.Lines))
	}
}

func TestAGroupLeadsToWhatItHolds(t *testing.T) {
	f := wideFleet(200)
	p := topologyOf(t, f, "")
	if p.Graph.Grouped != topology.ByNamespace {
		t.Fatalf("it is grouped by %q", p.Graph.Grouped)
	}
	for _, b := range p.Boxes {
		if b.Column != topology.Routes {
			continue
		}
		query, ok := strings.CutPrefix(b.Href, "/topology?")
		if !ok {
			t.Fatalf("the group %s leads to %s", b.ID, b.Href)
		}
		inside := topologyOf(t, f, query)
		routes := 0
		for _, n := range inside.Graph.Nodes {
			if n.Column == topology.Routes {
				routes++
			}
		}
		if inside.Graph.Grouped != topology.ByObject || routes != b.Count {
			t.Errorf("behind the group of %d routes are %d, grouped by %q", b.Count, routes, inside.Graph.Grouped)
		}
	}
}

func TestBadTopologyAddressesAreRefused(t *testing.T) {
	for _, query := range []string{"idle=yes", "host=" + strings.Repeat("a", maxText+1)} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseTopology(values); err == nil {
			t.Errorf("%s is taken", query)
		}
	}
	f := topology.Filter{Cluster: "a b", Namespace: "n", Host: "*.x", Idle: true}
	values, err := url.ParseQuery(strings.TrimPrefix(topologyURL(f), "/topology?"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parseTopology(values); err != nil || got != f {
		t.Errorf("filter is %+v (%v) after a round trip, want %+v", got, err, f)
	}
}

func BenchmarkTopologyPageOf1000Routes(b *testing.B) {
	f := wideFleet(1000)
	a, err := newAssets()
	if err != nil {
		b.Fatal(err)
	}
	p := topologies()
	r, err := newRenderer(a, "v1", []*page{p})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		data, _, err := p.data(context.Background(), f, address{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.regions(p, f, data); err != nil {
			b.Fatal(err)
		}
	}
}
