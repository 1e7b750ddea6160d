package web

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/services/ui/view"
)

// pageSize is the number of rows of a page.
const pageSize = 100

// Query says which items a table shows. It is read from, and written to, a URL.
type Query struct {
	Cluster   string `json:"cluster,omitempty"`
	Kind      string `json:"kind,omitempty"` // "Kind[.group]"
	Namespace string `json:"namespace,omitempty"`
	Text      string `json:"q,omitempty"` // every word must occur
	State     string `json:"state,omitempty"`
	Sort      string `json:"sort"`
	Desc      bool   `json:"desc,omitempty"`
	// cursor is the item that the page begins behind, or, going back, ends before.
	cursor *cursor
}

// cursor is a place in a sorted list: what its item is sorted by.
type cursor struct {
	Ref  view.Ref `json:"r"`
	Rank int      `json:"s,omitempty"`
	Back bool     `json:"b,omitempty"`
}

// States and sorts that a query may name, with what people call them.
func states() []Choice {
	return []Choice{{"", "Everything"}, {"problem", "Problems"}, {"managed", "Written by Meshweir"}, {"pending", "Not applied yet"}}
}

func sorts() []Choice {
	return []Choice{{"kind", "Kind"}, {"name", "Name"}, {"namespace", "Namespace"}, {"cluster", "Cluster"}, {"status", "Status"}}
}

// Choice is one of several values.
type Choice struct {
	Value string `json:"value"`
	Label string `json:"label"`
}

const maxText = 200

// parseQuery reads a query. Its errors are for the person who wrote the URL.
func parseQuery(values url.Values) (Query, error) {
	q := Query{
		Cluster: values.Get("cluster"), Kind: values.Get("kind"), Namespace: values.Get("namespace"),
		Text: strings.TrimSpace(values.Get("q")), State: values.Get("state"), Sort: cmp.Or(values.Get("sort"), "kind"),
	}
	q.Sort, q.Desc = strings.TrimPrefix(q.Sort, "-"), strings.HasPrefix(q.Sort, "-")
	oneOf := func(name, value string, choices []Choice) error {
		var allowed []string
		for _, c := range choices {
			if c.Value == value {
				return nil
			}
			if c.Value != "" {
				allowed = append(allowed, c.Value)
			}
		}
		return fmt.Errorf("%s is %q; it can be %s", name, value, strings.Join(allowed, ", "))
	}
	if err := oneOf("state", q.State, states()); err != nil {
		return Query{}, err
	}
	if err := oneOf("sort", q.Sort, sorts()); err != nil {
		return Query{}, err
	}
	if len(q.Text) > maxText {
		return Query{}, fmt.Errorf("q is %d bytes long; it can be %d", len(q.Text), maxText)
	}
	if text := values.Get("at"); text != "" {
		b, err := base64.RawURLEncoding.DecodeString(text)
		if err == nil {
			err = json.Unmarshal(b, &q.cursor)
		}
		if err != nil || q.cursor == nil || q.cursor.Ref == (view.Ref{}) {
			return Query{}, fmt.Errorf("at is %q, which is no place in a list; leave it out to begin at the start", text)
		}
	}
	return q, nil
}

// given returns what is not empty.
func given(all map[string]string) url.Values {
	values := url.Values{}
	for name, value := range all {
		if value != "" {
			values.Set(name, value)
		}
	}
	return values
}

// withQuery is the address of a page with a query.
func withQuery(path string, values url.Values) string {
	if len(values) == 0 {
		return path
	}
	return path + "?" + values.Encode()
}

// values returns the query as parseQuery reads it.
func (q Query) values() url.Values {
	values := given(map[string]string{"cluster": q.Cluster, "kind": q.Kind, "namespace": q.Namespace, "q": q.Text, "state": q.State})
	if q.Sort != "kind" || q.Desc {
		sort := q.Sort
		if q.Desc {
			sort = "-" + sort
		}
		values.Set("sort", sort)
	}
	if q.cursor != nil {
		if b, err := json.Marshal(q.cursor); err == nil {
			values.Set("at", base64.RawURLEncoding.EncodeToString(b))
		}
	}
	return values
}

