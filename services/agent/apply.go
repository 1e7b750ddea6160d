package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/telemetry"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/cluster"
)

// applier makes the cluster equal to its output.
type applier struct {
	log     *slog.Logger
	cfg     Config
	names   names
	vitals  *vitals
	target  cluster.Cluster
	store   *keyspace.Store
	outputs *keyspace.Replica[content]
	// published says what the snapshot holds of what was applied.
	published *publications
	// snapshot and reports are the writers of snapshot/<cluster> and applied/<cluster>; publish has the first written soon.
	snapshot, reports *keyspace.Owned
	publish           func()
	wake              chan struct{}

	mu sync.Mutex // guards causes
	// causes are the writes of each keyspace that no pass has dealt with.
	causes map[keyspace.Name][]telemetry.Cause

	// reported holds the last report of each object.
	reported map[resource.Key]internalv1.Applied
	// unapplied are the objects that the snapshot says are not applied.
	unapplied map[resource.Key]internalv1.UnappliedSpec
	failures  int
}

func (a *Agent) newApplier(target cluster.Cluster, publisher *publisher, reports *keyspace.Owned) (*applier, error) {
	p := &applier{
		log: a.log, cfg: a.cfg, names: a.names, vitals: a.vitals, target: target, snapshot: publisher.owned, reports: reports,
		store: a.store, published: publisher.published, publish: publisher.ask,
		wake: make(chan struct{}, 1), causes: map[keyspace.Name][]telemetry.Cause{},
		reported: map[resource.Key]internalv1.Applied{}, unapplied: map[resource.Key]internalv1.UnappliedSpec{},
	}
	var err error
	p.outputs, err = keyspace.NewReplica(a.store, keyspace.ReplicaConfig[content]{
		Names: []keyspace.Name{a.names.output, a.names.status}, Decode: decodeContent, OnChange: p.hear,
	})
	if err != nil {
		return nil, fmt.Errorf("following the output of %q: %w", a.cfg.Cluster, err)
	}
	return p, nil
}

func (p *applier) hear(e keyspace.Event[content]) {
	p.addCauses(e.Name, e.Causes)
	p.wakeUp()
}

