package materialise

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/services/ui/view"
)

// historian writes view/history.<cluster>: what became of objects. Every replica notes every step that it
// follows, and writes those that no other has written: a step is told by its keyspace and position. What changes while
// no replica runs, or while a keyspace is listed for the first time, is not noted.
type historian struct {
	log   *slog.Logger
	store *keyspace.Store

	mu sync.Mutex // guards what follows
	// pending holds the steps to write, by cluster and key.
	pending map[string]map[string][]view.Transition
	count   int
	// whole holds the keyspaces whose state was seen as a whole: a step from there is a change.
	whole map[keyspace.Name]bool

	// written counts the writes to each cluster since its histories were trimmed. It belongs to run.
	written map[string]int
}

const (
	// historyEvery is how often steps are written.
	historyEvery = 250 * time.Millisecond
	// maxPending caps the steps that wait, so that a Redis that is away for long costs no memory. The history then has a gap.
	maxPending = 10_000
	// trimAfter is after how many writes the histories of a cluster are counted.
	trimAfter = 500
)

func newHistorian(log *slog.Logger, store *keyspace.Store) *historian {
	return &historian{
		log: log, store: store, pending: map[string]map[string][]view.Transition{}, whole: map[keyspace.Name]bool{}, written: map[string]int{},
	}
}

// note takes a step of a followed keyspace.
func (h *historian) note(e keyspace.Event[view.Fact]) {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.whole[e.Name]
	h.whole[e.Name] = e.Meta.Complete
	if !known || !e.Meta.Complete {
		return // unknown is not gone, and known again is not new
	}
	for _, c := range e.Changes {
		if !view.Remembered(c.Key) || h.count >= maxPending {
			continue
		}
		var before, after *view.Fact
		at := e.Meta.Position
		if c.HadOld {
			before = &c.Old
		}
		if c.HasNew {
			after, at = &c.New, c.Position
		}
		step, ok := view.TransitionOf(e.Name.Kind(), before, after)
		if !ok {
			continue
		}
		step.At, step.Position = e.Meta.ChangedAt.UTC(), at.String()
		cluster := e.Name.Instance()
		if h.pending[cluster] == nil {
			h.pending[cluster] = map[string][]view.Transition{}
		}
		h.pending[cluster][c.Key] = append(h.pending[cluster][c.Key], step)
		h.count++
	}
}

// take takes what is to be written.
func (h *historian) take() map[string]map[string][]view.Transition {
	h.mu.Lock()
	defer h.mu.Unlock()
	taken := h.pending
	h.pending, h.count = map[string]map[string][]view.Transition{}, 0
	return taken
}

// giveBack takes steps that could not be written.
func (h *historian) giveBack(cluster, key string, steps []view.Transition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pending[cluster] == nil {
		h.pending[cluster] = map[string][]view.Transition{}
	}
	h.pending[cluster][key] = append(steps, h.pending[cluster][key]...)
	h.count += len(steps)
}

// run writes until ctx ends. Redis may come and go.
func (h *historian) run(ctx context.Context) error {
	ticker := time.NewTicker(historyEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		for cluster, keys := range h.take() {
			h.writeAll(ctx, cluster, keys)
		}
	}
}

func (h *historian) writeAll(ctx context.Context, cluster string, keys map[string][]view.Transition) {
	name, err := view.HistoryName(cluster)
	if err != nil {
		return // the board has said that the name is too long
	}
	to := h.store.Shared(name)
	for key, steps := range keys {
		if err := to.Update(ctx, key, func(old []byte) ([]byte, error) { return withSteps(old, steps) }); err != nil {
			h.log.DebugContext(ctx, "a history cannot be written now", "cluster", cluster, "key", key, "error", err)
			h.giveBack(cluster, key, steps)
			continue
		}
		h.written[cluster]++
	}
	if h.written[cluster] < trimAfter {
		return
	}
	if err := h.trim(ctx, name, view.MaxHistories); err != nil {
		h.log.WarnContext(ctx, "histories cannot be trimmed now", "cluster", cluster, "error", err)
		return
	}
	h.written[cluster] = 0
}

// withSteps adds steps to a stored history.
func withSteps(old []byte, steps []view.Transition) ([]byte, error) {
	record := view.Record{}
	if old == nil || json.Unmarshal(old, &record) != nil || record.History == nil {
		record = view.Record{History: &view.History{}} // what nobody can read is begun anew
	}
	news := false
	for _, step := range steps {
		news = record.History.Add(step) || news
	}
	if !news {
		return old, nil
	}
	return record.Encode()
}

// trim deletes the histories of a cluster beyond those that changed last.
func (h *historian) trim(ctx context.Context, name keyspace.Name, keep int) error {
	all := map[string]view.History{}
	err := keyspace.Once(ctx, h.store, keyspace.ReplicaConfig[view.Record]{Names: []keyspace.Name{name}, Decode: view.DecodeRecord},
		func(v keyspace.View[view.Record]) {
			for key, record := range v.All(name) {
				if record.History != nil {
					all[key] = *record.History
				}
			}
		})
	if err != nil {
		return fmt.Errorf("counting histories: %w", err)
	}
	to := h.store.Shared(name)
	var errs []error
	for _, key := range view.Oldest(all, keep) {
		errs = append(errs, to.Update(ctx, key, func([]byte) ([]byte, error) { return nil, nil }))
	}
	return errors.Join(errs...)
}
