// Package sizing says what a fleet needs of memory and CPU: Redis, and each service. It is a linear model
// whose coefficients were measured on the running product, by test/sizes, and stand in measured.json:
//
//	need = base + cluster·clusters + object·objects + route·routes
//
// The intended use is [Load], then [Measurement.Estimate].
package sizing

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed measured.json
var measured []byte

// Fleet is what is to be sized, all clusters together.
type Fleet struct {
	// Clusters is how many clusters there are, at least one.
	Clusters int `json:"clusters"`
	// Objects is how many objects their snapshots hold (OBJECTS of `meshweir cluster ls`), in equal shares.
	Objects int `json:"objects"`
	// Routes is how many of them are HTTPRoutes and GRPCRoutes.
	Routes int `json:"routes"`
	// Changes is how many objects change in a second, such as Pods that start.
	Changes float64 `json:"changesPerSecond"`
	// RouteChanges is how many routes change in a second.
	RouteChanges float64 `json:"routeChangesPerSecond"`
}

// Cost is what something costs: bytes of memory, or microseconds of CPU in each second.
type Cost struct {
	Base    float64 `json:"base"`
	Cluster float64 `json:"cluster,omitempty"`
	Object  float64 `json:"object,omitempty"`
	Route   float64 `json:"route,omitempty"`
}

// of is the cost of a fleet.
func (c Cost) of(clusters, objects, routes float64) float64 {
	return c.Base + c.Cluster*clusters + c.Object*objects + c.Route*routes
}

// Component is what was measured of Redis, or of one replica of a service.
type Component struct {
	Name string `json:"name"`
	// EachCluster says that every cluster has one, which sees its own cluster only.
	EachCluster bool `json:"eachCluster,omitempty"`
	// Memory is in bytes: of a service twice what lives on its heap, which is what Go's collector lets it
	// grow to, and what its process takes besides; of Redis used_memory.
	Memory Cost `json:"memoryBytes"`
	// Idle is the CPU that is used while nothing changes, in microseconds in each second.
	Idle Cost `json:"idleMicroseconds"`
	// Change is the CPU that one changed object costs, in microseconds.
	Change float64 `json:"changeMicroseconds"`
	// RouteChange is the CPU that one changed route costs, in microseconds.
	RouteChange float64 `json:"routeChangeMicroseconds"`
}

// Measurement is one run of test/sizes.
type Measurement struct {
	// Machine, Go and Redis say where and with what it was measured.
	Machine string `json:"machine"`
	Go      string `json:"go"`
	Redis   string `json:"redis"`
	// Objects says of which kinds the objects were.
	Objects    string      `json:"objects"`
	Components []Component `json:"components"`
}

// Need is what one process needs.
type Need struct {
	Component string `json:"component"`
	// Count is how many of these processes the fleet has at least.
	Count int `json:"count"`
	// MemoryBytes is of each process.
	MemoryBytes float64 `json:"memoryBytes"`
	// Cores is the CPU of each process, in cores that it keeps busy on average.
	Cores float64 `json:"cores"`
}

// Load returns the measurement that was shipped.
func Load() (Measurement, error) {
	var m Measurement
	if err := json.Unmarshal(measured, &m); err != nil {
		return m, fmt.Errorf("reading measured.json: %w", err)
	}
	return m, nil
}

// Estimate returns what each component needs for a fleet.
func (m Measurement) Estimate(fleet Fleet) []Need {
	needs := make([]Need, len(m.Components))
	for i, c := range m.Components {
		clusters, share, count := float64(fleet.Clusters), 1.0, 1
		if c.EachCluster {
			clusters, share, count = 0, 1/clusters, fleet.Clusters
		}
		objects, routes := share*float64(fleet.Objects), share*float64(fleet.Routes)
		busy := c.Idle.of(clusters, objects, routes) + share*(c.Change*fleet.Changes+c.RouteChange*fleet.RouteChanges)
		needs[i] = Need{c.Name, count, c.Memory.of(clusters, objects, routes), busy / 1e6}
	}
	return needs
}
