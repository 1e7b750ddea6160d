package sizing

import "testing"

func TestAFleetNeedsWhatItsPartsNeed(t *testing.T) {
	m := Measurement{Components: []Component{
		{Name: "redis", Memory: Cost{Base: 1000, Cluster: 100, Object: 10, Route: 5}, Idle: Cost{Base: 1e5, Cluster: 1e4}, Change: 1e3, RouteChange: 1e4},
		{Name: "agent", EachCluster: true, Memory: Cost{Base: 1000, Object: 10, Route: 5}, Idle: Cost{Base: 1e5}, Change: 1e3},
	}}
	got := m.Estimate(Fleet{Clusters: 4, Objects: 40, Routes: 8, Changes: 100, RouteChanges: 10})
	want := []Need{
		{"redis", 1, 1000 + 4*100 + 40*10 + 8*5, 0.1 + 4*0.01 + 0.1 + 0.1},
		{"agent", 4, 1000 + 10*10 + 2*5, 0.1 + 0.025}, // of a quarter of the objects and changes
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %+v, want %+v", got[i], want[i])
		}
	}
}

func TestTheShippedMeasurementIsOfEveryService(t *testing.T) {
	m, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, c := range m.Components {
		found[c.Name] = c.Memory.Base > 0 && c.Change > 0
	}
	for _, name := range []string{"redis", "agent", "translator", "insights", "ui"} {
		if !found[name] {
			t.Errorf("of %s nothing was measured", name)
		}
	}
}
