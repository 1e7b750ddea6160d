// Package process is what every program of Meshweir has in common: flags that
// the environment can set too, a logger, signals, and running several things
// together.
//
// A service's main is one [Program] and a call of [Main]:
//
//	func main() {
//		process.Main(process.Program{
//			Name:  "translator",
//			About: "translates what the clusters hold into what they need",
//			Define: func(flags *pflag.FlagSet) process.Run {
//				var cfg translator.Config
//				flags.IntVar(&cfg.Workers, "workers", 4, "how many changes are translated at once")
//				return func(ctx context.Context, env process.Env) error {
//					service, err := translator.New(env.Log, cfg)
//					if err != nil {
//						return err
//					}
//					return process.Together(ctx, env.ServeHealth, service.Run)
//				}
//			},
//		})
//	}
//
// A program with commands (cobra) uses the parts: [SetFromEnvironment],
// [Logging], [UntilSignal], [Together] and [ExitCode].
package process
