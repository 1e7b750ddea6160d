package insights

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/pipeline/work"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/insights/check"
)

// Config tunes [Insights]. The zero value is usable.
type Config struct {
	// Consumer names this process within the consumer group, where its name survives a restart. Default: a name of its own.
	Consumer string
	// RepairEvery is how often, with jitter, every insight is compared with what Redis holds. Default 30 s.
	RepairEvery time.Duration
	// ListenEvery is how often the heartbeats of agents are listened for. Default 5 s.
	ListenEvery time.Duration
	// Settings are the thresholds of the checks.
	Settings check.Settings
	// Tracer and Meter receive spans and metrics. Default none.
	Tracer trace.Tracer
	Meter  metric.Meter
}

// Insights is the loop around an [Engine]: it follows the snapshots, the reports and the registry, shares their events with the
// other replicas, and keeps insight/* equal to what the engine says.
type Insights struct {
	log     *slog.Logger
	store   *keyspace.Store
	follows *followed
	worker  *work.Worker
	every   time.Duration
	gauge   *gauge

	mu sync.Mutex // guards pending
	// pending are the steps of what is followed that the engine was not told of yet.
	pending []func()

	// What follows belongs to the pass.
	engine  *Engine
	ledger  *ledger
	ears    *ears
	inputs  keyspace.Vector
	targets map[keyspace.Name]*target
	// seen are the insights that somebody wrote since the last pass, whose times may be earlier by that.
	seen    map[string]struct{}
	members map[string]internalv1.Membership
	// lost are the clusters whose reports vanished, with what they have reported again since; what they said last counts until they
	// have reported all.
	lost map[string]map[resource.Key]bool

	timer sync.Mutex // guards next
	// next is when something is due though nothing changes; zero for never.
	next time.Time
}

// New returns a service that works once Run runs. The clients stay the caller's to close.
func New(log *slog.Logger, store *keyspace.Store, clients work.Clients, cfg Config) (*Insights, error) {
	if cfg.Meter == nil {
		cfg.Meter = metricnoop.Meter{}
	}
	s := &Insights{
		log: log, store: store, every: cmp.Or(cfg.ListenEvery, 5*time.Second),
		engine: NewEngine(check.Table(), cfg.Settings), ledger: newLedger(), ears: newEars(store), inputs: keyspace.Vector{},
		targets: map[keyspace.Name]*target{}, seen: map[string]struct{}{}, members: map[string]internalv1.Membership{}, lost: map[string]map[resource.Key]bool{},
	}
	if s.every < 0 || cfg.Settings.SilentAfter < 0 || cfg.Settings.DriftWithin < 0 || cfg.Settings.DriftTimes < 0 {
		return nil, errors.New("making insights: a time, or a number of times, is negative")
	}
	var err error
	if s.gauge, err = newGauge(cfg.Meter); err != nil {
		return nil, fmt.Errorf("making insights: %w", err)
	}
	if s.follows, err = follow(store, hears{s.hearSource, s.hearReport, s.hearStored}); err != nil {
		return nil, fmt.Errorf("making insights: %w", err)
	}
	s.worker, err = work.New(log, store, clients, s.follows, s.pass, work.Config{
		Group: Group, Kinds: SourceKinds(), Consumer: cfg.Consumer, RepairEvery: cfg.RepairEvery, Tracer: cfg.Tracer, Meter: cfg.Meter,
	})
	if err != nil {
		return nil, fmt.Errorf("making insights: %w", err)
	}
	return s, nil
}

// Run finds until ctx ends. Redis may come and go.
func (s *Insights) Run(ctx context.Context) error {
	return process.Together(ctx, s.worker.Run, s.watchClock)
}

// Ready returns nil once what exists has been read.
func (s *Insights) Ready(context.Context) error {
	select {
	case <-s.follows.Synced():
		return nil
	default:
		return errors.New("the snapshots have not been read yet")
	}
}

// watchClock asks for passes because of what no event tells of: the time, and that a heartbeat came or ran out.
func (s *Insights) watchClock(ctx context.Context) error {
	select {
	case <-s.follows.Synced():
	case <-ctx.Done():
		return nil
	}
	ticker := time.NewTicker(s.every)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			news, err := s.ears.listen(ctx, now)
			if err != nil {
				s.log.DebugContext(ctx, "heartbeats cannot be read", "error", err)
				continue
			}
			if news || s.isDue(now) {
				s.worker.Ask()
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *Insights) isDue(now time.Time) bool {
	s.timer.Lock()
	defer s.timer.Unlock()
	return !s.next.IsZero() && !s.next.After(now)
}

func (s *Insights) setNext(next time.Time) {
	s.timer.Lock()
	defer s.timer.Unlock()
	s.next = next
}
