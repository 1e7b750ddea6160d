package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/meshweir/meshweir/deploy/compose/demo"
	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/pipeline/telemetry"
	"github.com/meshweir/meshweir/services/agent"
	"github.com/meshweir/meshweir/services/cmd/launch"
	"github.com/meshweir/meshweir/services/insights"
	"github.com/meshweir/meshweir/services/translator"
	"github.com/meshweir/meshweir/services/ui"
)

const (
	// demoDir is where the demo clusters are unpacked when the user names no folder.
	demoDir = "meshweir-demo"
	// anyPort is where the embedded Redis listens when the user names no address.
	anyPort = "127.0.0.1:0"
	// gatewayListen and gatewayListenTLS are where the development gateway listens when the user names no address.
	gatewayListen, gatewayListenTLS = "127.0.0.1:8000", "127.0.0.1:8443"
)

// up is the whole product in one process.
type up struct {
	clusters    string
	listen      string
	listener    net.Listener // on listen
	gateway     gateway
	redisListen string
	translators int
	join        bool
	redis       launch.Redis
	// telemetryOf makes the telemetry of one service. Tests look into it.
	telemetryOf func(ctx context.Context, cfg telemetry.Config) (*telemetry.Telemetry, error)
}

func upProgram() process.Program {
	return process.Program{
		Name:  "meshweir up",
		About: "runs everything in one process, on an embedded Redis, with demo clusters",
		// It talks to a person, who wants to hear of what goes wrong.
		LogLevel: "warn",
		Define: func(flags *pflag.FlagSet) process.Run {
			u := up{telemetryOf: telemetry.Setup}
			flags.StringVar(&u.clusters, "clusters", "", "`directory` with a folder of manifests for each cluster (default: demo clusters, unpacked to ./"+demoDir+")")
			flags.StringVar(&u.listen, "listen", "127.0.0.1:8080", "`host:port` of the dashboard, which asks nobody who they are; port 0 is a free one")
			u.gateway.defineFlags(flags)
			flags.StringVar(&u.redisListen, "redis-listen", anyPort, "loopback `host:port` of the embedded Redis; port 0 is a free one")
			flags.StringVar(&u.redis.Control, "redis-control", "", "`URL` of a Redis to use instead of the embedded one")
			flags.BoolVar(&u.join, "join", false, "let the demo clusters become a part of the fleet that the Redis of --redis-control holds")
			flags.BoolVar(&u.redis.Plain, "redis-plain", false, "write values as plain JSON, for redis-cli, instead of compressed")
			flags.IntVar(&u.translators, "translators", 1, "`number` of translators that share the work")
			return func(ctx context.Context, env process.Env) error { return u.run(ctx, env) }
		},
	}
}

