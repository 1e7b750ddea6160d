// Command parts says which real parts (a Redis server, an API server, a
// browser) this machine has for the tests, and how to get the others:
//
//	go run ./test/parts
//
// It exits with 1 when a part that MESHWEIR_REQUIRE lists is missing. Some parts
// it builds, at the versions that the modules nested in test pin, into the user's
// cache ($XDG_CACHE_HOME/meshweir/parts), where the tests find them:
//
//	go run ./test/parts -build kube-apiserver,etcd,kubectl,istiod,jaeger
package main

import (
	"context"
	"flag"
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
	names := flag.String("build", "", "`parts` to build, where the cache has not got them yet, separated by commas")
	flag.Parse()
	do := list
	if *names != "" {
		do = func(ctx context.Context, out io.Writer) error { return build(ctx, out, *names) }
	}
	if err := do(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "parts:", err)
		os.Exit(1)
	}
}

func list(ctx context.Context, out io.Writer) error {
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
