package agent

import (
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/meshweir/meshweir/schemas/internalv1"
)

// vitals is what an agent knows about itself.
type vitals struct {
	mu   sync.Mutex // guards what follows
	beat internalv1.Heartbeat
	// leader is the replica that works in this one's place; empty for none.
	leader     string
	published  bool
	publishErr error

	// Counters are safe for concurrent use.
	changes, applied, drift metric.Int64Counter
}

func newVitals(cfg Config) (*vitals, error) {
	v := &vitals{beat: internalv1.Heartbeat{Version: cfg.Version, Source: cfg.source(), Holder: cfg.holder(), StartedAt: time.Now().UTC()}}
	var errs [3]error
	v.changes, errs[0] = cfg.Meter.Int64Counter("meshweir.agent.changes", metric.WithDescription("Objects of the snapshot that were set or deleted."))
	v.applied, errs[1] = cfg.Meter.Int64Counter("meshweir.agent.applied", metric.WithDescription("Objects of the output that were acted on, by result."))
	v.drift, errs[2] = cfg.Meter.Int64Counter("meshweir.agent.drift", metric.WithDescription("Objects that somebody changed and that were applied again."))
	return v, errors.Join(errs[:]...)
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
	news = v.beat.Outage != why
	v.beat.Outage, v.beat.OutageSince = why, since.UTC()
	return news
}

// wait notes that another replica works for the cluster.
func (v *vitals) wait(leader string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.leader, v.published, v.publishErr = leader, false, nil
}

// begin notes that this replica does.
func (v *vitals) begin() { v.wait("") }

// setPublished notes how the last publication ended. It reports whether it was the first that went well.
func (v *vitals) setPublished(err error) (first bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	first = err == nil && !v.published
	v.published = v.published || err == nil
	v.publishErr = err
	return first
}
