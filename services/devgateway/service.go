package devgateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	service "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/devgateway/limit"
	"github.com/meshweir/meshweir/services/devgateway/routing"
)

// Config tunes a [Gateway]. The zero value is usable.
type Config struct {
	// Clusters are the names of the clusters whose Gateways are served. Default: all.
	Clusters []string
	// Listen is where HTTP is served. Default 127.0.0.1:8000: it lets anybody in.
	Listen string
	// ListenTLS is where HTTPS is served, with certificates that the gateway makes itself. Default 127.0.0.1:8443.
	ListenTLS string
	// Listener and ListenerTLS are used instead, where they are open already. Run closes them.
	Listener, ListenerTLS net.Listener
	// Reach are the networks whose endpoints are called, such as 10.0.0.0/8. Default: those of this machine's loopback.
	Reach []string
	// RateLimitService is the "host:port" that stands for every rate limit service. Default: each one's endpoints, as far as they are in reach.
	RateLimitService string
}

// Gateway is the service.
type Gateway struct {
	log     *slog.Logger
	cfg     Config
	reach   routing.Reach
	follows *followed
	clients limit.Clients
	ready   chan struct{} // closed once a table is served

	// table holds the clusters, sorted by name.
	table    atomic.Pointer[[]*routing.Cluster]
	upstream *upstream

	// What follows belongs to compile.
	endpoints map[string][]routing.Object                // the last that were known of each cluster
	good      map[string]map[resource.Key]routing.Object // the last of each cluster's output that could be read
	told      map[routing.Note]bool
}

// New returns a gateway that serves once Run runs.
func New(log *slog.Logger, store *keyspace.Store, cfg Config) (*Gateway, error) {
	cfg.Listen, cfg.ListenTLS = cmp.Or(cfg.Listen, "127.0.0.1:8000"), cmp.Or(cfg.ListenTLS, "127.0.0.1:8443")
	g := &Gateway{
		log: log, cfg: cfg, reach: routing.Loopback(), ready: make(chan struct{}), upstream: newUpstream(log),
		endpoints: map[string][]routing.Object{}, good: map[string]map[resource.Key]routing.Object{}, told: map[routing.Note]bool{},
	}
	for _, address := range []string{cfg.Listen, cfg.ListenTLS, cmp.Or(cfg.RateLimitService, "127.0.0.1:0")} {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return nil, fmt.Errorf(`making the development gateway: address %q: %w; want "host:port"`, address, err)
		}
	}
	if len(cfg.Reach) > 0 {
		g.reach = nil
	}
	for _, text := range cfg.Reach {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("making the development gateway: network %q: %w; want one such as 10.0.0.0/8", text, err)
		}
		g.reach = append(g.reach, network.Masked())
	}
	var err error
	if g.follows, err = follow(store, cfg.Clusters); err != nil {
		return nil, fmt.Errorf("making the development gateway: %w", err)
	}
	g.table.Store(&[]*routing.Cluster{})
	return g, nil
}

// Ready returns nil once what exists is served.
func (g *Gateway) Ready(context.Context) error {
	select {
	case <-g.ready:
		return nil
	default:
		return errors.New("the outputs have not been read yet")
	}
}

// Run serves until ctx ends. Redis may come and go: the last table stays. It can run once.
func (g *Gateway) Run(ctx context.Context) error {
	err := process.Together(ctx, g.follows.outputs.Run, g.follows.endpoints.Run, g.compile,
		func(ctx context.Context) error { return g.serve(ctx, g.cfg.Listener, g.cfg.Listen, nil) },
		func(ctx context.Context) error {
			certificates, err := selfSigned()
			if err != nil {
				return err
			}
			return g.serve(ctx, g.cfg.ListenerTLS, g.cfg.ListenTLS, certificates)
		})
	g.upstream.close()
	if err = errors.Join(err, g.clients.Close()); err != nil {
		return fmt.Errorf("running the development gateway: %w", err)
	}
	return nil
}

