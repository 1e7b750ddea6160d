package web

import (
	"cmp"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/ui/view"
)

// place is where an item stands in a sorted list. It can be compared without
// the item, so a cursor stays good when its item is gone.
type place struct {
	key     resource.Key
	cluster string
	rank    int
	item    *Item
}

func placeOf(it *Item) place { return place{it.Key, it.Ref.Cluster, it.Status().rank(), it} }

func (c *cursor) place() place {
	key, err := resource.ParseKey(c.Ref.Key)
	if err != nil {
		key = resource.Key{Kind: "Unknown", Name: c.Ref.Key}
	}
	return place{key: key, cluster: c.Ref.Cluster, rank: c.Rank}
}

// compare returns the order that the query asks for. It is total: two items never tie.
func (q Query) compare() func(a, b place) int {
	by := map[string]func(a, b place) int{
		"kind": func(a, b place) int {
			return cmp.Or(strings.Compare(a.key.Kind, b.key.Kind), strings.Compare(a.key.Group, b.key.Group))
		},
		"name":      func(a, b place) int { return strings.Compare(a.key.Name, b.key.Name) },
		"namespace": func(a, b place) int { return strings.Compare(a.key.Namespace, b.key.Namespace) },
		"cluster":   func(a, b place) int { return strings.Compare(a.cluster, b.cluster) },
		"status":    func(a, b place) int { return cmp.Compare(a.rank, b.rank) },
	}[q.Sort]
	return func(a, b place) int {
		c := by(a, b)
		if q.Desc {
			c = -c
		}
		if c != 0 {
			return c
		}
		return cmp.Or(view.CompareKeys(a.key, b.key), strings.Compare(a.cluster, b.cluster))
	}
}

// least keeps the first few of many places, sorted.
type least struct {
	size    int
	compare func(a, b place) int
	places  []place
}

func (l *least) add(p place) {
	if len(l.places) == l.size && l.compare(p, l.places[l.size-1]) >= 0 {
		return
	}
	i, _ := slices.BinarySearchFunc(l.places, p, l.compare)
	if len(l.places) == l.size {
		l.places = l.places[:l.size-1]
	}
	l.places = slices.Insert(l.places, i, p)
}
