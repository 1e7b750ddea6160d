package agent

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/resource"
)

func at(revision uint64) keyspace.Position {
	return keyspace.Position{Epoch: keyspace.Epoch{Millis: 1700000000000, Nonce: "ab"}, Revision: revision}
}

func istioKey(kind, name string) resource.Key {
	return resource.Key{Group: "networking.istio.io", Kind: kind, Namespace: "shop", Name: name}
}

// object is an output; one that stands was applied from a revision.
func object(key resource.Key, spec any, applied uint64) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": key.Group + "/v1", "kind": key.Kind,
		"metadata": map[string]any{"name": key.Name, "namespace": key.Namespace, "labels": map[string]any{resource.ManagedByLabel: resource.ManagedBy}},
		"spec":     map[string]any{"x": spec},
	}}
	if applied > 0 {
		o.SetAnnotations(map[string]string{resource.OutputAnnotation: at(applied).String()})
	}
	return o
}

func TestPlanMakesTheClusterEqualToItsOutput(t *testing.T) {
	vs := istioKey("VirtualService", "a")
	type objects = map[resource.Key]*unstructured.Unstructured
	tests := []struct {
		name    string
		output  objects
		changed uint64 // where the output's objects last changed
		at      uint64
		live    objects
		want    verb
	}{
		{"made", objects{vs: object(vs, "a", 0)}, 3, 5, nil, apply},
		{"changed", objects{vs: object(vs, "b", 0)}, 3, 5, objects{vs: object(vs, "a", 2)}, apply},
		{"changed by hand", objects{vs: object(vs, "a", 0)}, 3, 5, objects{vs: object(vs, "b", 3)}, apply},
		{"equal", objects{vs: object(vs, "a", 0)}, 3, 5, objects{vs: object(vs, "a", 3)}, keep},
		{"equal, from an older position", objects{vs: object(vs, "a", 0)}, 3, 5, objects{vs: object(vs, "a", 1)}, keep},
		{"equal, in the number forms of JSON and YAML", objects{vs: object(vs, float64(1), 0)}, 3, 5, objects{vs: object(vs, int64(1), 3)}, keep},
		{"older than what stands", objects{vs: object(vs, "b", 0)}, 3, 5, objects{vs: object(vs, "a", 4)}, refuse},
		{"gone", objects{}, 0, 5, objects{vs: object(vs, "a", 5)}, remove},
		{"gone in an older output", objects{}, 0, 5, objects{vs: object(vs, "a", 6)}, refuse},
		{"position made unreadable by hand", objects{vs: object(vs, "b", 0)}, 3, 5, objects{vs: func() *unstructured.Unstructured {
			o := object(vs, "a", 0)
			o.SetAnnotations(map[string]string{resource.OutputAnnotation: "x"})
			return o
		}()}, apply},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			output := map[resource.Key]wanted{}
			for key, o := range tt.output {
				output[key] = wanted{object: o, at: at(tt.changed)}
			}
			before := fmt.Sprint(tt.live)
			steps := plan(output, at(tt.at), tt.live, nil) // nil panics: nothing here is of a lost epoch
			if len(steps) != 1 || steps[0].verb != tt.want {
				t.Errorf("got %+v, want verb %d", steps, tt.want)
			}
			if after := fmt.Sprint(tt.live); after != before {
				t.Errorf("planning changed what stands to %s", after)
			}
		})
	}
}

func TestPlanAwaitsAnOutputThatSawWhatStandsSinceALostEpoch(t *testing.T) {
	vs := istioKey("VirtualService", "a")
	later := at(1)
	later.Epoch.Millis++ // Redis lost its memory after what stands was applied
	sees := func(key resource.Key, mark string) bool { return key == vs && mark == at(3).String() }
	stands := func(revision uint64) map[resource.Key]*unstructured.Unstructured {
		return map[resource.Key]*unstructured.Unstructured{vs: object(vs, "a", revision)}
	}
	changed := map[resource.Key]wanted{vs: {object: object(vs, "b", 0), at: later}}
	equal := map[resource.Key]wanted{vs: {object: object(vs, "a", 0), at: later}}
	tests := []struct {
		name   string
		output map[resource.Key]wanted
		live   map[resource.Key]*unstructured.Unstructured
		want   verb
	}{
		{"a change of what it saw", changed, stands(3), apply},
		{"a change of what it did not see", changed, stands(4), await},
		{"the end of what it saw", nil, stands(3), remove},
		{"the end of what it did not see", nil, stands(4), await},
		{"no change", equal, stands(4), keep},
		{"nothing stands", equal, nil, apply},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if steps := plan(tt.output, later, tt.live, sees); len(steps) != 1 || steps[0].verb != tt.want {
				t.Errorf("got %+v, want verb %d", steps, tt.want)
			}
		})
	}
}

