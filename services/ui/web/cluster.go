package web

import (
	"context"
	"maps"
	"slices"

	"github.com/meshweir/meshweir/schemas/internalv1"
)

// clusterPage is one cluster.
type clusterPage struct {
	Notice
	*Cluster
	// ByKind counts the objects by kind, most first.
	ByKind []Option `json:"-"`
	// Problems are the first of them, errors first, More counts the others.
	Problems []Finding `json:"problems"`
	More     int       `json:"more"`
	// Looked says that somebody has looked for insights.
	Looked bool `json:"looked"`
	// Insights are those about the cluster that nobody muted, the gravest first; MoreInsights counts the others.
	Insights     []*Insight `json:"insights"`
	MoreInsights int        `json:"moreInsights"`
	// NotInForce are outputs that the cluster does not hold as they should be, MoreOutputs counts the others.
	NotInForce  []Line `json:"notInForce"`
	MoreOutputs int    `json:"moreOutputs"`
	// Recent are the newest changes of the cluster.
	Recent []Past `json:"recent"`
}

func cluster() *page {
	return &page{
		name: "cluster", section: "Clusters", pattern: "/clusters/{cluster}", regions: []string{"notice", "head", "facts", "kinds", "problems", "insights", "outputs", "recent"},
		data: func(_ context.Context, f *Fleet, a address) (any, string, error) {
			c := f.cluster(a.ref.Cluster)
			if c == nil {
				return nil, "", errNotFound
			}
			p := &clusterPage{Notice: f.Notice, Cluster: c, Looked: f.Looked}
			for _, kind := range slices.Sorted(maps.Keys(c.Kinds)) {
				p.ByKind = append(p.ByKind, Option{kind, c.Kinds[kind]})
			}
			slices.SortStableFunc(p.ByKind, func(a, b Option) int { return b.Count - a.Count })
			p.Problems, p.More = findings([]*Cluster{c}, maxFindings)
			all := f.insightsOn(c.Name)
			p.Insights = all[:min(len(all), maxInsights)]
			p.MoreInsights = len(all) - len(p.Insights)
			p.NotInForce, p.MoreOutputs = c.notInForce(maxFindings)
			p.Recent = f.recent([]*Cluster{c}, maxRecent)
			return p, "Cluster " + c.Name, nil
		},
	}
}

// notInForce returns the outputs that are not applied as they should be, and how many there are beyond limit.
func (c *Cluster) notInForce(limit int) (lines []Line, more int) {
	for _, it := range c.Items {
		if it.Applied == nil || it.Applied.Result == internalv1.ResultApplied {
			continue
		}
		if len(lines) == limit {
			more++
			continue
		}
		lines = append(lines, Line{Item: it, Object: it.Ref, Status: it.Status(), Managed: it.Managed, Problems: it.Found})
	}
	return lines, more
}
