package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/meshweir/meshweir/pipeline/process"
)

// versions is what `meshweir version` tells.
type versions struct {
	process.Build
	// Redis is the version of the first server behind --redis-control; "unknown" when it tells none, as the embedded one, and empty
	// when none was reached.
	Redis string `json:"redis,omitempty"`
}

func versionCommand(code *int) *cobra.Command {
	o := &operator{code: code}
	var format string
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Long: `Prints the version of this program, the commit and the version of Go that it was built from, and the version of the Redis,
where one is reached at once.`,
		Example: `  meshweir version
  meshweir version -o json | jq -r .commit`,
		Run: func(cmd *cobra.Command, _ []string) {
			err := process.SetFromEnvironment(o.flags, os.LookupEnv)
			if err == nil {
				v := versions{Build: process.BuildInfo()}
				v.Redis = o.redisVersion(cmd)
				err = printVersions(cmd.OutOrStdout(), v, format)
			}
			o.end(cmd, err)
		},
	}
	o.define(cmd.Flags(), time.Second)
	process.ChoiceP(cmd.Flags(), &format, "output", "o", "form of the answer", "text", "json", "yaml")
	return cmd
}

// redisVersion asks the Redis for its version; "" when it does not answer in time.
func (o *operator) redisVersion(cmd *cobra.Command) (version string) {
	notes := cmd.ErrOrStderr()
	defer cmd.SetErr(notes)
	cmd.SetErr(io.Discard)                                       // that there is no Redis is no trouble
	_ = o.with(cmd, func(ctx context.Context, s session) error { // and what does not answer has no version
		servers, err := s.conn.Servers(ctx)
		if err == nil && len(servers) > 0 {
			version = cmp.Or(servers[0].Version, "unknown")
		}
		return err
	})
	return version
}

func printVersions(out io.Writer, v versions, format string) error {
	if format != "text" {
		return encode(out, format, v)
	}
	_, err := fmt.Fprintf(out, "meshweir %s\ncommit   %s\ndate     %s\ngo       %s\nredis    %s\n",
		v.Version, dash(v.Commit), dash(v.Date), v.Go, cmp.Or(v.Redis, "not reached"))
	return err
}