// wakeUp makes run compare the cluster with its output.
func (p *applier) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *applier) run(ctx context.Context) error {
	resync := time.NewTicker(p.cfg.Resync)
	defer resync.Stop()
	check := time.NewTicker(p.cfg.Check)
	defer check.Stop()
	var retry <-chan time.Time
	for {
		var err error
		select {
		case <-p.wake:
			err = p.pass(ctx)
		case <-retry:
			err = p.pass(ctx)
		case <-resync.C:
			err = p.pass(ctx)
		case <-check.C:
			if len(p.reported) == 0 || p.failures > 0 {
				continue // the next attempt has its time
			}
			err = p.reports.Check(ctx)
		case <-ctx.Done():
			return nil
		}
		if isFinal(err) {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		retry = p.after(ctx, err)
	}
}

// after says when to try again.
func (p *applier) after(ctx context.Context, err error) <-chan time.Time {
	if err == nil {
		p.failures = 0
		return nil
	}
	p.failures++
	if p.failures == 1 {
		p.log.WarnContext(ctx, "output is not applied in full, it is tried again", "error", err)
	}
	return time.After(cluster.Backoff(p.failures))
}

// pass makes the cluster equal to its output once. What is not known changes nothing.
func (p *applier) pass(ctx context.Context) error {
	const tracedTries = 5 // that belong to the trace of what led to them
	outputCauses, statusCauses := p.takeCauses(p.names.output), p.takeCauses(p.names.status)
	output, meta := p.output()
	statuses, statusesAt := p.statuses()
	var outputErr, statusErr error
	if output != nil {
		if outputErr = p.applyOutput(ctx, outputCauses, output, meta); outputErr != nil && p.failures < tracedTries {
			p.addCauses(p.names.output, outputCauses)
		}
	}
	if statuses != nil {
		if statusErr = p.applyStatuses(ctx, statusCauses, statuses, statusesAt); statusErr != nil && p.failures < tracedTries {
			p.addCauses(p.names.status, statusCauses)
		}
	}
	return errors.Join(outputErr, statusErr)
}

func (p *applier) applyOutput(ctx context.Context, causes []telemetry.Cause, output map[resource.Key]wanted, meta keyspace.Meta) error {
	at := meta.Position
	if last := p.target.LastApplied(outputKind); last.Compare(at) > 0 {
		return p.refuseAll(ctx, output, at, last)
	}
	p.snapshot.Delete(refusedOutput)
	live, err := p.target.Managed(ctx)
	if err != nil {
		return err
	}
	steps, err := p.plan(ctx, output, meta, live)
	if err != nil {
		return err
	}
	ctx, end := p.begin(ctx, "agent.apply", p.names.output, at, causes, acts(steps))
	var errs []error
	for _, s := range steps {
		if ctx.Err() != nil {
			break
		}
		if err := p.do(ctx, s); err != nil {
			errs = append(errs, err)
		}
	}
	if ctx.Err() == nil {
		p.forget(output, live)
		p.sayUnapplied(output, live)
		errs = append(errs, p.target.SetLastApplied(outputKind, at), p.report(ctx))
	}
	err = errors.Join(errs...)
	end(err)
	return err
}

// plan plans with the inputs of the output. Those that came with its last event may be old: inputs that change nothing make none.
func (p *applier) plan(ctx context.Context, output map[resource.Key]wanted, meta keyspace.Meta, live map[resource.Key]*unstructured.Unstructured) ([]step, error) {
	seen := meta.Inputs[p.names.snapshot]
	sees := func(key resource.Key, mark string) bool { return p.published.covers(seen, key, mark) }
	steps := plan(output, meta.Position, live, sees)
	if !slices.ContainsFunc(steps, func(s step) bool { return s.verb == await }) {
		return steps, nil
	}
	stored, err := p.store.Meta(ctx, p.names.output)
	if err != nil || stored.Position != meta.Position {
		return steps, err
	}
	seen = stored.Inputs[p.names.snapshot]
	return plan(output, meta.Position, live, sees), nil
}

// do takes one step and notes what became of it. A conflict is reported, but not worth another try before something changes.
func (p *applier) do(ctx context.Context, s step) error {
	var err error
	drift := p.reported[s.key].Drift
	switch s.verb {
	case keep, refuse, hold:
	case await:
		return fmt.Errorf("changing %s: %w", s.key, errUnseen)
	case apply:
		drift = p.noteDrift(ctx, s)
		err = p.target.Apply(ctx, prepare(s.wanted))
	case remove:
		err = p.target.Delete(ctx, s.key, s.wanted.at)
	}
	isConflict := errors.Is(err, cluster.ErrConflict)
	record := s.result(err, isConflict)
	record.Drift = drift
	if s.verb == remove && err == nil {
		delete(p.reported, s.key)
		p.reports.Delete(s.key.String())
		record.Result = internalv1.ResultDeleted
	} else {
		p.note(ctx, s.key, record)
	}
	if isAct(s) {
		trace.SpanFromContext(ctx).AddEvent(string(record.Result), trace.WithAttributes(attribute.String("meshweir.object", s.key.String())))
	}
	if s.verb != keep {
		p.vitals.countApplied(ctx, 1, record.Result)
	}
	if isConflict {
		return nil
	}
	return err
}

// errUnseen holds an object until the translator says that it has seen it: with its next output, or its next repair.
var errUnseen = errors.New("it waits for an output that was computed with it in sight, since Redis lost its memory")

// note stages the report of an object.
func (p *applier) note(ctx context.Context, key resource.Key, record internalv1.Applied) {
	if reflect.DeepEqual(p.reported[key], record) {
		return
	}
	if record.Result != internalv1.ResultApplied {
		p.log.WarnContext(ctx, "object is not applied", "key", key.String(), "result", record.Result, "message", record.Message)
	}
	p.reported[key] = record
	if value, err := json.Marshal(record); err == nil { // texts: it does not fail
		p.reports.Set(key.String(), value)
	}
}
