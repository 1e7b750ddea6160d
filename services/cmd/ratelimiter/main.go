// Command ratelimiter answers whether a caller has had enough, in Envoy's rate limit protocol. Any number of them share
// the counters. See package ratelimiter.
package main

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/services/cmd/launch"
	"github.com/meshweir/meshweir/services/ratelimiter"
)

func main() {
	process.Main(process.Program{
		Name:   "ratelimiter",
		About:  "answers whether a caller has had enough, in Envoy's rate limit protocol",
		Define: define,
	})
}

func define(flags *pflag.FlagSet) process.Run {
	var redis launch.Redis
	var from launch.Rules
	var cfg ratelimiter.Config
	redis.DefineFlags(flags, redisconn.Limits)
	from.DefineFlags(flags)
	flags.StringVar(&cfg.Listen, "listen", "127.0.0.1:8081", "`host:port` of the gRPC service")
	flags.StringVar(&cfg.ListenHTTP, "listen-http", "127.0.0.1:8082", "`host:port` of /json, /healthcheck and /counters; they ask nobody who they are")
	flags.DurationVar(&cfg.Deadline, "deadline", 0, "the longest time that a call waits for Redis; 0 is 15ms, less than the 20ms that Envoy waits")
	flags.IntVar(&cfg.Replicas, "replicas", 0, "how many limiters share each limit that counts locally while Redis is away; 0 is as many as were there last")
	flags.IntVar(&cfg.Lanes, "lanes", 1, "how many batches one Redis server is asked at once")
	flags.BoolVar(&cfg.Headers, "headers", false, "add RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset and RateLimit-Policy to answers")
	flags.BoolVar(&cfg.Metadata, "metadata", false, "add dynamic metadata to each answer: domain, descriptors, hits, and the metadata of rules that let pass")
	flags.BoolVar(&cfg.Shadow, "shadow", false, "count and report, and deny no call")
	flags.BoolVar(&cfg.Quota, "quota", false, "deny a call only when all limits that it meets are used up")
	flags.StringSliceVar(&cfg.Hide, "hide", nil, "`keys` of entries whose values are counted and shown as digests, besides those that look like secrets")
	flags.DurationVar(&cfg.MaxConnectionAge, "max-connection-age", 0, "close gRPC connections of that age in good order; 0 is never")
	flags.StringVar(&cfg.TLS.Cert, "tls-cert", "", "`file` (PEM) of the gRPC service's certificate, read again for each connection; empty serves without TLS")
	flags.StringVar(&cfg.TLS.Key, "tls-key", "", "`file` (PEM) of its key")
	flags.StringVar(&cfg.TLS.ClientCA, "tls-client-ca", "", "`file` (PEM) of the authorities that clients' certificates must be signed by; empty asks for none")
	return func(ctx context.Context, env process.Env) error {
		return launch.RateLimiter(ctx, env, redis, from, cfg)
	}
}
