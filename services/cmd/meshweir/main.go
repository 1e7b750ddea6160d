// Command meshweir is the operator's tool. `meshweir up` runs the whole product
// in one process.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/meshweir/meshweir/pipeline/process"
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	code := process.ExitOK
	root := &cobra.Command{
		Use:           "meshweir",
		Short:         "Runs and looks after a fleet of Kubernetes clusters with Istio",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(command(upProgram(), "up", "Run everything in one process, on an embedded Redis, with demo clusters", &code), &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), "meshweir", process.Version()) },
	})
	root.AddCommand(clusterCommand(&code), aclCommand(&code))
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(stderr, "meshweir: %v\nmeshweir --help lists the commands\n", err)
		return process.ExitUsage
	}
	return code
}

// command makes a sub-command of a program, which reads its own flags and variables.
func command(p process.Program, name, short string, code *int) *cobra.Command {
	return &cobra.Command{
		Use: name + " [flags]", Short: short, DisableFlagParsing: true,
		Run: func(cmd *cobra.Command, args []string) {
			*code = p.Run(cmd.Context(), process.System{Args: args, LookupEnv: os.LookupEnv, Stdout: cmd.OutOrStdout(), Stderr: cmd.ErrOrStderr()})
		},
	}
}
