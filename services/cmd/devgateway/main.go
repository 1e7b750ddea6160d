// Command devgateway executes the Istio routing of clusters without Envoy, for development and tests. See package
// devgateway.
package main

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/services/cmd/launch"
	"github.com/meshweir/meshweir/services/devgateway"
)

func main() {
	process.Main(process.Program{
		Name:   "devgateway",
		About:  "does what the Istio routing of clusters says, for development and tests; no Envoy",
		Define: define,
	})
}

func define(flags *pflag.FlagSet) process.Run {
	var redis launch.Redis
	var cfg devgateway.Config
	redis.DefineFlags(flags)
	flags.StringSliceVar(&cfg.Clusters, "cluster", nil, "`names` of the clusters whose Gateways are served (default: all)")
	flags.StringVar(&cfg.Listen, "listen", "127.0.0.1:8000", "`host:port` of HTTP, for all ports of all Gateways")
	flags.StringVar(&cfg.ListenTLS, "listen-tls", "127.0.0.1:8443", "`host:port` of HTTPS, with certificates of its own making")
	flags.StringSliceVar(&cfg.Reach, "reach", []string{"127.0.0.0/8", "::1/128"}, "`networks` whose endpoints are called; for other backends it answers itself")
	flags.StringVar(&cfg.RateLimitService, "rate-limit-service", "", "`host:port` that stands for every rate limit service (default: the endpoints of each, as far as they are in reach)")
	return func(ctx context.Context, env process.Env) error {
		return launch.DevGateway(ctx, env, redis, cfg)
	}
}