func (u up) run(ctx context.Context, env process.Env) error {
	if u.translators < 1 {
		return process.UsageError{Err: fmt.Errorf("--translators is %d, want 1 or more", u.translators)}
	}
	if u.redis.Control != "" && u.redisListen != anyPort {
		return process.UsageError{Err: errors.New("--redis-listen is for the embedded Redis, and --redis-control, or MESHWEIR_REDIS_CONTROL, names another: leave one of the two out")}
	}
	if u.clusters == "" {
		if u.redis.Control != "" && !u.join {
			if err := refuseToJoin(ctx, env.Log, u.redis.Control); err != nil {
				return process.UsageError{Err: err}
			}
		}
		if err := demo.Unpack(demoDir); err != nil {
			return err
		}
		u.clusters = demoDir
	}
	names, refused, err := clusterFolders(u.clusters)
	if err != nil {
		return process.UsageError{Err: err}
	}
	for _, err := range refused {
		env.Log.WarnContext(ctx, "a folder is left out", "error", err)
	}
	if len(names) == 0 {
		return process.UsageError{Err: fmt.Errorf("%s holds no cluster: make a folder in it for each one, such as %s, and put manifests there",
			u.clusters, filepath.Join(u.clusters, "east"))}
	}
	if u.redis.Control == "" {
		embedded, err := redisconn.StartEmbedded(env.Log, u.redisListen)
		if err != nil {
			return process.UsageError{Err: err}
		}
		defer embedded.Close()
		u.redis.Control = embedded.URL()
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", u.listen)
	if err != nil {
		return process.UsageError{Err: fmt.Errorf("opening the dashboard: %w; name another address with --listen", err)}
	}
	u.listener, u.listen = listener, listener.Addr().String()
	if err := u.gateway.open(ctx, env.Log); err != nil {
		return errors.Join(process.UsageError{Err: err}, listener.Close())
	}
	runs, shutdown, err := u.services(ctx, env)
	if err != nil {
		return errors.Join(err, listener.Close(), u.gateway.close())
	}
	defer shutdown()
	return process.Together(ctx, append(runs, env.ServeHealth, func(ctx context.Context) error {
		return u.greet(ctx, env, names)
	})...)
}

// services returns what runs, and what ends its telemetry.
func (u up) services(ctx context.Context, env process.Env) (runs []func(context.Context) error, shutdown func(), err error) {
	var ends []func(context.Context) error
	shutdown = func() {
		wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		for _, end := range ends {
			if err := end(wait); err != nil {
				env.Log.WarnContext(ctx, "telemetry not exported", "error", err)
			}
		}
	}
	add := func(name string, start func(ctx context.Context, env process.Env) error) {
		tel, e := u.telemetryOf(ctx, telemetry.Config{Service: name, Version: process.Version(), Registry: env.Telemetry.Registry()})
		if e != nil {
			err = errors.Join(err, e)
			return
		}
		ends = append(ends, tel.Shutdown)
		of := env
		of.Log, of.Telemetry = env.Log.With("service", name), tel
		of.ServeHealth = func(context.Context) error { return nil } // one for all, served by run
		runs = append(runs, process.Named(name, func(ctx context.Context) error { return start(ctx, of) }))
	}
	add("agent", func(ctx context.Context, env process.Env) error {
		return agents(ctx, env.Log, u.clusters, func(ctx context.Context, cluster string) error {
			return launch.Agent(ctx, env, u.redis, agent.Config{Cluster: cluster, Dir: u.clusters})
		})
	})
	for i := range u.translators {
		name := "translator"
		if i > 0 {
			name = fmt.Sprintf("translator-%d", i+1)
		}
		add(name, func(ctx context.Context, env process.Env) error {
			return launch.Translator(ctx, env, u.redis, translator.Config{Consumer: name})
		})
	}
	add("insights", func(ctx context.Context, env process.Env) error {
		return launch.Insights(ctx, env, u.redis, insights.Config{})
	})
	add("ui", func(ctx context.Context, env process.Env) error {
		return launch.UI(ctx, env, u.redis, ui.Config{Listener: u.listener})
	})
	if u.gateway.listener != nil {
		add("devgateway", func(ctx context.Context, env process.Env) error {
			return launch.DevGateway(ctx, env, u.redis, u.gateway.config())
		})
	}
	return runs, shutdown, err
}

// clusterFolders returns the names of the clusters that have a folder in dir, and why other folders are none.
func clusterFolders(dir string) (names []string, refused []error, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("looking for clusters: %w", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		// "applied" is where agents put what is meant for a cluster.
		if !entry.IsDir() || name == "applied" || strings.HasPrefix(name, ".") {
			continue
		}
		if _, err := keyspace.NewName("snapshot", name); err != nil {
			refused = append(refused, fmt.Errorf("%s cannot be a cluster: %w", filepath.Join(dir, name), err))
			continue
		}
		names = append(names, name)
	}
	return names, refused, nil
}

// agents runs an agent for each cluster folder, also for those that come later. An
// agent that fails is started again, unless it fails at the very start: then something is wrong with the call.
func agents(ctx context.Context, log *slog.Logger, dir string, run func(ctx context.Context, cluster string) error) error {
	const look = 2 * time.Second
	ctx, cancel := context.WithCancelCause(ctx)
	var running sync.Map
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel(nil)
	told := map[string]bool{}
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for first := true; ; first = false {
		names, refused, err := clusterFolders(dir)
		if err != nil {
			log.ErrorContext(ctx, "the folder of the clusters cannot be read", "error", err)
		}
		for _, err := range refused {
			if !told[err.Error()] && !first { // run has told those of the start
				log.WarnContext(ctx, "a folder is left out", "error", err)
			}
			told[err.Error()] = true
		}
		for _, name := range names {
			if _, is := running.LoadOrStore(name, true); is {
				continue
			}
			all.Go(func() {
				defer running.Delete(name)
				began := time.Now()
				err := run(ctx, name)
				switch {
				case err == nil || ctx.Err() != nil:
				case first && time.Since(began) < look:
					cancel(fmt.Errorf("cluster %q: %w", name, err))
				default:
					log.ErrorContext(ctx, "an agent failed and is started again", "cluster", name, "error", err)
				}
			})
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		}
	}
}

// greet waits until everything is ready and says where to look.
func (u up) greet(ctx context.Context, env process.Env, clusters []string) error {
	ready := time.NewTicker(50 * time.Millisecond)
	defer ready.Stop()
	for want := len(clusters) + u.translators + 2 + u.gateway.count(); ; {
		if states, ok := env.Health.Ready(ctx); ok && len(states) >= want {
			break
		}
		select {
		case <-ready.C:
		case <-ctx.Done():
			return nil
		}
	}
	target, err := redisconn.Parse(u.redis.Control)
	if err != nil {
		return err
	}
	redis, look := target.String()+", as --redis-control or MESHWEIR_REDIS_CONTROL names it", "meshweir check, with the same --redis-control"
	if address, ok := strings.CutPrefix(u.redis.Control, "embedded://"); ok {
		look = "meshweir check --redis-control redis://" + address
		redis = "embedded, at redis://" + address + " while this process runs. It keeps nothing: the folders are the truth, and\n" +
			"             the next start reads them again. It has no users, no TLS and no second copy: for more than a try,\n" +
			"             run a Redis and name it with --redis-control."
	}
	_, err = fmt.Fprintf(env.Stdout, `
Meshweir is up with the clusters %s.

  dashboard  http://%s
%s  clusters   %s   edit a manifest …
  results    %s   … and see what each cluster is given
  redis      %s
  look       %s

Ctrl-C ends it.
`, strings.Join(clusters, ", "), u.listen, u.gateway.says(u.clusters), u.clusters, filepath.Join(u.clusters, "applied"), redis, look)
	return err
}
