// Package launch puts services on their Redis and their telemetry. The small
// mains and `meshweir up` run services through it, so one process or many run the same code.
package launch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/pipeline/work"
	"github.com/meshweir/meshweir/services/agent"
	"github.com/meshweir/meshweir/services/devgateway"
	"github.com/meshweir/meshweir/services/insights"
	"github.com/meshweir/meshweir/services/translator"
	"github.com/meshweir/meshweir/services/ui"
)

// Redis is what every service's main lets its user say of Redis.
type Redis struct {
	redisconn.URLs
	// Plain writes values as JSON.
	Plain bool
}

// DefineFlags defines --redis-control, --redis-plain, and a URL for each further role.
func (r *Redis) DefineFlags(flags *pflag.FlagSet, roles ...redisconn.Role) {
	r.URLs.DefineFlags(flags, roles...)
	flags.BoolVar(&r.Plain, "redis-plain", r.Plain, "write values as plain JSON, for redis-cli, instead of compressed")
}

// Base is an open Redis with a store on it.
type Base struct {
	Store *keyspace.Store
	conn  *redisconn.Conn
}

// Clients returns the clients for what is not a keyspace.
func (b Base) Clients() work.Clients {
	return work.Clients{Commands: b.conn.Client, Blocking: b.conn.Blocking}
}

// open opens the control Redis for a service. What the service does there says which rights its Redis user has, if it has one.
func (r Redis) open(env process.Env, name string, access keyspace.Access) (Base, error) {
	conn, err := redisconn.Open(env.Log, r.For(redisconn.Control), redisconn.Options{Name: userName(name)})
	if err != nil {
		return Base{}, process.UsageError{Err: err}
	}
	store, err := keyspace.NewStore(env.Log, conn.Client, keyspace.Config{
		Plain: r.Plain, Blocking: conn.Blocking, Tracer: env.Telemetry.Tracer(), Meter: env.Telemetry.Meter(),
		Unlisted: !access.Listed() && conn.Target().Username != "",
	})
	if err != nil {
		return Base{}, errors.Join(err, conn.Close())
	}
	return Base{store, conn}, nil
}

// service is what a service offers to be run.
type service interface {
	Run(ctx context.Context) error
	Ready(ctx context.Context) error
}

// run runs a service until ctx ends: it waits for Redis, checks it, and serves health meanwhile.
func run(ctx context.Context, env process.Env, base Base, name string, s service) error {
	env.Health.AddReady(name, s.Ready)
	measure := func(ctx context.Context) error { return base.conn.Measure(ctx, env.Telemetry.Meter(), 5*time.Second) }
	err := process.Together(ctx, env.ServeHealth, measure, func(ctx context.Context) error {
		if err := base.conn.Await(ctx, redisconn.Need{}); err != nil {
			return fmt.Errorf("checking Redis: %w", err)
		}
		return s.Run(ctx)
	})
	return errors.Join(err, base.conn.Close())
}

// Agent runs the agent of one cluster until ctx ends.
func Agent(ctx context.Context, env process.Env, redis Redis, cfg agent.Config) error {
	access, err := agent.Access(cfg.Cluster)
	if err != nil {
		return process.UsageError{Err: err}
	}
	base, err := redis.open(env, "agent-"+cfg.Cluster, access)
	if err != nil {
		return err
	}
	cfg.Version, cfg.Tracer, cfg.Meter = process.Version(), env.Telemetry.Tracer(), env.Telemetry.Meter()
	s, err := agent.New(env.Log, base.Store, cfg)
	if err != nil {
		return errors.Join(process.UsageError{Err: err}, base.conn.Close())
	}
	return run(ctx, env, base, "snapshot of "+cfg.Cluster, s)
}

// Translator runs a translator until ctx ends.
func Translator(ctx context.Context, env process.Env, redis Redis, cfg translator.Config) error {
	base, err := redis.open(env, "translator", translator.Access())
	if err != nil {
		return err
	}
	cfg.Tracer, cfg.Meter = env.Telemetry.Tracer(), env.Telemetry.Meter()
	s, err := translator.New(env.Log, base.Store, base.Clients(), cfg)
	if err != nil {
		return errors.Join(process.UsageError{Err: err}, base.conn.Close())
	}
	return run(ctx, env, base, strings.TrimSpace("translator "+cfg.Consumer), s)
}

// Insights runs the service that finds what is wrong until ctx ends.
func Insights(ctx context.Context, env process.Env, redis Redis, cfg insights.Config) error {
	base, err := redis.open(env, "insights", insights.Access())
	if err != nil {
		return err
	}
	cfg.Tracer, cfg.Meter = env.Telemetry.Tracer(), env.Telemetry.Meter()
	s, err := insights.New(env.Log, base.Store, base.Clients(), cfg)
	if err != nil {
		return errors.Join(process.UsageError{Err: err}, base.conn.Close())
	}
	return run(ctx, env, base, "insights", s)
}

// UI runs a dashboard until ctx ends.
func UI(ctx context.Context, env process.Env, redis Redis, cfg ui.Config) error {
	base, err := redis.open(env, "ui", ui.Access())
	if err != nil {
		return err
	}
	cfg.Version, cfg.Tracer, cfg.Meter = process.Version(), env.Telemetry.Tracer(), env.Telemetry.Meter()
	cfg.Pipeline = base.conn
	s, err := ui.New(env.Log, base.Store, base.Clients(), cfg)
	if err != nil {
		return errors.Join(process.UsageError{Err: err}, base.conn.Close())
	}
	return run(ctx, env, base, "dashboard", s)
}

// DevGateway runs a development gateway until ctx ends.
func DevGateway(ctx context.Context, env process.Env, redis Redis, cfg devgateway.Config) error {
	base, err := redis.open(env, "devgateway", devgateway.Access())
	if err != nil {
		return err
	}
	s, err := devgateway.New(env.Log, base.Store, cfg)
	if err != nil {
		return errors.Join(process.UsageError{Err: err}, base.conn.Close())
	}
	return run(ctx, env, base, "development gateway", s)
}
