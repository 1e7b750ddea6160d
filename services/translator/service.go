package translator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/stream"
	"github.com/meshweir/meshweir/pipeline/work"
)

// Config tunes a [Translator]. The zero value is usable.
type Config struct {
	// Consumer names this process within the consumer group, where its name survives a restart. Default: a name of its own.
	Consumer string
	// RepairEvery is how often, with jitter, every output is compared with what Redis holds. Default 30 s.
	RepairEvery time.Duration
	// Tracer and Meter receive spans and metrics. Default none.
	Tracer trace.Tracer
	Meter  metric.Meter
}

// Translator is the loop around an [Engine]: it follows the snapshots and the
// registry, shares their events with the other translators, and keeps the
// outputs equal to what the engine says.
type Translator struct {
	log     *slog.Logger
	store   *keyspace.Store
	replica *keyspace.Replica[input]
	worker  *work.Worker
	janitor *stream.Janitor

	mu sync.Mutex // guards pending
	// pending are the steps of snapshots that the engine was not told of yet.
	pending []keyspace.Event[input]

	// What follows belongs to the pass.
	engine  *Engine
	inputs  keyspace.Vector
	targets map[string]*target
	// seen is how far clusters have applied their output and status, as far as no writer was told.
	seen map[keyspace.Name]keyspace.Position
	// deregistered are the clusters that the registry says are no part of the fleet.
	deregistered map[string]bool
}

// New returns a translator that works once Run runs. The clients stay the caller's to close.
func New(log *slog.Logger, store *keyspace.Store, clients work.Clients, cfg Config) (*Translator, error) {
	t := &Translator{
		log: log, store: store,
		engine: NewEngine(), inputs: keyspace.Vector{}, targets: map[string]*target{}, seen: map[keyspace.Name]keyspace.Position{},
		deregistered: map[string]bool{},
	}
	var err error
	t.replica, err = keyspace.NewReplica(store, keyspace.ReplicaConfig[input]{
		Names: []keyspace.Name{RegistryName}, Kinds: ReadKinds(), Decode: t.decode, OnChange: t.changed,
	})
	if err != nil {
		return nil, fmt.Errorf("making a translator: %w", err)
	}
	t.worker, err = work.New(log, store, clients, t.replica, t.pass, work.Config{
		Group: Group, Operation: "translator.translate", Kinds: ReadKinds(), Consumer: cfg.Consumer, RepairEvery: cfg.RepairEvery, Tracer: cfg.Tracer, Meter: cfg.Meter,
	})
	if err != nil {
		return nil, fmt.Errorf("making a translator: %w", err)
	}
	t.janitor, err = stream.NewJanitor(log, clients.Commands, stream.JanitorConfig{Expand: store.AllEventStreams})
	if err != nil {
		return nil, fmt.Errorf("making a translator: %w", err)
	}
	return t, nil
}

// Run translates until ctx ends. Redis may come and go.
func (t *Translator) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var tidying sync.WaitGroup
	defer tidying.Wait()
	tidying.Go(func() {
		if err := t.janitor.Run(ctx); err != nil {
			t.log.WarnContext(ctx, "the streams are no longer tidied", "error", err)
		}
	})
	err := t.worker.Run(ctx)
	cancel()
	return err
}

// Ready returns nil once the snapshots that exist have been read.
func (t *Translator) Ready(context.Context) error {
	select {
	case <-t.replica.Synced():
		return nil
	default:
		return errors.New("the snapshots have not been read yet")
	}
}
