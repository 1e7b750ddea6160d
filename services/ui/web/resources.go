package web

import (
	"context"
	"fmt"

	"github.com/meshweir/meshweir/services/ui/view"
)

// resourcesPage is a table of the resources of all clusters.
type resourcesPage struct {
	Notice
	Query Query  `json:"query"`
	Found Found  `json:"-"`
	Rows  []Line `json:"resources"`
	Total int    `json:"total"`
	First int    `json:"first"`
	// Previous and Next are the addresses of the pages beside; empty for none.
	Previous string `json:"previous,omitempty"`
	Next     string `json:"next,omitempty"`
	// Clusters, Kinds and Namespaces are what can be filtered by.
	Clusters   []string `json:"-"`
	Kinds      []Option `json:"-"`
	Namespaces []Option `json:"-"`
	States     []Choice `json:"-"`
	Columns    []Column `json:"-"`
}

// Line is a row of the table, as the JSON twin shows it.
type Line struct {
	*Item    `json:"-"`
	Object   view.Ref       `json:"object"`
	Status   Status         `json:"status"`
	Detail   string         `json:"detail,omitempty"`
	Managed  bool           `json:"managed,omitempty"`
	File     string         `json:"file,omitempty"`
	Problems []view.Problem `json:"problems,omitempty"`
	// Group is the API group, where the kind's name alone is that of several kinds.
	Group string `json:"-"`
	// Unknown says that the row is as the cluster was last seen.
	Unknown bool `json:"unknown,omitempty"`
}

// Column is a head of the table by which it can be sorted.
type Column struct {
	Choice
	// URL sorts by the column; the other way round where it is sorted by it already.
	URL string
	// Sorted is "ascending", "descending" or "none", as aria-sort has it.
	Sorted string
}

func resources() *page {
	return &page{
		name: "resources", section: "Resources", pattern: "/resources", regions: []string{"notice", "table"},
		data: func(_ context.Context, f *Fleet, a address) (any, string, error) {
			q, err := parseQuery(a.query)
			if err != nil {
				return nil, "", badRequest{err}
			}
			p := &resourcesPage{
				Notice: f.Notice, Query: q, Found: q.find(f), States: states(), Columns: q.columns(),
				Kinds: kindsOf(f, q.Cluster), Namespaces: namespacesOf(f, q.Cluster),
			}
			p.Total, p.First = p.Found.Total, p.Found.First
			if p.Found.Previous != nil {
				p.Previous = p.Found.Previous.URL()
			}
			if p.Found.Next != nil {
				p.Next = p.Found.Next.URL()
			}
			p.Clusters = f.clusterNames()
			shared := sharedKinds(p.Kinds)
			for _, it := range p.Found.Items {
				group := ""
				if shared[it.Key.Kind] {
					group = it.Key.Group
				}
				p.Rows = append(p.Rows, Line{
					Item: it, Object: it.Ref, Status: it.Status(), Detail: it.Detail, Managed: it.Managed, File: it.File,
					Problems: it.Found, Group: group, Unknown: !f.cluster(it.Ref.Cluster).Known,
				})
			}
			return p, "Resources", nil
		},
	}
}

// sharedKinds returns the names that several kinds have, such as Gateway.
func sharedKinds(kinds []Option) map[string]bool {
	shared, seen := map[string]bool{}, map[string]bool{}
	for _, kind := range kinds {
		name := kindName(kind.Value)
		shared[name] = seen[name]
		seen[name] = true
	}
	return shared
}

func (q Query) columns() []Column {
	var columns []Column
	for _, choice := range sorts() {
		sorted := q
		sorted.Sort, sorted.Desc, sorted.cursor = choice.Value, false, nil
		c := Column{Choice: choice, Sorted: "none"}
		if q.Sort == choice.Value {
			c.Sorted = "ascending"
			sorted.Desc = !q.Desc
			if q.Desc {
				c.Sorted = "descending"
			}
		}
		c.URL = sorted.URL()
		columns = append(columns, c)
	}
	return columns
}

// Last is the number of the last row shown.
func (p *resourcesPage) Last() int { return p.First + len(p.Rows) - 1 }

// Filtered reports whether the query leaves anything out.
func (p *resourcesPage) Filtered() bool {
	q := p.Query
	return q.Cluster != "" || q.Kind != "" || q.Namespace != "" || q.Text != "" || q.State != ""
}

// Range says which rows are shown: "1–100 of 1,234 resources".
func (p *resourcesPage) Range() string {
	switch {
	case p.Total == 0:
		return "No resources"
	case p.First == 1 && p.Last() == p.Total:
		return plural(p.Total, "resource", "resources")
	default:
		return fmt.Sprintf("%s–%s of %s", number(p.First), number(p.Last()), plural(p.Total, "resource", "resources"))
	}
}
