package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/services/agent/cluster"
)

// Agent works for one cluster.
type Agent struct {
	log    *slog.Logger
	store  *keyspace.Store
	cfg    Config
	names  names
	vitals *vitals
	// open reaches the cluster; it is called when Run begins.
	open func() (cluster.Cluster, error)
}

// New returns the agent of a cluster. Nothing is read or written before Run.
func New(log *slog.Logger, store *keyspace.Store, cfg Config) (*Agent, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	n, err := newNames(cfg.Cluster)
	if err != nil {
		return nil, fmt.Errorf("making an agent: %w", err)
	}
	log = log.With("cluster", cfg.Cluster)
	v, err := newVitals(cfg)
	if err != nil {
		return nil, fmt.Errorf("making an agent: %w", err)
	}
	return &Agent{
		log: log, store: store, cfg: cfg, names: n, vitals: v,
		open: func() (cluster.Cluster, error) { return cfg.open(log) },
	}, nil
}

// Run works until ctx ends, while no other replica does. It returns an error when the cluster
// cannot be had, one that wraps [ErrHeld] when another agent works for the
// cluster, one that wraps [keyspace.ErrOvertaken] when another one took the work over, and one that wraps [keyspace.ErrOwned] when another cluster has the name.
// Redis may come and go.
func (a *Agent) Run(ctx context.Context) error {
	target, err := a.open()
	if err != nil {
		return fmt.Errorf("starting the agent of %q: %w", a.cfg.Cluster, err)
	}
	defer target.Close()
	var beating sync.WaitGroup
	defer beating.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	beating.Go(func() { a.standIn(ctx) })
	return target.Lead(ctx, func(ctx context.Context) error {
		a.vitals.begin()
		return a.work(ctx, target)
	}, func(why cluster.Idle) {
		a.vitals.idle(why)
		switch {
		case why.Outage != nil:
			a.log.WarnContext(ctx, "agent waits for its cluster", "error", why.Outage)
		case why.Leader != "":
			a.log.InfoContext(ctx, "another replica works for the cluster", "leader", why.Leader)
		}
	})
}

// work works for the cluster until ctx ends.
func (a *Agent) work(ctx context.Context, target cluster.Cluster) error {
	uid, err := target.Identity(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("identifying cluster %q: %w", a.cfg.Cluster, err)
	}
	a.log.InfoContext(ctx, "agent started", "identity", uid, "source", a.cfg.source(), "dir", a.cfg.Dir)

	if err := a.takeOver(ctx, uid); err != nil || ctx.Err() != nil {
		return err
	}
	snapshot, applied := a.store.Owned(a.names.snapshot, uid), a.store.Owned(a.names.applied, uid)
	publisher := a.newPublisher(snapshot)
	applier, err := a.newApplier(target, publisher, applied)
	if err != nil {
		return err
	}
	publisher.onChange = applier.wakeUp
	err = process.Together(ctx,
		func(ctx context.Context) error { return target.Run(ctx, a.recall, publisher.deliver(ctx)) },
		publisher.run, applier.outputs.Run, applier.run)
	if err != nil {
		return fmt.Errorf("working for cluster %q: %w", a.cfg.Cluster, err)
	}
	a.endBeat(ctx, snapshot)
	return nil
}

// Ready returns nil while the cluster's state is in Redis and current, or another replica sees to that.
func (a *Agent) Ready(context.Context) error {
	a.vitals.mu.Lock()
	defer a.vitals.mu.Unlock()
	switch {
	case a.vitals.leader != "":
		return nil
	case a.vitals.publishErr != nil:
		return fmt.Errorf("publishing the snapshot: %w", a.vitals.publishErr)
	case a.vitals.beat.Outage != "":
		return errors.New(a.vitals.beat.Outage)
	case !a.vitals.published:
		return errors.New("the first snapshot has not been published yet")
	default:
		return nil
	}
}
