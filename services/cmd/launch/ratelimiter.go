package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/services/ratelimiter"
	"github.com/meshweir/meshweir/services/ratelimiter/rulefile"
	"github.com/meshweir/meshweir/services/ratelimiter/rules"
)

// Rules is where a rate limiter's rules come from.
type Rules struct {
	// Config is a folder of YAML files.
	Config string
}

// DefineFlags defines --config.
func (r *Rules) DefineFlags(flags *pflag.FlagSet) {
	flags.StringVar(&r.Config, "config", r.Config, "`folder` of YAML files with rules, as envoyproxy/ratelimit reads them")
}

// RateLimiter runs a rate limiter until ctx ends. It answers at once, whether its Redis is there or not: what it answers then
// each limit says.
func RateLimiter(ctx context.Context, env process.Env, redis Redis, from Rules, cfg ratelimiter.Config) error {
	conn, err := redisconn.Open(env.Log, redis.For(redisconn.Limits), redisconn.Options{Name: userName("ratelimiter"), Retries: -1})
	if err != nil {
		return process.UsageError{Err: err}
	}
	cfg.Meter = env.Telemetry.Meter()
	s, err := ratelimiter.New(env.Log, conn.Client, cfg)
	if err != nil {
		return errors.Join(process.UsageError{Err: err}, conn.Close())
	}
	config, err := from.read()
	if err != nil {
		return errors.Join(process.UsageError{Err: err}, conn.Close())
	}
	s.SetRules(config)
	env.Health.AddReady("rate limits", s.Ready)
	measure := func(ctx context.Context) error { return conn.Measure(ctx, env.Telemetry.Meter(), 5*time.Second) }
	check := func(ctx context.Context) error {
		if err := conn.Await(ctx, redisconn.Need{}); err != nil && ctx.Err() == nil {
			return fmt.Errorf("checking Redis: %w", err)
		}
		return nil
	}
	err = process.Together(ctx, env.ServeHealth, measure, check, s.Run)
	return errors.Join(err, conn.Close())
}

func (r Rules) read() (*rules.Config, error) {
	if r.Config == "" {
		return nil, errors.New("reading rules: --config names no folder")
	}
	files, err := filepath.Glob(filepath.Join(r.Config, "*.y*ml"))
	if err != nil {
		return nil, fmt.Errorf("reading rules: %w", err)
	}
	var documents []*rulefile.Document
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading rules: %w", err)
		}
		read, findings := rulefile.Read(file, data)
		if errs := findings.Errors(); len(errs) > 0 {
			return nil, errs
		}
		documents = append(documents, read...)
	}
	config, findings := rulefile.Build(documents)
	if errs := findings.Errors(); len(errs) > 0 {
		return nil, errs
	}
	return config, nil
}
