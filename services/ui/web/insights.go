package web

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/services/ui/view"
)

// Insight is an insight of the fleet, as pages show it.
type Insight struct {
	// Key tells it from all others, and is its address.
	Key string `json:"key"`
	insight.Insight
}

// Href is the address of the insight's page.
func (i *Insight) Href() string {
	parts := strings.Split(i.Key, "/")
	for n, part := range parts {
		parts[n] = url.PathEscape(part)
	}
	return "/insights/" + strings.Join(parts, "/")
}

// Clusters are those that the insight is about, sorted; none for the fleet.
func (i *Insight) Clusters() []string {
	names := map[string]bool{}
	for _, ref := range i.refs() {
		if ref.Cluster != "" {
			names[ref.Cluster] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func (i *Insight) refs() []insight.Ref { return append([]insight.Ref{i.Target}, i.Also...) }

// about reports whether an object takes part in the insight.
func (i *Insight) about(ref view.Ref) bool {
	return slices.Contains(i.refs(), insight.Ref{Cluster: ref.Cluster, Object: ref.Key})
}

// Muted reports whether somebody chose not to be bothered.
func (i *Insight) Muted() bool { return i.MutedBy != nil }

// place is what insights are sorted by: the gravest first, then by key, which begins with the code.
func (i *Insight) place() string { return fmt.Sprintf("%d/%s", i.Severity.Rank(), i.Key) }

// sortInsights sorts as pages show them.
func sortInsights(all []*Insight) {
	slices.SortFunc(all, func(a, b *Insight) int {
		return cmp.Or(a.Severity.Compare(b.Severity), strings.Compare(a.Key, b.Key))
	})
}

// insightsOf returns the insights in which an object takes part, the gravest first.
func (f *Fleet) insightsOf(ref view.Ref) []*Insight {
	return f.insightsWhere(func(i *Insight) bool { return i.about(ref) })
}

// insightsOn returns the insights about a cluster and its objects, the gravest first, without muted ones.
func (f *Fleet) insightsOn(cluster string) []*Insight {
	return f.insightsWhere(func(i *Insight) bool { return !i.Muted() && slices.Contains(i.Clusters(), cluster) })
}

// openInsights counts the insights that nobody muted, by severity.
func (f *Fleet) openInsights() map[insight.Severity]int {
	open := map[insight.Severity]int{}
	for _, i := range f.Insights {
		if !i.Muted() {
			open[i.Severity]++
		}
	}
	return open
}

func (f *Fleet) insightsWhere(is func(*Insight) bool) []*Insight {
	var found []*Insight
	for _, i := range f.Insights {
		if is(i) {
			found = append(found, i)
		}
	}
	return found
}

// insightsPage is the list of insights.
type insightsPage struct {
	Notice
	Query insightQuery `json:"query"`
	// Rows are those of this page, Total counts all that match.
	Rows  []*Insight `json:"insights"`
	Total int        `json:"total"`
	// Next is the address of the next page; empty for none.
	Next string `json:"next,omitempty"`
	// Tabs narrow by severity; the others are what can be filtered by.
	Tabs     []Tab    `json:"-"`
	Codes    []Choice `json:"-"`
	Clusters []string `json:"-"`
	// Any says whether there are insights at all.
	Any bool `json:"-"`
	// Looked says that somebody has looked for insights.
	Looked bool `json:"looked"`
}

// Tab is a link to a part of a page.
type Tab struct {
	Title, URL string
	// Count is shown beside the title; empty for nothing.
	Count   string
	Current bool
}

func insights() *page {
	return &page{
		name: "insights", section: "Insights", pattern: "/insights", regions: []string{"notice", "list"},
		data: func(_ context.Context, f *Fleet, a address) (any, string, error) {
			q, err := parseInsightQuery(a.query)
			if err != nil {
				return nil, "", badRequest{err}
			}
			p := &insightsPage{Notice: f.Notice, Query: q, Any: len(f.Insights) > 0, Looked: f.Looked, Tabs: q.tabs(f)}
			p.Rows, p.Total, p.Next = q.find(f)
			codes := map[string]string{}
			for _, i := range f.Insights {
				codes[i.Code] = i.Title
			}
			for _, code := range slices.Sorted(maps.Keys(codes)) {
				p.Codes = append(p.Codes, Choice{code, code + " " + codes[code]})
			}
			p.Clusters = f.clusterNames()
			return p, "Insights", nil
		},
	}
}

// Filtered reports whether the query leaves anything out that is not muted.
func (p *insightsPage) Filtered() bool {
	q := p.Query
	return q.Severity != "" || q.Code != "" || q.Cluster != "" || q.Muted
}

// Range says what is shown.
func (p *insightsPage) Range() string {
	if p.Total > len(p.Rows) {
		return fmt.Sprintf("%d of %s", len(p.Rows), plural(p.Total, "insight", "insights"))
	}
	if p.Total == 0 {
		return "No insights"
	}
	return plural(p.Total, "insight", "insights")
}

// insightPage is one insight.
type insightPage struct {
	Notice
	*Insight
	fleet *Fleet
}

func insightDetail() *page {
	return &page{
		name: "insight", section: "Insights", pattern: "/insights/{insight...}", regions: []string{"notice", "head", "evidence", "remediation", "about"},
		data: func(_ context.Context, f *Fleet, a address) (any, string, error) {
			for _, i := range f.Insights {
				if i.Key == a.insight {
					return &insightPage{Notice: f.Notice, Insight: i, fleet: f}, i.Code + " " + i.Title, nil
				}
			}
			return nil, "", errNotFound
		},
	}
}

// Place is where something stands: a cluster, or an object of one.
type Place struct {
	Title, Sub string
	// URL is empty for what has no page (any more).
	URL string
}

// Of says what a reference of the insight leads to; templates call it.
func (p *insightPage) Of(ref insight.Ref) Place {
	switch {
	case ref.Cluster == "" && ref.Object == "":
		return Place{Title: "The fleet", URL: "/"}
	case ref.Object == "":
		place := Place{Title: ref.Cluster, Sub: "Cluster"}
		if p.fleet.cluster(ref.Cluster) != nil {
			place.URL = "/clusters/" + url.PathEscape(ref.Cluster)
		}
		return place
	}
	object := view.Ref{Cluster: ref.Cluster, Key: ref.Object}
	it := p.fleet.item(object)
	if it == nil {
		return Place{Title: ref.Object, Sub: ref.Cluster}
	}
	sub := it.KindTitle()
	if it.Key.Namespace != "" {
		sub += " · " + it.Key.Namespace
	}
	return Place{Title: it.Title(), Sub: sub + " · " + ref.Cluster, URL: Href(object)}
}
