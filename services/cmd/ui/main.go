// Command ui serves the operator's window on the fleet. Any number of them share
// the work behind it. See package ui.
package main

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/services/cmd/launch"
	"github.com/meshweir/meshweir/services/ui"
)

func main() {
	process.Main(process.Program{
		Name:   "ui",
		About:  "serves the operator's window on the fleet: pages, the same as JSON, and live updates",
		Define: define,
	})
}

func define(flags *pflag.FlagSet) process.Run {
	var redis launch.Redis
	var cfg ui.Config
	redis.DefineFlags(flags)
	flags.StringVar(&cfg.Listen, "listen", "127.0.0.1:8080", "`host:port` of the pages; they ask nobody who they are, so put a proxy that does in front of any other address than a loopback one")
	flags.StringSliceVar(&cfg.Hosts, "hosts", nil, "host `names` that pages may be asked for by (default: those of this machine when --listen is a loopback address, any otherwise)")
	flags.StringVar(&cfg.Consumer, "consumer", "", "`name` of this process among the uis, where it survives a restart (a StatefulSet's pod)")
	flags.DurationVar(&cfg.RepairEvery, "repair-every", 0, "how often the views are compared with what Redis holds; 0 is 30s")
	return func(ctx context.Context, env process.Env) error {
		return launch.UI(ctx, env, redis, cfg)
	}
}
