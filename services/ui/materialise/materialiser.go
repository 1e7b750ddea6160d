package materialise

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/pipeline/work"
	"github.com/meshweir/meshweir/services/ui/view"
)

// Group is the consumer group in which the replicas of the ui share the events.
const Group = "ui"

// Config tunes a [Materialiser]. The zero value is usable.
type Config struct {
	// Consumer names this process within the group, where its name survives a restart. Default: a name of its own.
	Consumer string
	// RepairEvery is how often, with jitter, everything is compared with what Redis holds. Default 30 s.
	RepairEvery time.Duration
	// Tracer and Meter receive spans and metrics. Default none.
	Tracer trace.Tracer
	Meter  metric.Meter
}

// Materialiser keeps view/* equal to what the pure functions of package view say.
type Materialiser struct {
	log     *slog.Logger
	store   *keyspace.Store
	replica *keyspace.Replica[view.Fact]
	worker  *work.Worker
	board   *board
	history *historian
	// remembered is set once the stored clusters were read; it belongs to the pass.
	remembered bool
}

// New returns a materialiser that works once Run runs. The clients stay the caller's to close.
func New(log *slog.Logger, store *keyspace.Store, clients work.Clients, cfg Config) (*Materialiser, error) {
	m := &Materialiser{log: log, store: store, board: newBoard(log, store), history: newHistorian(log, store)}
	var err error
	m.replica, err = keyspace.NewReplica(store, keyspace.ReplicaConfig[view.Fact]{
		Names: []keyspace.Name{view.RegistryName}, Kinds: view.FollowedKinds(), Decode: view.DecodeFact, OnChange: m.changed,
	})
	if err != nil {
		return nil, fmt.Errorf("making a materialiser: %w", err)
	}
	m.worker, err = work.New(log, store, clients, m.replica, m.pass, work.Config{
		Group: Group, Operation: "ui.materialise", Kinds: view.FollowedKinds(), Consumer: cfg.Consumer, RepairEvery: cfg.RepairEvery, Tracer: cfg.Tracer, Meter: cfg.Meter,
	})
	if err != nil {
		return nil, fmt.Errorf("making a materialiser: %w", err)
	}
	return m, nil
}

// Run materialises until ctx ends. Redis may come and go.
func (m *Materialiser) Run(ctx context.Context) error {
	return process.Together(ctx, m.worker.Run, m.history.run)
}

// changed notes what a step of a followed keyspace makes dirty. What no event
// tells of, a keyspace that vanished or was listed again, asks for a pass itself.
func (m *Materialiser) changed(e keyspace.Event[view.Fact]) {
	m.board.mark(e)
	m.history.note(e)
	m.worker.Note(e.Causes...)
	if e.Relisted != "" {
		m.worker.Ask(e.Causes...)
	}
}
