package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/telemetry"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/cluster"
	"github.com/meshweir/meshweir/services/agent/snapshot"
)

// publisher brings what a source saw into the snapshot.
type publisher struct {
	log    *slog.Logger
	cfg    Config
	vitals *vitals
	owned  *keyspace.Owned
	// published hears what the snapshot holds.
	published *publications
	builder   *snapshot.Builder
	incoming  chan snapshot.Delivery
	// asked says that others staged something.
	asked chan struct{}
	// onChange is called for each delivery by which what is applied may stand differently, or be applied at last.
	onChange func()

	// pending counts the changes that are staged and not yet written; since is when the first was seen.
	pending int
	since   time.Time
	synced  bool
	// failures counts the attempts to write since the last that went well.
	failures int
}

func (a *Agent) newPublisher(owned *keyspace.Owned) *publisher {
	return &publisher{
		log: a.log, cfg: a.cfg, vitals: a.vitals, owned: owned, published: newPublications(), builder: snapshot.NewBuilder(),
		incoming: make(chan snapshot.Delivery), asked: make(chan struct{}, 1),
	}
}

// ask makes run write soon what others staged.
func (p *publisher) ask() {
	select {
	case p.asked <- struct{}{}:
	default:
	}
}

// deliver hands a source's deliveries to run.
func (p *publisher) deliver(ctx context.Context) func(snapshot.Delivery) {
	return func(d snapshot.Delivery) {
		select {
		case p.incoming <- d:
		case <-ctx.Done():
		}
	}
}

func (p *publisher) run(ctx context.Context) error {
	check, beat := time.NewTicker(p.cfg.Check), time.NewTicker(p.cfg.Beat)
	defer check.Stop()
	defer beat.Stop()
	var due <-chan time.Time
	for {
		var err error
		select {
		case d := <-p.incoming:
			p.stage(ctx, d)
			if p.failures > 0 {
				continue // the next attempt has its time
			}
			if p.pending < p.cfg.Batch {
				if due == nil {
					due = time.After(p.cfg.Coalesce)
				}
				continue
			}
			err = p.flush(ctx)
		case <-p.asked:
			if !p.synced {
				continue // it goes with the first snapshot
			}
			p.changed(1, time.Now())
			if due == nil {
				due = time.After(p.cfg.Coalesce)
			}
			continue
		case <-due:
			err = p.flush(ctx)
		case <-check.C:
			if !p.synced || p.failures > 0 {
				continue
			}
			err = p.done(ctx, p.owned.Check(ctx))
		case <-beat.C:
			p.beat(ctx)
			continue
		case <-ctx.Done():
			return nil
		}
		if isFinal(err) {
			return err
		}
		due = nil
		if p.failures > 0 {
			due = time.After(cluster.Backoff(p.failures))
		}
	}
}

// stage brings a delivery into the snapshot that is to be.
func (p *publisher) stage(ctx context.Context, d snapshot.Delivery) {
	if p.vitals.setOutage(d.Outage, d.At) {
		p.beat(ctx)
	}
	if d.Outage != nil && !d.Synced && len(d.Set)+len(d.Deleted) == 0 {
		return
	}
	changes := p.builder.Update(d.Set, d.Deleted)
	for _, key := range changes.Deleted {
		p.owned.Delete(key.String())
	}
	for _, object := range changes.Set {
		p.owned.Set(object.Key.String(), object.Value)
	}
	if d.Synced {
		p.owned.Complete()
		p.synced = true
	}
	p.published.deliver(d)
	n := len(changes.Set) + len(changes.Deleted)
	p.changed(n, d.At)
	p.vitals.changes.Add(ctx, int64(n), metric.WithAttributes(p.vitals.cluster))
	p.count(ctx, d)
	if concernsApplied(d) {
		p.onChange()
	}
}

// concernsApplied reports whether a delivery tells of the kinds that are written to or reported on, of the namespaces that they are in, or
// of the whole cluster. Most of what happens in a cluster is about Pods, and none of the applier's business.
func concernsApplied(d snapshot.Delivery) bool {
	concerns := func(key resource.Key) bool {
		switch key.Group {
		case "":
			return key.Kind == "Namespace"
		case resource.Group, resource.InternalGroup, resource.GatewayGroup:
			return true
		default:
			return strings.HasSuffix(key.Group, ".istio.io")
		}
	}
	return d.Synced || len(d.Set)+len(d.Deleted) == 0 || slices.ContainsFunc(d.Deleted, concerns) ||
		slices.ContainsFunc(d.Set, func(o snapshot.Object) bool { return concerns(o.Key) })
}

// changed notes that changes were staged.
func (p *publisher) changed(n int, at time.Time) {
	if p.pending == 0 {
		p.since = at
	}
	p.pending += n
}

// count keeps the numbers of the heartbeat, and says once when there are kinds that are not taken.
func (p *publisher) count(ctx context.Context, d snapshot.Delivery) {
	unknown := d.Unknown
	kinds := p.builder.Kinds()
	var isNew bool
	p.vitals.update(func(b *internalv1.Heartbeat) {
		for kind := range unknown {
			_, known := b.Unknown[kind]
			isNew = isNew || !known
		}
		b.Objects, b.Unknown, b.Unread = kinds, unknown, d.Unread
		b.Problems = kinds[internalv1.KindManifestProblem+"."+resource.InternalGroup]
	})
	if isNew {
		p.log.InfoContext(ctx, "kinds that no reader uses are left out", "kinds", slices.Sorted(maps.Keys(unknown)))
	}
}

// flush writes what is staged. A trace of a change begins here.
func (p *publisher) flush(ctx context.Context) error {
	ctx, span := p.watched(ctx)
	defer span.End()
	err := p.done(ctx, p.owned.Flush(ctx))
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, telemetry.ErrorClass(err))
	}
	return err
}

// isFinal reports whether a keyspace is another's, so that to try again is in vain.
func isFinal(err error) bool {
	return errors.Is(err, keyspace.ErrOwned) || errors.Is(err, keyspace.ErrOvertaken)
}

// done notes how writing ended. What is staged stays so, and is written once Redis takes it.
func (p *publisher) done(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	if isFinal(err) {
		return err // run ends with it
	}
	if err == nil {
		var at keyspace.Position
		if at, err = p.owned.Position(ctx); err == nil {
			p.published.write(at)
		}
	}
	first := p.vitals.setPublished(err)
	switch {
	case err == nil:
		if p.failures > 0 {
			p.log.InfoContext(ctx, "publishing goes on", "attempts", p.failures)
		}
		p.failures, p.pending = 0, 0
		if first && p.synced {
			p.log.InfoContext(ctx, "snapshot published", "objects", p.builder.Len())
			p.beat(ctx)
		}
	case p.failures == 0:
		p.log.WarnContext(ctx, "publishing pauses, it goes on once Redis takes it", "error", err)
		p.failures++
	default:
		p.failures++
	}
	return err
}

// beat says that the agent lives, once it has the cluster's name for sure.
func (p *publisher) beat(ctx context.Context) {
	p.vitals.mu.Lock()
	info, err := json.Marshal(p.vitals.beat)
	published := p.vitals.published
	p.vitals.mu.Unlock()
	if !published {
		return
	}
	if err == nil {
		err = p.owned.Beat(ctx, info, p.cfg.beatTTL())
	}
	if err != nil && ctx.Err() == nil {
		p.log.DebugContext(ctx, "heartbeat was not written", "error", fmt.Errorf("beating: %w", err))
	}
}
