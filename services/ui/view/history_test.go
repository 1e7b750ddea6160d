package view_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshweir/meshweir/services/ui/view"
)

func TestStepSaysWhichFieldsConditionsAndResultsChanged(t *testing.T) {
	route := func(weight int) *view.Fact {
		return fact(t, fmt.Sprintf(`{"apiVersion":"gateway.networking.k8s.io/v1","kind":"HTTPRoute","metadata":{"name":"a"},"spec":{"hostnames":["a.example"],"rules":[{"backendRefs":[{"name":"a","weight":%d}]}]}}`, weight))
	}
	deployment := func(ready int) *view.Fact {
		return fact(t, fmt.Sprintf(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a"},"spec":{"replicas":2},"status":{"readyReplicas":%d}}`, ready))
	}
	status := func(accepted string) *view.Fact {
		return fact(t, `{"status":{"parents":[{"parentRef":{"name":"shop"},"conditions":[{"type":"Accepted","status":"`+accepted+`","reason":"Why"},{"type":"ResolvedRefs","status":"True","reason":"ResolvedRefs"}]}]}}`)
	}
	tests := []struct {
		name, kind    string
		before, after *view.Fact
		want          []view.Change
	}{
		{"a field", "snapshot", route(90), route(10), []view.Change{{What: "spec.rules[0].backendRefs[0].weight", Before: "90", After: "10"}}},
		{"a field of an output", "output", route(90), route(10), []view.Change{{What: "spec.rules[0].backendRefs[0].weight", Before: "90", After: "10"}}},
		{"nothing", "snapshot", route(90), route(90), nil},
		{"what it is about", "snapshot", deployment(2), deployment(1), []view.Change{{What: "about", Before: "2 of 2 ready", After: "1 of 2 ready"}}},
		{"it appears", "snapshot", nil, route(1), []view.Change{{After: "there"}}},
		{"it goes", "output", route(1), nil, []view.Change{{Before: "there"}}},
		{"a condition", "status", status("True"), status("False"), []view.Change{{What: "Accepted (parent shop)", Before: "True, Why", After: "False, Why"}}},
		{"a result", "applied", fact(t, `{"result":"Applied","output":"1-a/1"}`), fact(t, `{"result":"Error","message":"no","output":"1-a/2"}`), []view.Change{{What: "result", Before: "Applied", After: "Error: no"}}},
		{"the same result for another output", "applied", fact(t, `{"result":"Applied","output":"1-a/1"}`), fact(t, `{"result":"Applied","output":"1-a/2"}`), nil},
	}
	for _, tt := range tests {
		got, ok := view.TransitionOf(tt.kind, tt.before, tt.after)
		if diff := cmp.Diff(tt.want, got.Changes); diff != "" || ok != (tt.want != nil) {
			t.Errorf("%s: worth a line: %t (-want +got):\n%s", tt.name, ok, diff)
		}
	}
}

func TestHistoryNotesAStepOnceAndKeepsTheNewest(t *testing.T) {
	step := func(kind string, revision int) view.Transition {
		return view.Transition{Kind: kind, Position: fmt.Sprintf("1-00000001/%d", revision), At: time.Unix(int64(revision), 0)}
	}
	var h view.History
	for _, tt := range []struct {
		step view.Transition
		want bool
	}{
		{step("snapshot", 2), true},
		{step("snapshot", 2), false},
		{step("snapshot", 1), false},
		{step("status", 1), true},
		{step("snapshot", 3), true},
		{view.Transition{Kind: "snapshot", Position: "2-00000001/1", At: time.Unix(4, 0)}, true},
		{view.Transition{Kind: "snapshot", Position: "none"}, false},
	} {
		if got := h.Add(tt.step); got != tt.want {
			t.Errorf("adding %s %s: %t, want %t", tt.step.Kind, tt.step.Position, got, tt.want)
		}
	}
	for i := range 2 * view.MaxSteps {
		h.Add(step("output", i+10))
	}
	if len(h.Steps) != view.MaxSteps || !h.Last().Equal(time.Unix(2*view.MaxSteps+9, 0)) {
		t.Errorf("it keeps %d steps, the newest of %s", len(h.Steps), h.Last())
	}
}

func TestHistoriesThatChangedLongestAgoAreTheOldest(t *testing.T) {
	all := map[string]view.History{}
	for i := range 5 {
		all[fmt.Sprint(i)] = view.History{Steps: []view.Transition{{At: time.Unix(int64(i), 0)}}}
	}
	if diff := cmp.Diff([]string{"1", "0"}, view.Oldest(all, 3)); diff != "" {
		t.Errorf("the oldest (-want +got):\n%s", diff)
	}
}

func TestARemovalIsNotedOnce(t *testing.T) {
	removed := func(position string) view.Transition {
		return view.Transition{At: time.Unix(1, 0), Kind: view.KindSnapshot, Position: position, Changes: []view.Change{{Before: "there"}}}
	}
	var h view.History
	// One replica follows the revisions one by one, another takes three at once.
	for _, step := range []view.Transition{removed("1-0000000a/10"), removed("1-0000000a/12")} {
		h.Add(step)
	}
	if len(h.Steps) != 1 {
		t.Fatalf("the removal has %d steps, want 1", len(h.Steps))
	}
	back := view.Transition{At: time.Unix(2, 0), Kind: view.KindSnapshot, Position: "1-0000000a/13", Changes: []view.Change{{After: "there"}}}
	again := removed("1-0000000a/14")
	again.At = time.Unix(3, 0)
	if !h.Add(back) || !h.Add(again) {
		t.Error("what came back and was removed again is not noted")
	}
}

func TestALostLabelIsNoted(t *testing.T) {
	before := &view.Fact{Labels: map[string]string{"istio-injection": "enabled"}}
	step, ok := view.TransitionOf(view.KindSnapshot, before, &view.Fact{})
	if want := []view.Change{{What: "metadata.labels[istio-injection]", Before: "enabled"}}; !ok || !slices.Equal(step.Changes, want) {
		t.Errorf("changes are %v, want %v", step.Changes, want)
	}
}
