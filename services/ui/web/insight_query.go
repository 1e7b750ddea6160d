package web

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"github.com/meshweir/meshweir/schemas/insight"
)

// insightQuery says which insights a list shows. It is read from, and written to, a URL.
type insightQuery struct {
	Severity insight.Severity `json:"severity,omitempty"`
	Code     string           `json:"code,omitempty"`
	Cluster  string           `json:"cluster,omitempty"`
	// Muted shows those that somebody muted, too.
	Muted bool `json:"muted,omitempty"`
	// after is the place that the page begins behind.
	after string
}

// parseInsightQuery reads a query. Its errors are for the person who wrote the URL.
func parseInsightQuery(values url.Values) (insightQuery, error) {
	q := insightQuery{
		Severity: insight.Severity(values.Get("severity")), Code: values.Get("code"), Cluster: values.Get("cluster"), after: values.Get("after"),
	}
	if q.Severity != "" && !slices.Contains(insight.Severities(), q.Severity) {
		return insightQuery{}, fmt.Errorf("severity is %q; it can be error, warning, info", q.Severity)
	}
	if text := values.Get("muted"); text != "" {
		muted, err := strconv.ParseBool(text)
		if err != nil {
			return insightQuery{}, fmt.Errorf("muted is %q; it can be true or false", text)
		}
		q.Muted = muted
	}
	return q, nil
}

// URL is the page of the query.
func (q insightQuery) URL() string {
	values := given(map[string]string{"severity": string(q.Severity), "code": q.Code, "cluster": q.Cluster, "after": q.after})
	if q.Muted {
		values.Set("muted", "true")
	}
	return withQuery("/insights", values)
}

func (q insightQuery) matches(i *Insight) bool {
	return (q.Severity == "" || q.Severity == i.Severity) && (q.Code == "" || q.Code == i.Code) &&
		(q.Cluster == "" || slices.Contains(i.Clusters(), q.Cluster)) && (q.Muted || !i.Muted())
}

// find returns the insights of the page, how many match in all, and the address of the next page.
func (q insightQuery) find(f *Fleet) (rows []*Insight, total int, next string) {
	for _, i := range f.Insights {
		if !q.matches(i) {
			continue
		}
		total++
		if q.after != "" && i.place() <= q.after {
			continue
		}
		if len(rows) == pageSize {
			q.after = rows[pageSize-1].place()
			next = q.URL()
			q.after = "\xff" // the rest is only counted
			continue
		}
		rows = append(rows, i)
	}
	return rows, total, next
}

// tabs narrow by severity, and count what the rest of the query leaves.
func (q insightQuery) tabs(f *Fleet) []Tab {
	counts := map[insight.Severity]int{}
	all := q
	all.Severity, all.after = "", ""
	for _, i := range f.Insights {
		if all.matches(i) {
			counts[i.Severity]++
			counts[""]++
		}
	}
	titles := map[insight.Severity]string{"": "All", insight.Error: "Errors", insight.Warning: "Warnings", insight.Info: "Info"}
	var tabs []Tab
	for _, severity := range append([]insight.Severity{""}, insight.Severities()...) {
		to := all
		to.Severity = severity
		tabs = append(tabs, Tab{Title: titles[severity], URL: to.URL(), Count: countOf(counts[severity]), Current: q.Severity == severity})
	}
	return tabs
}
