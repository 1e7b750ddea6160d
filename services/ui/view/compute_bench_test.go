package view_test

import (
	"fmt"
	"testing"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/services/ui/view"
)

// BenchmarkACountOf10000Rows is what one changed row of a cluster of 10,000 costs its record.
func BenchmarkACountOf10000Rows(b *testing.B) {
	rows := map[string]view.Row{}
	for i := range 10_000 {
		rows[fmt.Sprintf("Service/team-%02d/service-%05d", i%50, i)] = view.Row{Place: view.PlaceLive, Conditions: []view.Condition{{Type: "Accepted", Status: "True"}}}
	}
	metas := view.Metas{Snapshot: keyspace.Meta{Position: keyspace.Position{Epoch: keyspace.Epoch{Millis: 1, Nonce: "a"}, Revision: 1}, Complete: true}}
	if !metas.Known() { // it would be left as it was
		b.Fatal("not known")
	}
	const changed = "Service/team-07/service-00007"
	counts := countsOf(rows)
	before, after := rows[changed], view.Row{Place: view.PlaceLive}
	for b.Loop() {
		counts.Move(changed, &before, &after)
		view.ClusterOf(view.Cluster{}, metas, counts)
		before, after = after, before
	}
}
