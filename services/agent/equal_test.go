package agent

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/schemas/resource"
)

// BenchmarkPlanOfAClusterAtRest is what each change of a cluster costs, whatever it is about.
func BenchmarkPlanOfAClusterAtRest(b *testing.B) {
	const objects = 1000
	output, live := map[resource.Key]wanted{}, map[resource.Key]*unstructured.Unstructured{}
	for i := range objects {
		key := istioKey("ServiceEntry", fmt.Sprint("entry-", i))
		var endpoints []any
		for n := range 4 {
			endpoints = append(endpoints, map[string]any{"address": fmt.Sprint("192.0.2.", n), "ports": map[string]any{"http": int64(15443)}})
		}
		output[key] = wanted{object: object(key, endpoints, 0), at: at(3)}
		live[key] = object(key, endpoints, 3)
	}
	for b.Loop() {
		plan(output, at(5), live, nil)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*objects), "ns/object")
}
