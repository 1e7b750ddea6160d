package translator

import (
	"bytes"
	"slices"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/translator/inventory"
	"github.com/meshweir/meshweir/services/translator/output"
)

// layer is what all units together produced, what is held above it, and what
// comes of both for the clusters that are complete.
type layer struct {
	made, held, final output.Set
}

func newLayer() layer { return layer{output.Set{}, output.Set{}, output.Set{}} }

// marks are the keys whose value may have become another one, by cluster.
type marks map[string]map[resource.Key]struct{}

func (m marks) add(cluster string, key resource.Key) {
	if m[cluster] == nil {
		m[cluster] = map[resource.Key]struct{}{}
	}
	m[cluster][key] = struct{}{}
}

// swap takes values out of a set and puts others in, and marks where that makes a difference.
func swap(set, before, after output.Set, m marks) {
	for cluster, values := range before {
		for key := range values {
			if _, stays := after[cluster][key]; !stays {
				delete(set[cluster], key)
				m.add(cluster, key)
			}
		}
	}
	for cluster, values := range after {
		for key, value := range values {
			if !bytes.Equal(before[cluster][key], value) {
				m.add(cluster, key)
			}
			set.Put(cluster, key, value)
		}
	}
}

// open makes a cluster one that has an output, and reports whether it was none before.
func (l layer) open(cluster string) bool {
	if _, ok := l.final[cluster]; ok {
		return false
	}
	l.final[cluster] = map[resource.Key][]byte{}
	return true
}

// close makes a cluster one that has no output, and reports whether it had one before.
func (l layer) close(cluster string) bool {
	_, ok := l.final[cluster]
	delete(l.final, cluster)
	return ok
}

// settle brings the marked keys of the open clusters up to date and returns those that became different, sorted.
func (l layer) settle(m marks) map[string][]resource.Key {
	touched := map[string][]resource.Key{}
	for cluster, keys := range m {
		final, open := l.final[cluster]
		if !open {
			continue
		}
		for key := range keys {
			value, exists := l.held[cluster][key]
			if !exists {
				value, exists = l.made[cluster][key]
			}
			before, existed := final[key]
			if exists == existed && bytes.Equal(before, value) {
				continue
			}
			if exists {
				final[key] = value
			} else {
				delete(final, key)
			}
			touched[cluster] = append(touched[cluster], key)
		}
		slices.SortFunc(touched[cluster], func(a, b resource.Key) int {
			return inventory.Ref{Key: a}.Compare(inventory.Ref{Key: b})
		})
	}
	return touched
}
