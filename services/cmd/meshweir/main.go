// Command meshweir is the operator's tool. `meshweir up` runs the whole product
// in one process.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/meshweir/meshweir/pipeline/process"
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	code := process.ExitOK
	root := commands(&code)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(stderr, "meshweir: %v\nmeshweir --help lists the commands\n", err)
		return process.ExitUsage
	}
	return code
}
