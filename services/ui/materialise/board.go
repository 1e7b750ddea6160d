package materialise

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/services/ui/view"
)

// board knows which rows are dirty and holds the rows of the last pass.
type board struct {
	log   *slog.Logger
	store *keyspace.Store

	mu sync.Mutex // guards dirty, lineage, feeds and members, which followed changes touch
	// dirty holds the keys whose rows may differ, by cluster; a cluster with none has a record that may.
	dirty   map[string]map[string]struct{}
	lineage view.Lineage
	feeds   view.Feeds
	// members is what the registry says of clusters, seen or not.
	members map[string]internalv1.Membership

	// The rest is touched by one pass at a time.
	clusters map[string]*cluster
	// list is view/clusters.
	list *target
}

// cluster is what the last pass made of one cluster.
type cluster struct {
	record view.Cluster
	// known is whether the last pass found the cluster's snapshot complete; whole, whether any pass did.
	known, whole bool
	rows         map[string]view.Row
	counts       view.Counts // of rows
	// left says that the cluster is out, and that its rows are being taken away.
	left bool
	// to is nil when the cluster's name is too long to name its rows.
	to *target
}

// target is a view that is written.
type target struct {
	name    keyspace.Name
	derived *keyspace.Derived
	// owed says that something is staged that no flush has written yet.
	owed bool
}

// owed is a view that is to be written, as computed from inputs.
type owed struct {
	to     *target
	inputs keyspace.Vector
	// left says that they are the rows of a cluster that is out.
	left bool
}

func newBoard(log *slog.Logger, store *keyspace.Store) *board {
	return &board{
		log: log, store: store, dirty: map[string]map[string]struct{}{}, lineage: view.Lineage{}, feeds: view.Feeds{}, members: map[string]internalv1.Membership{},
		clusters: map[string]*cluster{}, list: &target{name: view.ClustersName, derived: store.Derived(view.ClustersName)},
	}
}

// mark notes what a change makes dirty: the row of the object, and those of what an output was made from.
func (b *board) mark(e keyspace.Event[view.Fact]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.Name == view.RegistryName {
		for _, c := range e.Changes {
			delete(b.members, c.Key)
			if c.New.Member != nil {
				b.members[c.Key] = *c.New.Member
			}
			b.dirtyKeys(c.Key)
		}
		return
	}
	name := e.Name.Instance()
	keys := b.dirtyKeys(name)
	for _, c := range e.Changes {
		keys[c.Key] = struct{}{}
		if e.Name.Kind() != view.KindOutput {
			continue
		}
		output := view.Ref{Cluster: name, Key: c.Key}
		b.feeds.Move(output, c.Old.Sources, c.New.Sources)
		for _, source := range b.lineage.Move(output, c.Old.Sources, c.New.Sources) {
			b.dirtyKeys(source.Cluster)[source.Key] = struct{}{}
		}
	}
}

func (b *board) dirtyKeys(cluster string) map[string]struct{} {
	keys := b.dirty[cluster]
	if keys == nil {
		keys = map[string]struct{}{}
		b.dirty[cluster] = keys
	}
	return keys
}

// remember takes the stored record of a cluster, for as long as the cluster is not known.
func (b *board) remember(name string, record view.Cluster) { b.cluster(name).record = record }

func (b *board) cluster(name string) *cluster {
	if c, ok := b.clusters[name]; ok && !c.left {
		return c
	}
	c := &cluster{rows: map[string]view.Row{}, to: b.rowsOf(name)}
	b.clusters[name] = c
	return c
}

// rowsOf returns where the rows of a cluster are written, with nothing in it; nil when the cluster's name is too long.
func (b *board) rowsOf(cluster string) *target {
	rows, err := view.ResourcesName(cluster)
	if err != nil {
		b.log.Warn("a cluster's resources cannot be shown: its name is too long", "cluster", cluster, "error", err)
		return nil
	}
	return &target{name: rows, derived: b.store.Derived(rows)}
}

// refresh reads what other replicas have written.
func (b *board) refresh(ctx context.Context) error {
	targets := map[*keyspace.Derived]*target{b.list.derived: b.list}
	for _, c := range b.clusters {
		if c.to != nil {
			targets[c.to.derived] = c.to
		}
	}
	moved, err := b.store.Refresh(ctx, slices.Collect(maps.Keys(targets))...)
	for _, d := range moved {
		targets[d].owed = true
	}
	return err
}

