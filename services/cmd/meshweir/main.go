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
	if cmd, err := root.ExecuteContextC(ctx); err != nil {
		help := "tells how it is called"
		if cmd.HasAvailableSubCommands() {
			help = "lists the commands"
		}
		fmt.Fprintf(stderr, "meshweir: %v\n%s --help %s\n", err, cmd.CommandPath(), help)
		return process.ExitUsage
	}
	return code
}
