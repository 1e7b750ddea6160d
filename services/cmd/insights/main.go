// Command insights finds what is wrong or risky in a fleet. Any number of them
// share the work. See package insights.
package main

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/services/cmd/launch"
	"github.com/meshweir/meshweir/services/insights"
)

func main() {
	process.Main(process.Program{
		Name:   "insights",
		About:  "finds what is wrong or risky in a fleet, with evidence and a way to mend it",
		Define: define,
	})
}

func define(flags *pflag.FlagSet) process.Run {
	var redis launch.Redis
	var cfg insights.Config
	redis.DefineFlags(flags)
	flags.StringVar(&cfg.Consumer, "consumer", "", "`name` of this process among the insights, where it survives a restart (a StatefulSet's pod)")
	flags.DurationVar(&cfg.RepairEvery, "repair-every", 0, "how often every insight is compared with what Redis holds; 0 is 30s")
	flags.DurationVar(&cfg.ListenEvery, "listen-every", 0, "how often the heartbeats of agents are listened for; 0 is 5s")
	flags.DurationVar(&cfg.Settings.SilentAfter, "silent-after", 0, "how long an agent may be silent before HLT0113 says so; 0 is 1m")
	flags.IntVar(&cfg.Settings.DriftTimes, "drift-times", 0, "how often an output must have been changed by others before CFG0117 says so; 0 is 3")
	flags.DurationVar(&cfg.Settings.DriftWithin, "drift-within", 0, "how long after the last time such a change counts; 0 is 1h")
	return func(ctx context.Context, env process.Env) error {
		return launch.Insights(ctx, env, redis, cfg)
	}
}
