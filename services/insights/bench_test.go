package insights_test

import (
	"fmt"
	"testing"

	"github.com/meshweir/meshweir/services/insights"
	"github.com/meshweir/meshweir/services/insights/fleet"
)

// bigFleet is 10 clusters with 300 Services, 300 Deployments, 300 VirtualServices and 60 Gateways each: 9,600 objects.
func bigFleet() map[string][]fleet.Object {
	all := map[string][]fleet.Object{}
	for c := range 10 {
		var objects []fleet.Object
		for i := range 300 {
			name := fmt.Sprintf("app-%d", i)
			objects = append(objects, service(name).decode(), virtualService(name, name).decode(),
				plain("apps/v1", "Deployment", "shop", name, manifest{"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"app": name}}}}).decode())
		}
		for i := range 60 {
			objects = append(objects, plain("networking.istio.io/v1", "Gateway", "edge", fmt.Sprintf("gw-%d", i), manifest{
				"selector": map[string]any{"istio": "ingressgateway"},
				"servers":  []any{map[string]any{"port": map[string]any{"number": 80, "protocol": "HTTP"}, "hosts": []any{fmt.Sprintf("h-%d.example.com", i%50)}}},
			}).decode())
		}
		objects = append(objects, manifest{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "shop", "labels": map[string]any{"istio-injection": "enabled"}}}.decode())
		all[fmt.Sprintf("c%02d", c)] = objects
	}
	return all
}

func analyse(all map[string][]fleet.Object) *insights.Engine {
	e := newEngine()
	for name, objects := range all {
		e.Fleet.SetAgent(name, fleet.Agent{Alive: true})
		for _, o := range objects {
			e.Fleet.Put(name, o)
		}
		e.Fleet.SetState(name, fleet.State{Seen: true})
	}
	e.Update(now())
	return e
}

// BenchmarkAnalyse is a full run over 9,600 decoded objects.
func BenchmarkAnalyse(b *testing.B) {
	all := bigFleet()
	for b.Loop() {
		analyse(all)
	}
}

// BenchmarkChange is one change in that fleet: a Service that a route leads to comes and goes.
func BenchmarkChange(b *testing.B) {
	e := analyse(bigFleet())
	s, r := service("new").decode(), virtualService("new", "new").decode()
	e.Fleet.Put("c00", r)
	e.Update(now())
	for i := 0; b.Loop(); i++ {
		if i%2 == 0 {
			e.Fleet.Put("c00", s)
		} else {
			e.Fleet.Delete(fleet.Ref{Cluster: "c00", Key: s.Key})
		}
		if len(e.Update(now())) == 0 {
			b.Fatal("the change changed nothing")
		}
	}
}

func TestAChangeLooksAtATwentiethOfTheFleetAtMost(t *testing.T) {
	e := analyse(bigFleet())
	full := e.Runs()
	e.Fleet.Put("c00", service("another").decode())
	e.Fleet.Put("c00", virtualService("app-1", "gone").decode())
	e.Update(now())
	if again := e.Runs() - full; again == 0 || again > full/20 {
		t.Errorf("two changes looked at %d subjects, of %d in a full run", again, full)
	}
}
