package view

import (
	"cmp"
	"maps"
	"strings"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
)

// Facts is all that is known of one key of one cluster; nil for what a keyspace does not hold.
type Facts struct {
	Live, Wanted, Status, Applied *Fact
	// Outputs are the objects that were made from this one, sorted.
	Outputs []Ref
}

// RowOf makes the row of an object. ok is false when there is nothing to show.
func RowOf(f Facts) (row Row, ok bool) {
	object := f.Live
	switch {
	case f.Live != nil:
		row.Place = PlaceLive
	case f.Wanted != nil:
		row.Place, object = PlaceWanted, f.Wanted
	case f.Applied != nil && f.Applied.Applied.Problem():
		row.Place, row.Managed = PlaceGone, true
	default:
		return Row{}, false
	}
	if object != nil {
		row.File, row.Created, row.Labels, row.Detail, row.Manifest = object.File, object.Created, object.Labels, object.Detail, object.Manifest
		row.Wiring = object.Wiring
		row.Managed = object.Managed || f.Wanted != nil
		row.Sources = object.Sources
	}
	if f.Wanted != nil {
		row.Sources = f.Wanted.Sources
		row.Applied = &Applied{Result: ResultPending}
	}
	if f.Applied != nil && tells(f.Applied.Applied, row, f.Wanted != nil) {
		row.Applied = f.Applied.Applied
	}
	if f.Status != nil {
		row.Conditions = f.Status.Conditions
	}
	row.Outputs = f.Outputs
	return row, true
}

// tells reports whether an agent's result is about the object as it is now: a
// record of a removal stays behind, also when somebody then writes the object by hand.
func tells(a *Applied, row Row, wanted bool) bool {
	return a.Problem() || a != nil && a.Result == internalv1.ResultApplied && (wanted || row.Managed)
}

// Metas are what the keyspaces of one cluster say of themselves.
type Metas struct{ Snapshot, Output, Applied keyspace.Meta }

// Known reports whether the cluster's snapshot is there and whole.
func (m Metas) Known() bool { return m.Snapshot.Exists() && m.Snapshot.Complete }

// ClusterOf makes the record of a cluster from the counts of its rows. Where the cluster is not
// known, it is the record as it was before, marked.
func ClusterOf(before Cluster, metas Metas, counts Counts) Cluster {
	if !metas.Known() {
		before.Known = false
		if !before.Seen() {
			before.Snapshot = standOf(metas.Snapshot) // it is being listed for the first time
		}
		return before
	}
	counts.Kinds, counts.Results = maps.Clone(counts.Kinds), maps.Clone(counts.Results) // they go on
	return Cluster{
		Known: true, Owner: metas.Snapshot.Owner,
		Snapshot: standOf(metas.Snapshot), Output: standOf(metas.Output), Applied: standOf(metas.Applied), Counts: counts,
	}
}

// Move counts a row that changed: before is nil for one that came, after for one that went.
func (c *Counts) Move(key string, before, after *Row) {
	if before != nil {
		c.add(key, before, -1)
	}
	if after != nil {
		c.add(key, after, 1)
	}
}

func (c *Counts) add(key string, row *Row, n int) {
	for _, p := range row.Problems() {
		if p.Severity == v1alpha1.SeverityError {
			c.Errors += n
		} else {
			c.Warnings += n
		}
	}
	if row.Applied != nil {
		c.Results = addTo(c.Results, row.Applied.Result, n)
	}
	kind, _, _ := strings.Cut(key, "/")
	c.Objects += n
	c.Kinds = addTo(c.Kinds, kind, n)
	if row.Managed {
		c.Managed += n
	}
	if kind == "Namespace" && row.Place == PlaceLive {
		c.Namespaces += n
	}
}

// addTo adds to a count, of which none is as good as zero.
func addTo[K comparable](counts map[K]int, key K, n int) map[K]int {
	if counts == nil {
		counts = map[K]int{}
	}
	if counts[key] += n; counts[key] == 0 {
		delete(counts, key)
	}
	return counts
}

func standOf(m keyspace.Meta) Stand {
	if !m.Exists() {
		return Stand{}
	}
	return Stand{Position: m.Position.String(), Complete: m.Complete, ChangedAt: m.ChangedAt.UTC()}
}

// CompareKeys orders keys as people do: by kind, namespace and name.
func CompareKeys(a, b resource.Key) int {
	return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Group, b.Group),
		strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}
