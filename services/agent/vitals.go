package agent

import (
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// Beat is what an agent's heartbeat says, as JSON.
type Beat struct {
	// Version of Meshweir that the agent runs.
	Version string `json:"version"`
	// Source is "files".
	Source string `json:"source"`
	// StartedAt is when the agent was made.
	StartedAt time.Time `json:"started_at"`
	// Objects counts the snapshot's objects by "Kind[.group]".
	Objects map[string]int `json:"objects,omitempty"`
	// Unknown counts the objects that are not taken, by "Kind[.group]".
	Unknown map[string]int `json:"unknown,omitempty"`
	// Problems is the number of ManifestProblems in the snapshot.
	Problems int `json:"problems"`
	// Results counts the objects of the output by what became of them.
	Results map[string]int `json:"results,omitempty"`
	// Drift counts the objects that somebody changed and that were applied again, since the start.
	Drift int `json:"drift"`
}

// vitals is what an agent knows about itself.
type vitals struct {
	mu         sync.Mutex // guards what follows
	beat       Beat
	published  bool
	publishErr error

	// Counters are safe for concurrent use.
	changes, applied, drift metric.Int64Counter
}

func newVitals(cfg Config) (*vitals, error) {
	v := &vitals{beat: Beat{Version: cfg.Version, Source: "files", StartedAt: time.Now().UTC()}}
	var errs [3]error
	v.changes, errs[0] = cfg.Meter.Int64Counter("meshweir.agent.changes", metric.WithDescription("Objects of the snapshot that were set or deleted."))
	v.applied, errs[1] = cfg.Meter.Int64Counter("meshweir.agent.applied", metric.WithDescription("Objects of the output that were acted on, by result."))
	v.drift, errs[2] = cfg.Meter.Int64Counter("meshweir.agent.drift", metric.WithDescription("Objects that somebody changed and that were applied again."))
	return v, errors.Join(errs[:]...)
}

func (v *vitals) update(change func(*Beat)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change(&v.beat)
}

// setPublished notes how the last publication ended. It reports whether it was the first that went well.
func (v *vitals) setPublished(err error) (first bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	first = err == nil && !v.published
	v.published = v.published || err == nil
	v.publishErr = err
	return first
}
