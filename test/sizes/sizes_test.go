//go:build !race

package sizes

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/meshweir/meshweir/services/cmd/meshweir/sizing"
)

var update = flag.Bool("update", false, "write what was measured")

const (
	clusters = 8    // besides the first one
	apps     = 1000 // of the first cluster
	routes   = 400  // of the first cluster
	changed  = 500  // applications that change
	idle     = 15 * time.Second
	// tolerance is by how much memory may differ from what ships.
	tolerance = 0.25
)

// What `meshweir size` says of memory is what the product takes. CPU is measured and printed too, and judged by
// nobody: how fast a machine is, and who else uses it, is not the product's.
func TestTheProductTakesWhatSizeSays(t *testing.T) {
	now := measure(t)
	file := filepath.Join("..", "..", "services", "cmd", "meshweir", "sizing", "measured.json")
	if *update {
		text, err := json.MarshalIndent(now, "", "  ")
		if err == nil {
			err = os.WriteFile(file, append(text, '\n'), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	shipped, err := sizing.Load()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(now.Components), len(shipped.Components); got != want {
		t.Fatalf("%d components were measured, want the %d that ship", got, want)
	}
	fleet := sizing.Fleet{Clusters: 10, Objects: 50_000, Routes: 1000, Changes: 50, RouteChanges: 1}
	was := shipped.Estimate(fleet)
	for i, is := range now.Estimate(fleet) {
		memory := is.MemoryBytes / was[i].MemoryBytes
		t.Logf("%-10s %6.1f MiB, %.2f of what ships; %.3f cores, %.2f of what ships",
			is.Component, is.MemoryBytes/(1<<20), memory, is.Cores, is.Cores/was[i].Cores)
		if is.Component != was[i].Component || math.Abs(memory-1) > tolerance {
			t.Errorf("%s takes %.2f times the memory that `meshweir size` says for %+v: measure anew, `go test ./test/sizes -update`, and say why in the commit",
				is.Component, memory, fleet)
		}
	}
}

// measure grows a fleet in one way at a time, and reads what that costs.
func measure(t *testing.T) sizing.Measurement {
	t.Helper()
	services := []string{"translator", "insights", "ui"}
	p := startProduct(t, services...)
	const first = "c0"
	agent := "agent-" + first
	processes := append([]string{redisName, agent}, services...)
	read := func(how func(string) reading) map[string]reading {
		p.settle()
		readings := map[string]reading{redisName: p.readRedis()}
		for _, name := range processes[1:] {
			readings[name] = how(name)
		}
		return readings
	}
	p.join(first)
	alone := read(p.readService)
	for i := range clusters {
		p.join(fmt.Sprintf("c%d", i+1))
	}
	joined := read(p.readService)
	p.objects[first] += p.folders.apps(first, 0, apps, 0)
	grown := read(p.readService)
	p.objects[first] += p.folders.routes(first, routes, 0)
	routed := read(p.readService)

	awake := read(p.readCPU)
	time.Sleep(idle) // at rest, which is what is measured
	rested := read(p.readCPU)
	changes := func(change func()) map[string]reading {
		change()
		time.Sleep(atRest) // until it was seen
		return read(p.readCPU)
	}
	moved := changes(func() { p.folders.apps(first, 0, changed, 1) })
	rerouted := changes(func() { p.folders.routes(first, routes, 1) })

	m := sizing.Measurement{Machine: machine(), Go: runtime.Version(), Redis: version(t, p), Objects: appObjects}
	for _, name := range processes {
		c := sizing.Component{Name: name, EachCluster: name == agent}
		takes := growth // times what lives
		if name == redisName {
			takes = 1
		}
		grows := func(to, from map[string]reading, by int) float64 {
			return round(float64(takes) * max(0, to[name].live-from[name].live) / float64(by))
		}
		c.Memory = sizing.Cost{
			Base:   round(float64(takes)*alone[name].live + alone[name].other),
			Object: grows(grown, joined, apps*len(app)), Route: grows(routed, grown, routes),
		}
		rest := micros(rested[name].cpu-awake[name].cpu) / idle.Seconds()
		if c.EachCluster {
			c.Name, c.Idle.Base = "agent", round(rest)
		} else {
			c.Memory.Cluster = grows(joined, alone, clusters)
			c.Idle.Cluster = round(rest / (clusters + 1))
		}
		c.Change = round(micros(moved[name].cpu-rested[name].cpu) / float64(changed*len(app)))
		c.RouteChange = round(micros(rerouted[name].cpu-moved[name].cpu) / routes)
		m.Components = append(m.Components, c)
	}
	return m
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// round keeps three digits: what was measured has no more.
func round(x float64) float64 {
	if x == 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(math.Abs(x)))-2)
	return math.Round(math.Round(x/unit)*unit*1000) / 1000
}

func machine() string {
	name := runtime.GOARCH
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if field, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(field) == "model name" {
				name = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d CPUs, %s", runtime.NumCPU(), name)
}

func version(t *testing.T, p *product) string {
	t.Helper()
	info, err := p.client.Info(t.Context(), "server").Result()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(info, "redis_version:")
	version, _, _ := strings.Cut(rest, "\r\n")
	return version
}
