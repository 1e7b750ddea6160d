package web

import (
	"testing"
	"time"

	"github.com/meshweir/meshweir/services/ui/view"
)

func TestRecentChangesAreTheNewestOfEachObject(t *testing.T) {
	f := fullFleet()
	recent := f.recent(f.Clusters, 2)
	if len(recent) != 2 || recent[0].Name() != "removed" || recent[1].Name() != "cart" {
		t.Fatalf("the recent changes are %+v", recent)
	}
	if got := recent[0].Title(); got != "Left the cluster" {
		t.Errorf("an object that is gone %q", got)
	}
	if got := recent[1].Fields(); len(got) != 1 || got[0].What != "spec.hostnames[0]" {
		t.Errorf("the fields that changed are %v", got)
	}
	if got := len(f.history(view.Ref{Cluster: "east", Key: "HTTPRoute.gateway.networking.k8s.io/shop/cart"})); got != 3 {
		t.Errorf("the history has %d transitions, want all 3", got)
	}
}

// fullHistories has every kind of transition.
func fullHistories(at time.Time) map[string]map[string]view.History {
	step := func(kind string, age time.Duration, changes ...view.Change) view.Transition {
		return view.Transition{At: at.Add(-age), Kind: kind, Position: "1-0000000a/2", Changes: changes, More: int(age / time.Hour)}
	}
	return map[string]map[string]view.History{"east": {
		"HTTPRoute.gateway.networking.k8s.io/shop/cart": {Steps: []view.Transition{
			step("snapshot", time.Minute, view.Change{What: "spec.hostnames[0]", Before: "a", After: "<x>"}),
			step("status", time.Hour, view.Change{What: "Accepted", Before: "True", After: "False, Why"}),
			step("snapshot", 2*time.Hour, view.Change{After: "there"}),
		}},
		"Service/shop/removed": {Steps: []view.Transition{step("snapshot", 0, view.Change{Before: "there"})}},
	}, "west": {
		"VirtualService.networking.istio.io/ingress/cart": {Steps: []view.Transition{
			step("applied", 3*time.Hour, view.Change{What: "result", After: "Applied"}), step("output", 4*time.Hour, view.Change{After: "there"}),
			step("output", 5*time.Hour, view.Change{Before: "there"}), step("output", 6*time.Hour, view.Change{What: "spec.hosts[0]", Before: "a"}),
		}},
	}}
}
