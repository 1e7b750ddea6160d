package insights_test

import (
	"testing"

	"github.com/meshweir/meshweir/services/insights/fleet"
)

func TestWhatWentWhileItsClusterWasNotSeenIsClosedWhenItIs(t *testing.T) {
	e := newEngine()
	said := func() (unknown, ok bool) {
		e.Update(now())
		i, ok := e.Insight(missing("west", "web", "gone"))
		return i.Unknown != "", ok
	}
	route := virtualService("web", "gone").decode()
	e.Fleet.Put("west", route)
	e.Fleet.SetState("west", fleet.State{Seen: true})
	if unknown, ok := said(); !ok || unknown {
		t.Fatalf("with the route it is said: %v, and unknown: %v; want it said and known", ok, unknown)
	}
	e.Fleet.SetState("west", fleet.State{})
	if unknown, ok := said(); !ok || !unknown {
		t.Fatalf("while west is not seen it is said: %v, and unknown: %v; want it said and unknown", ok, unknown)
	}
	e.Fleet.Delete(fleet.Ref{Cluster: "west", Key: route.Key})
	e.Fleet.SetState("west", fleet.State{Seen: true})
	if unknown, ok := said(); ok {
		t.Errorf("west is seen again without the route, and it is still said (unknown: %v)", unknown)
	}
}
