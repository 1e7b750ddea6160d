// Command agent is Meshweir's hand in one cluster: it publishes what the
// cluster holds, and applies what is meant for it. See package agent.
package main

import (
	"context"
	"errors"

	"github.com/spf13/pflag"

	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/services/agent"
	"github.com/meshweir/meshweir/services/cmd/launch"
)

func main() {
	process.Main(process.Program{
		Name:   "agent",
		About:  "publishes what one cluster holds and applies what is meant for it",
		Define: define,
	})
}

func define(flags *pflag.FlagSet) process.Run {
	var redis launch.Redis
	var cfg agent.Config
	redis.DefineFlags(flags)
	flags.StringVar(&cfg.Cluster, "cluster", "", "`name` of the cluster")
	flags.StringVar(&cfg.Dir, "clusters", "", "`directory` that holds the cluster's folder of manifests; what is applied goes into its sub-folder \"applied\"")
	flags.IntVar(&cfg.MaxObjectBytes, "max-object-bytes", 0, "size after pruning above which an object is reported and left out; 0 is 1 MiB")
	return func(ctx context.Context, env process.Env) error {
		if cfg.Cluster == "" || cfg.Dir == "" {
			return process.UsageError{Err: errors.New("--cluster and --clusters must be set")}
		}
		return launch.Agent(ctx, env, redis, cfg)
	}
}