// compile keeps the table what the outputs say.
func (g *Gateway) compile(ctx context.Context) error {
	for _, synced := range []<-chan struct{}{g.follows.outputs.Synced(), g.follows.endpoints.Synced()} {
		select {
		case <-synced:
		case <-ctx.Done():
			return nil
		}
	}
	var names []keyspace.Name
	g.follows.outputs.View(func(v keyspace.View[routing.Object]) { names = v.Names() })
	for _, name := range names {
		g.compileCluster(ctx, name.Instance())
	}
	close(g.ready)
	for {
		changed := g.follows.take(ctx)
		if ctx.Err() != nil {
			return nil
		}
		for _, cluster := range changed {
			g.compileCluster(ctx, cluster)
		}
	}
}

// compileCluster swaps the table for one with the cluster as it is now. While its output is not known whole, the last one stays.
func (g *Gateway) compileCluster(ctx context.Context, cluster string) {
	output, known := objects(g.follows.outputs, keyspace.Name(outputKind+"/"+cluster))
	if !known {
		return
	}
	g.keepGood(cluster, output)
	if endpoints, known := objects(g.follows.endpoints, keyspace.Name(snapshotKind+"/"+cluster)); known {
		g.endpoints[cluster] = endpoints
	}
	compiled := routing.Compile(routing.Config{Log: g.log, Cluster: cluster, Reach: g.reach, Dial: g.dial}, slices.Concat(output, g.endpoints[cluster]))
	for _, note := range compiled.Notes {
		told := note
		told.Object = cluster + ":" + note.Object
		if !g.told[told] {
			g.told[told] = true
			level := slog.LevelInfo
			if note.Field == "" {
				level = slog.LevelWarn // it cannot be read
			}
			g.log.Log(ctx, level, "not executed", "cluster", cluster, "object", note.Object, "field", note.Field, "why", note.Why)
		}
	}
	table := slices.DeleteFunc(slices.Clone(*g.table.Load()), func(c *routing.Cluster) bool { return c.Name == cluster })
	table = append(table, compiled)
	slices.SortFunc(table, func(a, b *routing.Cluster) int { return strings.Compare(a.Name, b.Name) })
	g.table.Store(&table)
}

// keepGood puts the last good object in the place of one that cannot be read.
func (g *Gateway) keepGood(cluster string, output []routing.Object) {
	good := map[resource.Key]routing.Object{}
	for i, o := range output {
		if o.Err != nil {
			output[i].Spec = g.good[cluster][o.Key].Spec
		}
		if output[i].Spec != nil {
			good[o.Key] = output[i]
		}
	}
	g.good[cluster] = good
}

// dial returns what asks a rate limit service, its endpoints in turn.
func (g *Gateway) dial(name string, addresses []string) limit.Ask {
	if g.cfg.RateLimitService != "" {
		addresses = []string{g.cfg.RateLimitService}
	}
	var turn atomic.Uint64
	return func(ctx context.Context, request *service.RateLimitRequest) (*service.RateLimitResponse, error) {
		if len(addresses) == 0 {
			return nil, fmt.Errorf("asking %s: it has no endpoint in reach", name)
		}
		return g.clients.Ask(ctx, addresses[turn.Add(1)%uint64(len(addresses))], request)
	}
}

// serve serves on a listener, or an address, until ctx ends.
func (g *Gateway) serve(ctx context.Context, listener net.Listener, address string, secure *tls.Config) error {
	if listener == nil {
		var err error
		if listener, err = new(net.ListenConfig).Listen(ctx, "tcp", address); err != nil {
			return fmt.Errorf("listening: %w; name another address", err)
		}
	}
	server := &http.Server{Handler: http.HandlerFunc(g.handle), ReadHeaderTimeout: 10 * time.Second, Protocols: new(http.Protocols), ErrorLog: slog.NewLogLogger(g.log.Handler(), slog.LevelDebug)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(secure != nil)
	server.Protocols.SetUnencryptedHTTP2(secure == nil)
	if secure != nil {
		server.TLSConfig = secure
	}
	return process.Together(ctx, func(context.Context) error {
		var err error
		if secure != nil {
			err = server.ServeTLS(listener, "", "")
		} else {
			err = server.Serve(listener)
		}
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	}, func(ctx context.Context) error {
		<-ctx.Done()
		wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		if server.Shutdown(wait) != nil {
			return server.Close() // requests that take longer are cut off
		}
		return nil
	})
}
