// Command translator turns the snapshots of all clusters into what each cluster
// should have. Any number of them share the work. See package translator.
package main

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/services/cmd/launch"
	"github.com/meshweir/meshweir/services/translator"
)

func main() {
	process.Main(process.Program{
		Name:   "translator",
		About:  "turns the snapshots of all clusters into what each cluster should have",
		Define: define,
	})
}

func define(flags *pflag.FlagSet) process.Run {
	var redis launch.Redis
	var cfg translator.Config
	redis.DefineFlags(flags)
	flags.StringVar(&cfg.Consumer, "consumer", "", "`name` of this process among the translators, where it survives a restart (a StatefulSet's pod)")
	flags.DurationVar(&cfg.RepairEvery, "repair-every", 0, "how often every output is compared with what Redis holds; 0 is 30s")
	return func(ctx context.Context, env process.Env) error {
		return launch.Translator(ctx, env, redis, cfg)
	}
}