// compute stages what the dirty rows have become and returns the views that are
// to be written: those that something was staged for, or all.
func (b *board) compute(v keyspace.View[view.Fact], all bool) []owed {
	b.mu.Lock()
	defer b.mu.Unlock()
	dirty := b.dirty
	b.dirty = map[string]map[string]struct{}{}
	for name := range dirty {
		if b.listed(v, name) {
			b.cluster(name)
		}
	}
	if all {
		for name := range b.clusters {
			if _, is := dirty[name]; !is {
				dirty[name] = nil // no row, but the record
			}
		}
	}
	vector := v.Vector()
	var result []owed
	for _, name := range slices.Sorted(maps.Keys(b.clusters)) {
		c := b.clusters[name]
		switch keys, is := dirty[name]; {
		case c.left || b.out(name) || !c.record.Seen() && !b.listed(v, name):
			b.leave(name, c)
		case is:
			b.computeCluster(v, name, c, keys)
		}
		if c.to != nil && c.whole && (all || c.to.owed) {
			result = append(result, owed{c.to, rowInputs(vector, name), c.left})
		}
	}
	b.list.derived.Complete()
	if all || b.list.owed {
		result = append(result, owed{b.list, vector, false})
	}
	return result
}

// out reports whether a cluster is no part of the fleet any more, whatever is left of it.
func (b *board) out(cluster string) bool { return b.members[cluster].State == internalv1.Deregistered }

// listed reports whether a cluster that was not seen before is part of the fleet: it is there, somebody registered it, or
// what is wanted elsewhere was made from it.
func (b *board) listed(v keyspace.View[view.Fact], cluster string) bool {
	if b.out(cluster) {
		return false
	}
	return b.members[cluster].State == internalv1.Registered || len(b.feeds[cluster]) > 0 || view.SourcesOf(v, cluster).Exist()
}

// computeCluster stages the dirty rows of a cluster and its record. A cluster
// that is not known keeps its rows; once it is known again, all of them are made anew.
func (b *board) computeCluster(v keyspace.View[view.Fact], name string, c *cluster, dirty map[string]struct{}) {
	sources := view.SourcesOf(v, name)
	known := sources.Metas.Known()
	if known && !c.known {
		dirty = sources.Keys(maps.Keys(c.rows))
	}
	c.known, c.whole = known, c.whole || known
	if known && c.to != nil {
		for key := range dirty {
			row, ok := view.RowOf(sources.Facts(key, b.lineage))
			c.stage(b, key, row, ok)
		}
		c.to.derived.Complete()
		c.to.owed = true
	}
	c.record = view.ClusterOf(c.record, sources.Metas, c.counts)
	c.record.RegisteredAt, c.record.Feeds = b.members[name].At, b.feeds[name]
	if value, err := (view.Record{Cluster: &c.record}).Encode(); err == nil {
		b.list.derived.Set(name, value)
		b.list.owed = true
	} else {
		b.log.Error("a record cannot be encoded", "cluster", name, "error", err)
	}
}

// leave takes away what is shown of a cluster that is out. Once it is written the cluster is forgotten.
func (b *board) leave(name string, c *cluster) {
	if c.left && !c.to.owed || c.to == nil {
		delete(b.clusters, name)
	}
	if c.left {
		return
	}
	b.list.derived.Delete(name)
	b.list.owed = true
	if c.to != nil {
		c.to = b.rowsOf(name)
		c.to.derived.Complete()
		c.to.owed, c.left, c.whole = true, true, true
	}
}

func (c *cluster) stage(b *board, key string, row view.Row, ok bool) {
	var before *view.Row
	if old, had := c.rows[key]; had {
		before = &old
	}
	if !ok {
		if before != nil {
			delete(c.rows, key)
			c.counts.Move(key, before, nil)
			c.to.derived.Delete(key)
		}
		return
	}
	value, err := view.Record{Row: &row}.Encode()
	if err != nil {
		b.log.ErrorContext(context.Background(), "a row cannot be encoded", "key", key, "error", err)
		return
	}
	c.rows[key] = row
	c.counts.Move(key, before, &row)
	c.to.derived.Set(key, value)
}

// rowInputs are the positions of what the rows of a cluster are made from: its
// own keyspaces, and the outputs of all, which name their sources.
func rowInputs(all keyspace.Vector, cluster string) keyspace.Vector {
	inputs := keyspace.Vector{}
	for name, at := range all {
		if name.Instance() == cluster || name.Kind() == view.KindOutput {
			inputs[name] = at
		}
	}
	return inputs
}
