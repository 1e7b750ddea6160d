package insights_test

import (
	"slices"
	"testing"
	"time"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/insights/fleet"
)

func TestADriftClosesAnHourAfterItsLastTime(t *testing.T) {
	key, err := resource.ParseKey("VirtualService.networking.istio.io/shop/web")
	if err != nil {
		t.Fatal(err)
	}
	const id = "CFG0117/east/VirtualService.networking.istio.io/shop/web"
	e := newEngine()
	e.Fleet.SetAgent("east", fleet.Agent{Alive: true})
	e.Fleet.SetState("east", fleet.State{Seen: true})
	report := func(times int, last time.Time) {
		e.Fleet.SetReport(fleet.Ref{Cluster: "east", Key: key}, &internalv1.Applied{
			Result: internalv1.ResultApplied, Drift: &internalv1.Drift{Times: times, First: now(), Last: last},
		})
	}
	// step looks again at a time and checks whether the insight changed then, and holds.
	step := func(at time.Time, changed, holds bool) {
		t.Helper()
		got := e.Update(at)
		if _, said := e.Insight(id); said != holds || slices.Contains(got, id) != changed {
			t.Errorf("at %s it changed: %v, holds: %v, want %v and %v", at.Format(time.TimeOnly), got, said, changed, holds)
		}
	}
	report(2, now())
	step(now(), false, false)
	report(3, now())
	step(now(), true, true)
	again := now().Add(30 * time.Minute)
	report(4, again)
	step(again, true, true)
	if next, want := e.Next(), again.Add(time.Hour); !next.Equal(want) {
		t.Errorf("it is due at %s, want %s", next, want)
	}
	step(again.Add(time.Hour-time.Second), false, true)
	step(again.Add(time.Hour), true, false)
	if next := e.Next(); !next.IsZero() {
		t.Errorf("it is due at %s again, want never", next)
	}
}
