package graph

import "reflect"

// Query is a function of a key whose values are remembered.
type Query[K comparable, V any] struct {
	graph    *Graph
	name     string
	compute  func(*Reader, K) V
	equal    func(a, b V) bool
	entries  map[K]*entry[V]
	doubtful []K
}

type entry[V any] struct {
	node
	value V
	// untold says that the entry is watched and that no Refresh has told of its value.
	untold bool
}

// NewQuery adds a query to a graph. The name is for [Graph.Runs]. A value that
// is equal to the one before it does not count as a change; a nil equal means
// that no two values are equal.
func NewQuery[K comparable, V any](g *Graph, name string, compute func(*Reader, K) V, equal func(a, b V) bool) *Query[K, V] {
	return &Query[K, V]{graph: g, name: name, compute: compute, equal: equal, entries: map[K]*entry[V]{}}
}

// DeepEqual tells the values of a query apart that == or slices.Equal cannot, see [reflect.DeepEqual].
func DeepEqual[T any](a, b T) bool { return reflect.DeepEqual(a, b) }

// Get returns the value for key and notes that r's computation reads it. The
// caller must not change what the value refers to.
func (q *Query[K, V]) Get(r *Reader, key K) V {
	e := q.entry(key)
	r.node.read(&e.node)
	e.settle()
	return e.value
}

// Watch keeps the value for key up to date: [Query.Refresh] tells of its changes.
func (q *Query[K, V]) Watch(key K) {
	e := q.entry(key)
	if !e.watched {
		e.watched, e.untold = true, true
		q.doubtful = append(q.doubtful, key)
	}
}

// Unwatch undoes Watch.
func (q *Query[K, V]) Unwatch(key K) {
	e, ok := q.entries[key]
	if ok && e.watched {
		e.watched = false
		if len(e.readers) == 0 {
			q.graph.orphans = append(q.graph.orphans, &e.node)
		}
	}
}

// Refresh brings every watched value up to date, calls visit for each that is
// new or another one than at the last Refresh, in no particular order, and
// drops what is no longer used. Only one query of a graph may be watched and
// refreshed.
func (q *Query[K, V]) Refresh(visit func(K, V)) {
	doubtful := q.doubtful
	q.doubtful = nil
	for _, key := range doubtful {
		e, ok := q.entries[key]
		if !ok || !e.watched {
			continue
		}
		e.settle()
		if e.untold || e.changed == q.graph.revision {
			e.untold = false
			visit(key, e.value)
		}
	}
	q.graph.sweep()
}

// Len returns the number of values that are remembered.
func (q *Query[K, V]) Len() int { return len(q.entries) }

func (q *Query[K, V]) entry(key K) *entry[V] {
	if e, ok := q.entries[key]; ok {
		return e
	}
	e := &entry[V]{}
	e.node = node{graph: q.graph, doubtful: true}
	e.compute = func(r *Reader) bool {
		q.graph.runs[q.name]++
		before := e.value
		e.value = q.compute(r, key)
		return !e.ran || q.equal == nil || !q.equal(before, e.value)
	}
	e.forget = func() { delete(q.entries, key) }
	e.doubted = func() { q.doubtful = append(q.doubtful, key) }
	q.entries[key] = e
	return e
}
