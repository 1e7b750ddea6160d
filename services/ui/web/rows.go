package web

import (
	"maps"
	"slices"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/services/ui/mesh"
	"github.com/meshweir/meshweir/services/ui/view"
)

// rows are those of one cluster.
type rows struct {
	items map[string]*Item
	// sorted are the items; nil since keys came or went. Fleets have it: it is replaced, and not changed.
	sorted []*Item
	// wired is another number after each change of what a wiring is made from.
	wired int
}

func (m *mirror) changeRows(cluster string, e keyspace.Event[view.Record], whole map[string]view.Record) {
	if m.dropped(cluster, e.Meta) {
		delete(m.rows, cluster)
		return
	}
	r := m.rows[cluster]
	if r == nil {
		r = &rows{items: map[string]*Item{}}
		m.rows[cluster] = r
	}
	now := map[string]*Item{} // nil for what went
	for _, c := range e.Changes {
		switch {
		case c.HasNew && c.New.Row != nil:
			now[c.Key] = newItem(cluster, c.Key, *c.New.Row)
		case e.Meta.Complete:
			now[c.Key] = nil
		}
	}
	if whole != nil {
		for key := range r.items {
			if _, ok := whole[key]; !ok {
				now[key] = nil
			}
		}
	}
	if !r.take(now) {
		m.rewired++
		r.wired = m.rewired
	}
}

// take takes new states of rows, nil for one that went, and reports whether the objects fit together as before.
func (r *rows) take(now map[string]*Item) (alike bool) {
	alike = true
	var replaced []*Item
	for key, item := range now {
		before := r.items[key]
		if item == nil {
			delete(r.items, key)
		} else {
			r.items[key] = item
		}
		switch {
		case before == nil && item == nil:
		case before == nil:
			r.sorted, alike = nil, alike && mesh.Alike(item.Key, nil, &item.Row)
		case item == nil:
			r.sorted, alike = nil, alike && mesh.Alike(before.Key, &before.Row, nil)
		default:
			replaced, alike = append(replaced, item), alike && mesh.Alike(item.Key, &before.Row, &item.Row)
		}
	}
	if r.sorted != nil && len(replaced) > 0 {
		r.sorted = slices.Clone(r.sorted)
		for _, item := range replaced {
			if i, found := slices.BinarySearchFunc(r.sorted, item, compareItems); found {
				r.sorted[i] = item
			}
		}
	}
	return alike
}

// list returns the items, sorted.
func (r *rows) list() []*Item {
	if r.sorted == nil {
		r.sorted = slices.SortedFunc(maps.Values(r.items), compareItems)
	}
	return r.sorted
}

func compareItems(a, b *Item) int { return view.CompareKeys(a.Key, b.Key) }
