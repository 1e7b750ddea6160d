// Command parts says which real parts (a Redis server, an API server, a
// browser) this machine has for the tests, and how to get the others:
//
//	go run ./test/parts
//
// It exits with 1 when a part that MESHWEIR_REQUIRE lists is missing.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/meshweir/meshweir/pipeline/pipelinetest/part"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "parts:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	required, err := part.Required()
	if err != nil {
		return err
	}
	var missing []string
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PART\tFOR\tFOUND\tWHERE, OR HOW TO GET IT")
	for _, p := range part.All() {
		found, err := p.Find(ctx)
		if err == nil {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", p.Name, p.For, found.Version, found.Path)
			continue
		}
		fmt.Fprintf(table, "%s\t%s\tno\t%s\n", p.Name, p.For, p.Get)
		if slices.Contains(required, p.Name) {
			missing = append(missing, err.Error())
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s=%s makes the tests fail where they would leave something out.\n", part.RequireVariable, strings.Join(part.Names(), ","))
	if len(missing) > 0 {
		return fmt.Errorf("checking what %s lists: %s", part.RequireVariable, strings.Join(missing, "; "))
	}
	return nil
}
