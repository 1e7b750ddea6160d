package translator_test

import (
	"fmt"
	"testing"

	"github.com/meshweir/meshweir/services/translator"
)

const (
	benchClusters = 10
	benchRoutes   = 1000
	benchGlobals  = 1000
)

// BenchmarkTranslate is a full pass over 10 clusters, 1,000 routes and 1,000 GlobalServices.
func BenchmarkTranslate(b *testing.B) {
	inputs := bigFleet(benchClusters, benchRoutes, benchGlobals).inputs()
	b.ReportAllocs()
	for b.Loop() {
		translator.Translate(inputs)
	}
}

// BenchmarkChange is one change in that fleet, from the decoded object to the outputs that it touches.
func BenchmarkChange(b *testing.B) {
	inputs := bigFleet(benchClusters, benchRoutes, benchGlobals).inputs()
	// The second version is the one that the fleet begins with.
	versions := func(make func(version int) manifest) [2]translator.Change {
		var changes [2]translator.Change
		for i := range changes {
			object := make(i)
			changes[i] = translator.Change{Key: object.key().String(), Object: object.decode()}
		}
		return changes
	}
	for _, bench := range []struct {
		name, cluster string
		changes       [2]translator.Change
	}{
		{"route", "c01", versions(func(v int) manifest { return bigRoute(1, benchGlobals, fmt.Sprintf("/v%d", v)) })},
		{"service", "c01", versions(func(v int) manifest {
			return plain("v1", "Service", "shop", "local-1", manifest{"ports": ports(8081 - v)})
		})},
		{"global-service", "c00", versions(func(v int) manifest {
			return plain("meshweir.io/v1alpha1", "GlobalService", "shop", "global-10", manifest{
				"host": fmt.Sprintf("new-%d.global", v), "services": []any{map[string]any{"name": "global-10"}},
				"ports": []any{map[string]any{"name": "http", "port": 8080}},
			})
		})},
	} {
		b.Run(bench.name, func(b *testing.B) {
			e := engineOf(inputs)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				e.Apply(bench.cluster, bench.changes[i%2])
				if touched := e.Update(); len(touched.Clusters()) == 0 {
					b.Fatal("the change touched nothing")
				}
			}
		})
	}
}
