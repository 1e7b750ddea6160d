package web

import (
	"net/url"
	"syscall"
	"testing"
	"time"
)

// cpu returns the time that this process has taken so far: other work on the machine does not count.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// reportCPU reports what a round took since a time.
func reportCPU(b *testing.B, since time.Duration) {
	b.Helper()
	b.ReportMetric(float64(cpu(b)-since)/float64(b.N)/1e6, "cpu-ms/op")
}

// BenchmarkResourcesPage makes a page of 100 of 10,000 rows: filter, sort, keyset, HTML. The floor reads the same rows in the
// order in which they are, and renders the first 100 of them.
func BenchmarkResourcesPage(b *testing.B) {
	f := largeFleet(10_000)
	r, _ := testRenderer(b)
	p := resources()
	last := Query{Sort: "name"}
	for range 50 { // to the middle of the list
		if next := last.find(f).Next; next != nil {
			last = *next
		}
	}
	b.Run("floor: read all, render 100", func(b *testing.B) {
		began := cpu(b)
		for b.Loop() {
			data := &resourcesPage{Query: Query{Sort: "kind"}}
			for _, c := range f.Clusters {
				for _, it := range c.Items {
					if it.Key.Name == "" {
						b.Fatal("an item has no name")
					}
					if len(data.Rows) < pageSize {
						data.Rows = append(data.Rows, Line{Item: it, Object: it.Ref, Status: it.Status(), Detail: it.Detail})
					}
					data.Total++
				}
			}
			if _, err := r.regions(p, f, data); err != nil {
				b.Fatal(err)
			}
		}
		reportCPU(b, began)
	})
	for _, tt := range []struct{ name, query string }{
		{"all, by kind", ""},
		{"words", "q=name-77"},
		{"by status, descending", "sort=-status"},
		{"problems", "state=problem"},
		{"the middle, by name", last.values().Encode()},
	} {
		values, err := url.ParseQuery(tt.query)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(tt.name, func(b *testing.B) {
			began := cpu(b)
			for b.Loop() {
				data, _, err := p.data(b.Context(), f, address{query: values})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := r.regions(p, f, data); err != nil {
					b.Fatal(err)
				}
			}
			reportCPU(b, began)
		})
	}
}
