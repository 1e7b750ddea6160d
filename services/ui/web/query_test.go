package web

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/services/ui/view"
)

// largeFleet has n resources in three clusters.
func largeFleet(n int) *Fleet {
	f := &Fleet{}
	for _, name := range []string{"east", "north", "west"} {
		f.Clusters = append(f.Clusters, &Cluster{Name: name})
	}
	kinds := []string{"Pod", "Service", "Deployment.apps", "HTTPRoute.gateway.networking.k8s.io", "Gateway.networking.istio.io", "Gateway.gateway.networking.k8s.io"}
	for i := range n {
		c := f.Clusters[i%3]
		row := view.Row{Place: view.PlaceLive, Labels: map[string]string{"app": fmt.Sprint("app-", i%50)}}
		switch i % 40 {
		case 0:
			row.Conditions = []view.Condition{{Type: "Accepted", Status: "False", Reason: "Because"}}
		case 1:
			row.Applied, row.Managed = &view.Applied{Result: view.ResultPending}, true
		case 2:
			row.Applied, row.Managed = &view.Applied{Result: internalv1.ResultApplied}, true
		}
		c.Items = append(c.Items, newItem(c.Name, fmt.Sprintf("%s/ns-%d/name-%d", kinds[i%len(kinds)], i%30, i/10), row))
	}
	for _, c := range f.Clusters {
		slices.SortFunc(c.Items, func(a, b *Item) int { return view.CompareKeys(a.Key, b.Key) })
		c.Items = slices.CompactFunc(c.Items, func(a, b *Item) bool { return a.Key == b.Key })
	}
	return f
}

func reparsed(t *testing.T, q Query) Query {
	t.Helper()
	again, err := parseQuery(q.values())
	if err != nil {
		t.Fatalf("the address %s of a query cannot be read: %v", q.URL(), err)
	}
	return again
}

// TestPagesHoldEveryItemOnce walks forth and back through all pages of each order.
func TestPagesHoldEveryItemOnce(t *testing.T) {
	f := largeFleet(1234)
	for _, sort := range sorts() {
		for _, desc := range []bool{false, true} {
			t.Run(fmt.Sprint(sort.Value, " ", desc), func(t *testing.T) {
				q := Query{Sort: sort.Value, Desc: desc}
				var pages [][]*Item
				seen := map[view.Ref]bool{}
				for next := &q; next != nil; {
					found := reparsed(t, *next).find(f)
					if want := len(seen) + 1; found.First != want {
						t.Errorf("page %d begins with number %d, want %d", len(pages), found.First, want)
					}
					for _, it := range found.Items {
						if seen[it.Ref] {
							t.Fatalf("%s is shown twice", it.Ref)
						}
						seen[it.Ref] = true
					}
					pages = append(pages, found.Items)
					if next = found.Next; next == nil && found.Previous == nil {
						t.Fatal("the last of many pages has no page before it")
					}
				}
				all := slices.Concat(pages...)
				compare := q.compare()
				if !slices.IsSortedFunc(all, func(a, b *Item) int { return compare(placeOf(a), placeOf(b)) }) {
					t.Error("the pages are not in order")
				}
				if total := q.find(f).Total; len(all) != total {
					t.Errorf("%d items are shown, of %d", len(all), total)
				}
				last := *q.at(placeOf(all[len(all)-1]), true)
				want := all[:len(all)-1]
				for back := &last; back != nil; {
					found := reparsed(t, *back).find(f)
					got := want[len(want)-len(found.Items):]
					if !slices.Equal(found.Items, got) || found.First != len(want)-len(found.Items)+1 {
						t.Fatalf("going back, a page is not what stands before number %d", len(want))
					}
					want = want[:len(want)-len(found.Items)]
					back = found.Previous
				}
				if len(want) != 0 {
					t.Errorf("going back ended %d items early", len(want))
				}
			})
		}
	}
}

func TestCursorOutlivesItsItem(t *testing.T) {
	f := largeFleet(500)
	q := Query{Sort: "name"}
	next := q.find(f).Next
	want := next.find(f).Items[0]
	for _, c := range f.Clusters {
		c.Items = slices.DeleteFunc(c.Items, func(it *Item) bool { return it.Ref == next.cursor.Ref })
	}
	if got := next.find(f); got.Items[0] != want || got.First != pageSize {
		t.Errorf("the page begins with %s as number %d, want %s as %d", got.Items[0].Ref, got.First, want.Ref, pageSize)
	}
}

func TestQueryMatches(t *testing.T) {
	f := fullFleet()
	tests := []struct {
		in   string
		want int
	}{
		{"", 7},
		{"cluster=east", 5},
		{"kind=Gateway.networking.istio.io", 1},
		{"kind=Gateway", 0},
		{"namespace=shop", 1},
		{"state=managed", 3},
		{"state=pending", 1},
		{"state=problem", 3},
		{"q=CART", 2},
		{"q=cart+app=cart", 1},
		{"q=broken.yaml", 1},
		{"q=unsupportedvalue", 1},
		{"q=expected+key&cluster=west", 0},
	}
	for _, tt := range tests {
		values, err := url.ParseQuery(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		q, err := parseQuery(values)
		if err != nil {
			t.Fatal(err)
		}
		if got := q.find(f).Total; got != tt.want {
			t.Errorf("%q matches %d, want %d", tt.in, got, tt.want)
		}
	}
}

func TestRefusesAddressesThatMeanNothing(t *testing.T) {
	for _, bad := range []string{"state=odd", "sort=odd", "sort=--name", "at=x", "at=bnVsbA", "at=e30", "q=" + string(make([]byte, 300))} {
		values, _ := url.ParseQuery(bad)
		if len(values) == 0 {
			values = url.Values{"q": {string(make([]byte, 300))}}
		}
		if _, err := parseQuery(values); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// TestTenThousandRows prints how long a page takes, which depends on the machine.
func TestTenThousandRows(t *testing.T) {
	f := largeFleet(10_000)
	r, _ := testRenderer(t)
	p := resources()
	for _, query := range []string{"", "q=name-77", "sort=-status", "state=problem"} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		const rounds = 10
		began := time.Now()
		var shown int
		for range rounds {
			data, _, err := p.data(t.Context(), f, address{query: values})
			if err != nil {
				t.Fatal(err)
			}
			shown = len(data.(*resourcesPage).Rows)
		}
		found := time.Since(began) / rounds
		data, _, err := p.data(t.Context(), f, address{query: values})
		if err != nil {
			t.Fatal(err)
		}
		began = time.Now()
		if _, err := r.regions(p, f, data); err != nil {
			t.Fatal(err)
		}
		t.Logf("?%s of 10,000 rows: %s to find %d, %s to render them", query, found, shown, time.Since(began))
	}
}

func TestDescendingOrderTurnsTheColumnRound(t *testing.T) {
	f := largeFleet(500)
	up, down := Query{Sort: "status"}.find(f).Items, Query{Sort: "status", Desc: true}.find(f).Items
	if up[0].Status() != StatusError || down[0].Status() != StatusPlain {
		t.Errorf("sorted by status, the first is %q, and %q the other way round", up[0].Status(), down[0].Status())
	}
}
