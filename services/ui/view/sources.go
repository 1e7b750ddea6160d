package view

import (
	"iter"
	"slices"

	"github.com/meshweir/meshweir/pipeline/keyspace"
)

// Lineage maps an object to the outputs that were made from it, over all clusters.
type Lineage map[Ref]map[Ref]struct{}

// Move notes that the sources of an output changed, and returns the objects whose outputs changed by it.
func (l Lineage) Move(output Ref, before, after []Ref) (touched []Ref) {
	for _, source := range before {
		if !slices.Contains(after, source) {
			delete(l[source], output)
			if len(l[source]) == 0 {
				delete(l, source)
			}
			touched = append(touched, source)
		}
	}
	for _, source := range after {
		if slices.Contains(before, source) {
			continue
		}
		if l[source] == nil {
			l[source] = map[Ref]struct{}{}
		}
		l[source][output] = struct{}{}
		touched = append(touched, source)
	}
	return touched
}

// Outputs returns what was made from an object, sorted; nil for nothing.
func (l Lineage) Outputs(source Ref) []Ref {
	var outputs []Ref
	for output := range l[source] {
		outputs = append(outputs, output)
	}
	slices.SortFunc(outputs, Ref.Compare)
	return outputs
}

// Feeds counts the outputs that were made from each cluster, by the other cluster that they are in.
type Feeds map[string]map[string]int

// Move notes that the sources of an output changed.
func (f Feeds) Move(output Ref, before, after []Ref) {
	f.count(output.Cluster, before, -1)
	f.count(output.Cluster, after, 1)
}

// count counts an output once for each cluster of its sources, which are sorted.
func (f Feeds) count(in string, sources []Ref, by int) {
	last := in
	for _, source := range sources {
		if source.Cluster == last || source.Cluster == in {
			continue
		}
		last = source.Cluster
		if f[last] = addTo(f[last], in, by); len(f[last]) == 0 {
			delete(f, last)
		}
	}
}

// Sources are the source keyspaces of one cluster, as a replica shows them.
type Sources struct {
	Metas   Metas
	view    keyspace.View[Fact]
	cluster string
}

// SourcesOf returns the source keyspaces of a cluster. It is valid as long as v is.
func SourcesOf(v keyspace.View[Fact], cluster string) Sources {
	return Sources{
		Metas: Metas{
			Snapshot: v.Meta(SourceName(KindSnapshot, cluster)),
			Output:   v.Meta(SourceName(KindOutput, cluster)),
			Applied:  v.Meta(SourceName(KindApplied, cluster)),
		},
		view: v, cluster: cluster,
	}
}

// Exist reports whether the cluster has any of them.
func (s Sources) Exist() bool {
	for _, kind := range SourceKinds() {
		if s.view.Meta(SourceName(kind, s.cluster)).Exists() {
			return true
		}
	}
	return false
}

// Facts returns what is known of one key.
func (s Sources) Facts(key string, lineage Lineage) Facts {
	get := func(kind string) *Fact {
		if fact, ok := s.view.Get(SourceName(kind, s.cluster), key); ok {
			return &fact
		}
		return nil
	}
	return Facts{
		Live: get(KindSnapshot), Wanted: get(KindOutput), Status: get(KindStatus), Applied: get(KindApplied),
		Outputs: lineage.Outputs(Ref{s.cluster, key}),
	}
}

// Keys returns the keys that any source keyspace holds, and more.
func (s Sources) Keys(more iter.Seq[string]) map[string]struct{} {
	keys := map[string]struct{}{}
	for key := range more {
		keys[key] = struct{}{}
	}
	for _, kind := range SourceKinds() {
		for key := range s.view.All(SourceName(kind, s.cluster)) {
			keys[key] = struct{}{}
		}
	}
	return keys
}