// URL is the page of the query.
func (q Query) URL() string {
	return withQuery("/resources", q.values())
}

// Found is a page of a list.
type Found struct {
	Items []*Item
	// Total counts all that match, First is the number of the first item shown, from 1.
	Total, First int
	// Previous and Next are the pages beside; nil for none.
	Previous, Next *Query
}

// find returns the page of items that match. It looks at every item once and
// sorts only what it shows.
func (q Query) find(f *Fleet) Found {
	var found Found
	words := strings.Fields(strings.ToLower(q.Text))
	compare := q.compare()
	page := least{size: pageSize + 1, compare: compare}
	back := q.cursor != nil && q.cursor.Back
	if back {
		page.compare = func(a, b place) int { return compare(b, a) }
	}
	var at place
	if q.cursor != nil {
		at = q.cursor.place()
	}
	before := 0
	for it := range q.matching(f, words) {
		found.Total++
		p := placeOf(it)
		if q.cursor != nil {
			c := compare(p, at)
			if c < 0 || c == 0 && !back {
				before++
			}
			if c == 0 || (c < 0) != back {
				continue
			}
		}
		page.add(p)
	}
	more := len(page.places) > pageSize
	places := page.places[:min(len(page.places), pageSize)]
	if back {
		slices.Reverse(places)
		before -= len(places)
	}
	for _, p := range places {
		found.Items = append(found.Items, p.item)
	}
	found.First = before + 1
	if len(places) == 0 {
		found.First = 0
		return found
	}
	if before > 0 {
		found.Previous = q.at(places[0], true)
	}
	if more && !back || back && before+len(places) < found.Total {
		found.Next = q.at(places[len(places)-1], false)
	}
	return found
}

func (q Query) at(p place, back bool) *Query {
	q.cursor = &cursor{Ref: p.item.Ref, Rank: p.item.Status().rank(), Back: back}
	return &q
}

// matching yields what the query asks for, in no order that counts.
func (q Query) matching(f *Fleet, words []string) func(yield func(*Item) bool) {
	return func(yield func(*Item) bool) {
		for _, c := range f.Clusters {
			if q.Cluster != "" && q.Cluster != c.Name {
				continue
			}
			for _, it := range c.Items {
				if q.matches(it, words) && !yield(it) {
					return
				}
			}
		}
	}
}

func (q Query) matches(it *Item, words []string) bool {
	if q.Namespace != "" && q.Namespace != it.Key.Namespace || q.Kind != "" && !isKind(it.Ref.Key, q.Kind) {
		return false
	}
	switch q.State {
	case "problem":
		if len(it.Found) == 0 {
			return false
		}
	case "managed":
		if !it.Managed {
			return false
		}
	case "pending":
		if it.Applied == nil || it.Applied.Result != view.ResultPending {
			return false
		}
	}
	for _, word := range words {
		if !strings.Contains(it.text, word) {
			return false
		}
	}
	return true
}

func isKind(key, kind string) bool {
	return len(key) > len(kind) && key[len(kind)] == '/' && key[:len(kind)] == kind
}

// Option is a value to filter by, and how many items have it.
type Option struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

// kindsOf and namespacesOf return what a fleet can be filtered by, sorted.
func kindsOf(f *Fleet, cluster string) []Option {
	return options(f, cluster, func(it *Item) string { kind, _, _ := strings.Cut(it.Ref.Key, "/"); return kind })
}

func namespacesOf(f *Fleet, cluster string) []Option {
	return options(f, cluster, func(it *Item) string { return it.Key.Namespace })
}

func options(f *Fleet, cluster string, value func(*Item) string) []Option {
	counts := map[string]int{}
	for _, c := range f.Clusters {
		if cluster == "" || cluster == c.Name {
			for _, it := range c.Items {
				counts[value(it)]++
			}
		}
	}
	delete(counts, "")
	all := make([]Option, 0, len(counts))
	for _, v := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, Option{v, counts[v]})
	}
	return all
}
