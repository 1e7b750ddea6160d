package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/meshweir/meshweir/pipeline/telemetry"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/services/agent/cluster"
)

// vitals is what an agent knows about itself.
type vitals struct {
	mu   sync.Mutex // guards what follows
	beat internalv1.Heartbeat
	// working says that this replica works for the cluster; leader is the one that does in its place, empty for none.
	working bool
	leader  string
	// bound says that this replica published the cluster's state once: the cluster's name is its own.
	bound, published bool
	publishErr       error

	// Instruments are safe for concurrent use. Each series has the cluster.
	cluster                 attribute.KeyValue
	changes, applied, drift metric.Int64Counter
	age                     metric.Float64Histogram
}

func newVitals(cfg Config) (*vitals, error) {
	v := &vitals{beat: internalv1.Heartbeat{Version: cfg.Version, Source: cfg.source(), Holder: cfg.holder(), StartedAt: time.Now().UTC()}}
	v.cluster = attribute.String("cluster", cfg.Cluster)
	var errs [4]error
	v.changes, errs[0] = cfg.Meter.Int64Counter("meshweir.agent.changes", metric.WithDescription("Objects of the snapshot that were set or deleted."))
	v.applied, errs[1] = cfg.Meter.Int64Counter("meshweir.agent.applied", metric.WithDescription("Objects of the output that were acted on, by result."))
	v.drift, errs[2] = cfg.Meter.Int64Counter("meshweir.agent.drift", metric.WithDescription("Objects that somebody changed and that were applied again."))
	v.age, errs[3] = cfg.Meter.Float64Histogram("meshweir.agent.change.age", metric.WithUnit("s"), telemetry.SecondsBuckets(),
		metric.WithDescription("How long ago a change was first seen, in whichever cluster, when what it led to was applied in this one."))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	// What was never counted stands at 0: the first of it would else be no increase.
	v.drift.Add(context.Background(), 0, metric.WithAttributes(v.cluster))
	for _, result := range []internalv1.Result{
		internalv1.ResultApplied, internalv1.ResultDeleted, internalv1.ResultError, internalv1.ResultConflict, internalv1.ResultRefused,
	} {
		v.countApplied(context.Background(), 0, result)
	}
	return v, nil
}

// countApplied counts objects of the output that were acted on.
func (v *vitals) countApplied(ctx context.Context, n int64, result internalv1.Result) {
	v.applied.Add(ctx, n, metric.WithAttributes(v.cluster, attribute.String("result", string(result))))
}

func (v *vitals) update(change func(*internalv1.Heartbeat)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change(&v.beat)
}

// setOutage notes why the cluster cannot be read since a time, or that it can. It reports whether that is news.
func (v *vitals) setOutage(err error, since time.Time) (news bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var why string
	if err != nil {
		why = err.Error()
	} else {
		since = time.Time{}
	}
	if v.beat.Outage == why {
		return false
	}
	v.beat.Outage, v.beat.OutageSince = why, since.UTC()
	return true
}

// idle notes why this replica does not work for the cluster.
func (v *vitals) idle(why cluster.Idle) {
	v.setOutage(why.Outage, cmp.Or(why.Since, time.Now()))
	v.mu.Lock()
	defer v.mu.Unlock()
	v.working, v.leader, v.published, v.publishErr = false, why.Leader, false, nil
}

// begin notes that this replica works for the cluster.
func (v *vitals) begin() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.working, v.leader, v.published, v.publishErr = true, "", false, nil
}

// standIn returns the heartbeat of a replica that does not work for the cluster because it
// cannot be read, and worked for it before.
func (v *vitals) standIn() (info []byte, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.working || !v.bound || v.beat.Outage == "" {
		return nil, false
	}
	info, err := json.Marshal(v.beat)
	return info, err == nil
}

// setPublished notes how the last publication ended. It reports whether it was the first that went well.
func (v *vitals) setPublished(err error) (first bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	first = err == nil && !v.published
	v.published = v.published || err == nil
	v.bound = v.bound || v.published
	v.publishErr = err
	return first
}
