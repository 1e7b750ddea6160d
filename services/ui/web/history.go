package web

import (
	"cmp"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/services/ui/view"
)

// maxRecent is how many of the fleet's newest transitions an overview shows.
const maxRecent = 12

// Past is one transition of an object, as pages show it.
type Past struct {
	view.Transition
	Ref view.Ref `json:"object"`
	// Item is nil for an object that no view has (any more).
	Item *Item `json:"-"`
}

// Title says in a word or two where the change was seen.
func (p Past) Title() string {
	whole := len(p.Changes) == 1 && p.Changes[0].What == ""
	added := whole && p.Changes[0].After != ""
	switch {
	case p.Kind == view.KindStatus:
		return "Conditions"
	case p.Kind == view.KindApplied:
		return "Applied"
	case p.Kind == view.KindOutput && added:
		return "Wanted"
	case p.Kind == view.KindOutput && whole:
		return "No longer wanted"
	case p.Kind == view.KindOutput:
		return "Output changed"
	case added:
		return "Appeared in the cluster"
	case whole:
		return "Left the cluster"
	default:
		return "Changed in the cluster"
	}
}

// Fields are the changes that name something: not the coming and going of the object itself.
func (p Past) Fields() []view.Change {
	return slices.DeleteFunc(slices.Clone(p.Changes), func(c view.Change) bool { return c.What == "" })
}

// Name is the object's, also of one that is gone.
func (p Past) Name() string {
	if p.Item != nil {
		return p.Item.Title()
	}
	return p.Ref.Key[strings.LastIndexByte(p.Ref.Key, '/')+1:]
}

// Sub says what the object is and where.
func (p Past) Sub() string {
	kind, rest, _ := strings.Cut(p.Ref.Key, "/")
	namespace, _, _ := strings.Cut(rest, "/")
	parts := []string{kindName(kind)}
	if namespace != "" {
		parts = append(parts, namespace)
	}
	return strings.Join(append(parts, p.Ref.Cluster), " · ")
}

// history returns the transitions of an object, the newest first.
func (f *Fleet) history(ref view.Ref) []Past {
	var past []Past
	for _, t := range f.Histories[ref.Cluster][ref.Key].Steps {
		past = append(past, Past{Transition: t, Ref: ref, Item: f.item(ref)})
	}
	return past
}

// recent returns the newest transitions of clusters, the newest first; of each object one.
func (f *Fleet) recent(clusters []*Cluster, limit int) []Past {
	newer := func(a, b Past) int {
		return cmp.Or(b.At.Compare(a.At), a.Ref.Compare(b.Ref))
	}
	var all []Past // sorted, and never more than asked for
	for _, c := range clusters {
		for key, h := range f.Histories[c.Name] {
			if len(h.Steps) == 0 {
				continue
			}
			p := Past{Transition: h.Steps[0], Ref: view.Ref{Cluster: c.Name, Key: key}}
			if at, _ := slices.BinarySearchFunc(all, p, newer); at < limit {
				all = slices.Insert(all, at, p)
				all = all[:min(len(all), limit)]
			}
		}
	}
	for i := range all {
		all[i].Item = f.item(all[i].Ref)
	}
	return all
}