func TestPlanMakesFirstAndTakesAwayLastWhatRequestsReachLater(t *testing.T) {
	output, live := map[resource.Key]wanted{}, map[resource.Key]*unstructured.Unstructured{}
	for _, kind := range []string{"VirtualService", "Gateway", "EnvoyFilter", "DestinationRule", "ServiceEntry"} {
		output[istioKey(kind, "new")] = wanted{object: object(istioKey(kind, "new"), "a", 0)}
		live[istioKey(kind, "old")] = object(istioKey(kind, "old"), "a", 1)
	}
	output[istioKey("Gateway", "changed")] = wanted{object: object(istioKey("Gateway", "changed"), "b", 0), at: at(3)}
	live[istioKey("Gateway", "changed")] = object(istioKey("Gateway", "changed"), "a", 1)
	var got []string
	for _, s := range plan(output, at(5), live, nil) {
		got = append(got, s.key.Kind+" "+s.key.Name)
	}
	want := []string{
		"ServiceEntry new", "DestinationRule new", "EnvoyFilter new", "VirtualService new", "Gateway new", "Gateway changed",
		"Gateway old", "VirtualService old", "EnvoyFilter old", "DestinationRule old", "ServiceEntry old",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("order (-want +got):\n" + diff)
	}
}

func TestConditionsSayWhenTheyLastChanged(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	const stamp, before = "2026-05-04T03:02:01Z", "2026-01-01T00:00:00Z"
	tests := []struct{ name, status, old, want string }{
		{"new", `{"conditions":[{"type":"A","status":"True"}]}`, `{}`, `{"conditions":[{"type":"A","status":"True","lastTransitionTime":"` + stamp + `"}]}`},
		{
			"same status, another reason", `{"conditions":[{"type":"A","status":"True","reason":"new"}]}`,
			`{"conditions":[{"type":"B","status":"False"},{"type":"A","status":"True","reason":"old","lastTransitionTime":"` + before + `"}]}`,
			`{"conditions":[{"type":"A","status":"True","reason":"new","lastTransitionTime":"` + before + `"}]}`,
		},
		{
			"another status", `{"conditions":[{"type":"A","status":"False"}]}`, `{"conditions":[{"type":"A","status":"True","lastTransitionTime":"` + before + `"}]}`,
			`{"conditions":[{"type":"A","status":"False","lastTransitionTime":"` + stamp + `"}]}`,
		},
		{
			"of listeners by name, whatever their order", `{"listeners":[{"name":"y","conditions":[{"type":"A","status":"True"}]},{"name":"x","conditions":[{"type":"A","status":"True"}]}]}`,
			`{"listeners":[{"name":"x","conditions":[{"type":"A","status":"True","lastTransitionTime":"` + before + `"}]}]}`,
			`{"listeners":[{"name":"y","conditions":[{"type":"A","status":"True","lastTransitionTime":"` + stamp + `"}]},{"name":"x","conditions":[{"type":"A","status":"True","lastTransitionTime":"` + before + `"}]}]}`,
		},
		{
			"of parents by reference", `{"parents":[{"parentRef":{"name":"g"},"controllerName":"c","conditions":[{"type":"A","status":"True"}]}]}`,
			`{"parents":[{"parentRef":{"name":"f"},"controllerName":"c","conditions":[{"type":"A","status":"True","lastTransitionTime":"1"}]},{"parentRef":{"name":"g"},"controllerName":"c","conditions":[{"type":"A","status":"True","lastTransitionTime":"` + before + `"}]}]}`,
			`{"parents":[{"parentRef":{"name":"g"},"controllerName":"c","conditions":[{"type":"A","status":"True","lastTransitionTime":"` + before + `"}]}]}`,
		},
		{"old of another shape", `{"conditions":[{"type":"A","status":"True"}]}`, `{"conditions":{"type":"A"}}`, `{"conditions":[{"type":"A","status":"True","lastTransitionTime":"` + stamp + `"}]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, want := stampTransitions(parse(t, tt.status), parse(t, tt.old), now), parse(t, tt.want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error("status (-want +got):\n" + diff)
			}
		})
	}
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		t.Fatal(err)
	}
	return object
}
