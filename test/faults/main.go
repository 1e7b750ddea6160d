package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"time"
)

func main() {
	flag.Int("clusters", 10, "`number` of clusters")
	flag.Int("changes", 10_000, "`number` of changes of manifests")
	flag.Uint64("seed", 1, "`number` that decides which changes and faults come, and in which order")
	flag.String("faults", "", "`names` of the only faults to do, separated by commas (default all)")
	flag.Duration("patience", time.Minute, "`time` that the fleet may take to converge, longer on a machine that has other work")
	flag.String("sabotage", "", "`name` of a mistake to build in, which must turn the verdict red")
	flag.Parse()
	args := []string{"test", "-count=1", "-v", "-timeout=0", "-run=^TestFaults$", "github.com/meshweir/meshweir/test/faults", "-args"}
	flag.VisitAll(func(f *flag.Flag) { args = append(args, "-"+f.Name+"="+f.Value.String()) })
	run := exec.Command("go", args...)
	run.Stdout, run.Stderr = os.Stdout, os.Stderr
	signal.Ignore(os.Interrupt) // the test hears it too, and ends what it started
	var failed *exec.ExitError
	switch err := run.Run(); {
	case errors.As(err, &failed):
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "faults:", strconv.Quote(run.String()), err)
		os.Exit(1)
	}
}
