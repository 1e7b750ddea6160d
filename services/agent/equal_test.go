package agent

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/schemas/resource"
)

func TestComparesAsJSONDoes(t *testing.T) {
	type object = map[string]any
	type list = []any
	tests := []struct {
		name string
		a, b any
		want bool
	}{
		{"the same", object{"a": list{"x", int64(1), true, nil}}, object{"a": list{"x", int64(1), true, nil}}, true},
		{"one number in two forms", list{int64(1)}, list{float64(1)}, true},
		{"two numbers in two forms", list{int64(1)}, list{1.5}, false},
		{"a number and its text", list{int64(1)}, list{"1"}, false},
		{"another value deep down", object{"a": list{object{"b": "x"}}}, object{"a": list{object{"b": "y"}}}, false},
		{"a field more", object{"a": "x"}, object{"a": "x", "b": "y"}, false},
		{"a field of another name", object{"a": nil}, object{"b": nil}, false},
		{"an item more", list{"x"}, list{"x", "y"}, false},
		{"another order", list{"x", "y"}, list{"y", "x"}, false},
		{"an object and a list", object{}, list{}, false},
		{"an object and nothing", object{}, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := same(tt.a, tt.b); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
			if got := same(tt.b, tt.a); got != tt.want {
				t.Errorf("the other way round: got %t, want %t", got, tt.want)
			}
		})
	}
}

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
