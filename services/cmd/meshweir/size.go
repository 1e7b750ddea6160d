package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/services/cmd/meshweir/sizing"
)

// headroom is what a limit is set to, as a multiple of what is needed: a fleet that is read at once, as after a
// restart, and a Redis that writes its append-only file anew, take more for a while.
const headroom = 2

// sizeCommand says what a fleet needs. It speaks to no Redis.
func sizeCommand(code *int) *cobra.Command {
	fleet := sizing.Fleet{}
	var format string
	cmd := &cobra.Command{
		Use: "size", Short: "Say what memory and CPU a fleet needs", Args: cobra.NoArgs,
		Long: `Says what Redis and each service need of memory and CPU for a fleet, from what was measured on the running product. The
measurement ships with this program and is made again by the project's tests.

  MEMORY  of each process, at rest
  LIMIT   for its container, or maxmemory: twice that, for a fleet that is read at once and a Redis that rewrites its file
  CPU     cores that each process keeps busy on average, on a machine like that of the measurement

The objects of a fleet that runs are counted by ` + "`meshweir cluster ls`" + `.`,
		Example: `  meshweir size --clusters 10 --objects 50000 --routes 1000
  meshweir size --clusters 100 --objects 1000000 --routes 5000 --changes 200 -o json | jq '.needs[] | {component, memoryBytes}'`,
		Run: func(cmd *cobra.Command, _ []string) {
			err := printSize(cmd.OutOrStdout(), cmd.ErrOrStderr(), fleet, format)
			if *code = process.ExitCode(err); err != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "meshweir: %v\n", err)
			}
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&fleet.Clusters, "clusters", 3, "clusters of the fleet")
	flags.IntVar(&fleet.Objects, "objects", 15_000, "objects in the snapshots of all clusters")
	flags.IntVar(&fleet.Routes, "routes", 300, "HTTPRoutes and GRPCRoutes in all clusters")
	flags.Float64Var(&fleet.Changes, "changes", 10, "objects that change in a second, such as Pods that start, in all clusters")
	flags.Float64Var(&fleet.RouteChanges, "route-changes", 0.1, "routes that change in a second, in all clusters")
	process.ChoiceP(flags, &format, "output", "o", "form of the answer", "table", "json", "yaml")
	return cmd
}

func printSize(out, notes io.Writer, fleet sizing.Fleet, format string) error {
	if fleet.Clusters < 1 || fleet.Objects < 0 || fleet.Routes < 0 || fleet.Changes < 0 || fleet.RouteChanges < 0 ||
		math.IsInf(fleet.Changes+fleet.RouteChanges, 0) || math.IsNaN(fleet.Changes+fleet.RouteChanges) {
		return process.UsageError{Err: errors.New("a fleet has one cluster or more, and of everything else a number that is not negative")}
	}
	measured, err := sizing.Load()
	if err != nil {
		return err
	}
	needs := measured.Estimate(fleet)
	if format != "table" {
		return encode(out, format, struct {
			Fleet    sizing.Fleet       `json:"fleet"`
			Needs    []sizing.Need      `json:"needs"`
			Measured sizing.Measurement `json:"measured"`
		}{fleet, needs, measured})
	}
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "COMPONENT\tPROCESSES\tMEMORY\tLIMIT\tCPU\t")
	for _, n := range needs {
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%.3f\t\n", n.Component, n.Count, mebibytes(n.MemoryBytes), mebibytes(headroom*n.MemoryBytes), n.Cores)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(notes, "\nMeasured on %s with Redis %s and %s; objects %s, read from folders of manifests.\n"+
		"Every further replica of a service needs the same memory.\n", measured.Machine, measured.Redis, measured.Go, measured.Objects)
	return nil
}

func mebibytes(n float64) string { return fmt.Sprintf("%.0f MiB", math.Ceil(n/(1<<20))) }
