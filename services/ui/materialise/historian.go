package materialise

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
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
	// out holds the clusters that are no part of the fleet any more; forget, those whose histories are to be taken away.
	out, forget map[string]bool

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
		out: map[string]bool{}, forget: map[string]bool{},
	}
}

// note takes a step of a followed keyspace.
func (h *historian) note(e keyspace.Event[view.Fact]) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.Name == view.RegistryName {
		for _, c := range e.Changes {
			h.out[c.Key], h.forget[c.Key] = c.New.Deregistered(), c.New.Deregistered()
		}
		return
	}
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

// take takes what is to be written, and the clusters whose histories are to be taken away.
func (h *historian) take() (pending map[string]map[string][]view.Transition, forget map[string]bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	pending, forget = h.pending, h.forget
	h.pending, h.count, h.forget = map[string]map[string][]view.Transition{}, 0, map[string]bool{}
	maps.DeleteFunc(pending, func(cluster string, _ map[string][]view.Transition) bool { return h.out[cluster] })
	maps.DeleteFunc(forget, func(_ string, is bool) bool { return !is })
	return pending, forget
}

// forgetAll takes away the histories of clusters, later where that fails.
func (h *historian) forgetAll(ctx context.Context, clusters map[string]bool) {
	for cluster := range clusters {
		name, err := view.HistoryName(cluster)
		if err != nil {
			continue // it has none
		}
		if err := h.trim(ctx, name, 0); err != nil {
			h.log.DebugContext(ctx, "histories cannot be taken away now", "cluster", cluster, "error", err)
			h.mu.Lock()
			h.forget[cluster] = h.out[cluster]
			h.mu.Unlock()
		}
	}
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
		pending, forget := h.take()
		for cluster, keys := range pending {
			h.writeAll(ctx, cluster, keys)
		}
		h.forgetAll(ctx, forget)
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
		if _, begun := h.written[cluster]; !begun { // who restarts often trims, too
			h.written[cluster] = trimAfter
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
