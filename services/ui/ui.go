package ui

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/pipeline/work"
	"github.com/meshweir/meshweir/services/ui/materialise"
	"github.com/meshweir/meshweir/services/ui/web"
)

// Config tunes a [UI]. The zero value is usable.
type Config struct {
	// Listen is the address of the pages. Default 127.0.0.1:8080: the pages ask nobody who they are.
	Listen string
	// Listener is used instead of Listen, where one is open already. Run closes it.
	Listener net.Listener
	// Hosts are the host names, without port, that pages may be asked for by. Default: those of this machine when
	// Listen is a loopback address, any otherwise.
	Hosts []string
	// Pipeline is a connection to the same Redis, through which the page of the pipeline looks at streams and dead letters.
	// It stays the caller's to close. Default: none, and the page says so.
	Pipeline *redisconn.Conn
	// Version is shown at the foot of the pages. Default "dev".
	Version string
	// Consumer names this process within the consumer group "ui", where its name survives a restart. Default: a name of its own.
	Consumer string
	// RepairEvery is how often, with jitter, the views are compared with what Redis holds. Default 30 s.
	RepairEvery time.Duration
	// Tracer and Meter receive spans and metrics. Default none.
	Tracer trace.Tracer
	Meter  metric.Meter
}

// UI is the service.
type UI struct {
	materialiser *materialise.Materialiser
	web          *web.Server
}

// New returns a ui on a store. The clients are of the same Redis and stay the caller's to close.
func New(log *slog.Logger, store *keyspace.Store, clients work.Clients, cfg Config) (*UI, error) {
	materialiser, err := materialise.New(log, store, clients, materialise.Config{
		Consumer: cfg.Consumer, RepairEvery: cfg.RepairEvery, Tracer: cfg.Tracer, Meter: cfg.Meter,
	})
	if err != nil {
		return nil, err
	}
	server, err := web.New(log, store, web.Config{Listen: cfg.Listen, Listener: cfg.Listener, Hosts: cfg.Hosts, Version: cfg.Version, Pipeline: cfg.Pipeline})
	if err != nil {
		return nil, err
	}
	return &UI{materialiser: materialiser, web: server}, nil
}

// Ready returns an error while pages cannot be shown yet.
func (u *UI) Ready(ctx context.Context) error { return u.web.Ready(ctx) }

// Run materialises and serves until ctx ends, or one of the two fails. It can run once.
func (u *UI) Run(ctx context.Context) error {
	if err := process.Together(ctx, u.materialiser.Run, u.web.Run); err != nil {
		return fmt.Errorf("running the ui: %w", err)
	}
	return nil
}
