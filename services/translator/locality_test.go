package translator_test

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/translator"
	"github.com/meshweir/meshweir/services/translator/output"
)

// runs returns how often each kind of computation ran for one change.
func runs(e *translator.Engine, change func()) (map[string]int, translator.Touched) {
	before := e.Runs()
	change()
	touched := e.Update()
	after := e.Runs()
	maps.DeleteFunc(after, func(name string, n int) bool { return n == before[name] })
	for name := range after {
		after[name] -= before[name]
	}
	return after, touched
}

func TestAChangeComputesOnlyWhatDependsOnIt(t *testing.T) {
	const routes, globals = 400, 100
	e := engineOf(bigFleet(10, routes, globals).inputs())
	host := keyed("VirtualService", "networking.istio.io", "ingress", output.Name("web", "host-0.example.com"))
	entry := keyed("ServiceEntry", "networking.istio.io", "shop", output.Name("shop", "global-1"))
	rule := keyed("DestinationRule", "networking.istio.io", "shop", output.Name("shop", "global-1"))
	server := keyed("ServiceEntry", "networking.istio.io", "eastwest", output.Name("shop", "global-1", "east-west"))

	for _, test := range []struct {
		name    string
		change  func()
		runs    map[string]int
		touched map[string][]resource.Key
	}{
		{
			"a rule of one route",
			func() { put(e, "c01", bigRoute(1, globals, "/v2")) },
			// The unit of the Gateway runs to collect its VirtualServices, the unit of the route for its status.
			map[string]int{"route": 1, "head of a route": 1, "virtual service": 1, "unit": 2},
			map[string][]resource.Key{"c01": {host}},
		},
		{
			"a Service that one route names, in what routes do not care about",
			func() {
				put(e, "c01", plain("v1", "Service", "shop", "local-1", manifest{"ports": ports(8080), "selector": map[string]any{"app": "new"}}))
			},
			map[string]int{"route": 1, "head of a route": 1, "virtual service": 1, "unit": 2},
			map[string][]resource.Key{},
		},
		{
			"a status, and a count of the server's",
			func() {
				route := bigRoute(1, globals, "/v2")
				route["metadata"].(map[string]any)["resourceVersion"] = "77"
				route["status"] = map[string]any{"parents": []any{}}
				put(e, "c01", route)
			},
			map[string]int{},
			map[string][]resource.Key{},
		},
		{
			"an object that nobody reads",
			func() { put(e, "c01", plain("apps/v1", "Deployment", "shop", "local-1", manifest{})) },
			map[string]int{},
			map[string][]resource.Key{},
		},
		{
			"an output that was applied",
			func() {
				value, _ := e.Object("c01", host)
				var live manifest
				if err := json.Unmarshal(value, &live); err != nil {
					t.Fatal(err)
				}
				put(e, "c01", live)
			},
			map[string]int{},
			map[string][]resource.Key{},
		},
		{
			"a Service behind one GlobalService that no route names",
			func() { e.Apply("c02", translator.Change{Key: "Service/shop/global-1", Deleted: true}) },
			map[string]int{
				"global service plan": 1, "global service clients": 1, "global service namespace": 1,
				// The clusters that asked whether it is theirs when they looked for one that is.
				"east-west needs": 8, "unit": 1,
			},
			map[string][]resource.Key{"c01": {rule, server, entry}, "c02": {rule, server, entry}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			ran, touched := runs(e, test.change)
			if diff := cmp.Diff(test.runs, ran); diff != "" {
				t.Errorf("ran (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.touched, touched.Objects); diff != "" {
				t.Errorf("touched (-want +got):\n%s", diff)
			}
		})
	}
}
