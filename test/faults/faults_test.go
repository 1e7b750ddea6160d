package main

import (
	"flag"
	"os"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/pipelinetest/program"
)

var (
	clusters = flag.Int("clusters", 3, "number of clusters")
	changes  = flag.Int("changes", 200, "number of changes of manifests")
	seed     = flag.Uint64("seed", 1, "what decides which changes and faults come")
	limit    = flag.String("faults", "", "names of the only faults to do")
	patience = flag.Duration("patience", time.Minute, "how long the fleet may take to converge")
	mistake  = flag.String("sabotage", "", "name of a mistake to build in")
)

// binaries is the folder that TestMain builds the commands into.
var binaries string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(program.Main(m, &binaries, "github.com/meshweir/meshweir/services/cmd/..."))
}

// TestFaults is the program: see the package.
func TestFaults(t *testing.T) {
	pipelinetest.Require(t, "redis")
	t.Parallel()
	chosen, err := only(*limit)
	if err != nil {
		t.Fatal(err)
	}
	c := course{services: binaries, clusters: *clusters, changes: *changes, seed: *seed, faults: chosen, patience: *patience, out: t.Output()}
	if testing.Verbose() {
		c.out = os.Stdout
	}
	if *mistake != "" {
		c.services, c.sabotage = sabotaged(t), *mistake
	}
	if red := run(t, c); red != "" {
		t.Errorf("RED: %s", red)
	}
}
