package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/services/agent/cluster"
)

// ErrHeld says that another agent works for the cluster.
var ErrHeld = errors.New("another agent works for this cluster")

// folderHolder names the agent of a folder.
func folderHolder(dir string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	return host + ":" + dir
}

// takeOver returns once no other agent works for the cluster. One that does has
// the time of a heartbeat to end: two would overwrite each other for ever. It waits for Redis.
func (a *Agent) takeOver(ctx context.Context, uid string) error {
	began := time.Now()
	for failures := 0; ; {
		other, err := a.otherHolder(ctx, uid)
		wait := a.cfg.beatTTL() / 20
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if failures == 0 {
				a.log.WarnContext(ctx, "agent waits for redis", "error", err)
			}
			failures++
			wait = cluster.Backoff(failures)
			began = time.Now() // the time without Redis tells nothing
		case other == nil:
			return nil
		case time.Since(began) > a.cfg.beatTTL()+wait:
			return fmt.Errorf("starting the agent of %q: %w: %s, since %s; stop it, or, if this folder is a copy, give it another name and its kube-system Namespace another uid (without one, remove .meshweir.json from its applied folder)",
				a.cfg.Cluster, ErrHeld, other.Holder, other.StartedAt.Format(time.RFC3339))
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// otherHolder returns the live heartbeat of another agent of the cluster, or nil.
// An agent of another cluster that has the name is no matter of heartbeats: see [keyspace.ErrOwned].
func (a *Agent) otherHolder(ctx context.Context, uid string) (*internalv1.Heartbeat, error) {
	meta, err := a.store.Meta(ctx, a.names.snapshot)
	if err != nil || meta.Owner != uid {
		return nil, err
	}
	beats, err := a.store.Beats(ctx, a.names.snapshot)
	if err != nil || beats[a.names.snapshot] == nil {
		return nil, err
	}
	var beat internalv1.Heartbeat
	if json.Unmarshal(beats[a.names.snapshot], &beat) != nil || beat.Holder == "" || beat.Holder == a.vitals.beat.Holder {
		return nil, nil //nolint:nilnil // nobody else is no error
	}
	return &beat, nil
}

// standIn beats, until ctx ends, for a cluster that this replica cannot work for because it cannot be read: the fleet is to know why
// nothing is heard of it. Where another replica beats that can read it, nothing is said.
func (a *Agent) standIn(ctx context.Context) {
	ticker := time.NewTicker(a.cfg.Beat)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		info, ok := a.vitals.standIn()
		if !ok {
			continue
		}
		beats, err := a.store.Beats(ctx, a.names.snapshot)
		var other internalv1.Heartbeat
		if value := beats[a.names.snapshot]; value != nil && json.Unmarshal(value, &other) == nil && other.Outage == "" {
			continue
		}
		if err == nil {
			err = a.store.Beat(ctx, a.names.snapshot, info, a.cfg.beatTTL())
		}
		if err != nil {
			a.log.DebugContext(ctx, "heartbeat was not written", "error", err)
		}
	}
}

// endBeat takes the heartbeat back, unless another replica beats by now: the next agent need not wait for it to run out.
// One that says that the cluster cannot be read stays true, see [Agent.standIn].
func (a *Agent) endBeat(ctx context.Context, snapshot *keyspace.Owned) {
	a.vitals.mu.Lock()
	stays, started := !a.vitals.published || a.vitals.beat.Outage != "", a.vitals.beat.StartedAt
	a.vitals.mu.Unlock()
	if stays {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	beats, err := a.store.Beats(ctx, a.names.snapshot)
	var beat internalv1.Heartbeat
	if err == nil && json.Unmarshal(beats[a.names.snapshot], &beat) == nil && !beat.StartedAt.Equal(started) {
		return
	}
	if err == nil {
		err = snapshot.Beat(ctx, nil, time.Millisecond)
	}
	if err != nil {
		a.log.DebugContext(ctx, "heartbeat was not taken back", "error", err)
	}
}
