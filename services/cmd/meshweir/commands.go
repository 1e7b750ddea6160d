package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meshweir/meshweir/pipeline/process"
)

//go:generate go test -run TestThePageOfCommandsIsWhatTheCommandsSay . -update-page

// commands is the whole tree of commands. A command sets code by what became of it; what cobra itself finds wrong
// with a command line is the root's error.
func commands(code *int) *cobra.Command {
	root := &cobra.Command{
		Use:           "meshweir",
		Short:         "Runs and looks after a fleet of Kubernetes clusters with Istio",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       process.Version(),
		Args:          noOtherCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("meshweir {{.Version}}\n")
	root.AddCommand(
		upCommand(code),
		checkCommand(code),
		pipelineCommand(code),
		inspectCommand(code),
		insightsCommand(code),
		clusterCommand(code),
		aclCommand(code),
		sizeCommand(code),
		translateCommand(code),
		diffCommand(code),
		versionCommand(code),
	)
	return root
}

// noOtherCommand refuses what is no command of cmd, and names those that were probably meant.
func noOtherCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	const mistyped = 2 // letters
	cmd.SuggestionsMinimumDistance = mistyped
	err := fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
	if meant := cmd.SuggestionsFor(args[0]); len(meant) > 0 {
		err = fmt.Errorf("%w: did you mean %s?", err, strings.Join(meant, " or "))
	}
	return err
}

func upCommand(code *int) *cobra.Command {
	cmd := &cobra.Command{
		Use: "up", Short: "Run everything in one process, on an embedded Redis, with demo clusters", Args: cobra.NoArgs,
		Long: `Runs every service in one process, on an embedded Redis, with an agent for each folder of manifests. Edit a manifest, and
see what the other clusters are given. Each flag can be set by the environment too: --log-level is MESHWEIR_LOG_LEVEL.

Without --clusters it runs the demo. That does not go into a Redis that holds another fleet, unless --join says so.`,
		Example: `  meshweir up                                                # demo clusters, dashboard on http://127.0.0.1:8080
  meshweir up --clusters ./fleet --listen 127.0.0.1:9090
  meshweir up --redis-control redis://127.0.0.1:6379 --translators 2`,
	}
	program := upProgram().Bind(cmd.Flags())
	cmd.Run = func(cmd *cobra.Command, _ []string) {
		err := program(cmd.Context(), process.System{LookupEnv: os.LookupEnv, Stdout: cmd.OutOrStdout(), Stderr: cmd.ErrOrStderr()})
		if *code = process.ExitCode(err); *code == process.ExitUsage { // for a person; other errors are in the log
			fmt.Fprintf(cmd.ErrOrStderr(), "meshweir up: %v\nmeshweir up --help lists the flags\n", err)
		}
	}
	return cmd
}
