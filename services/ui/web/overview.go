package web

import (
	"context"
	"slices"

	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/services/ui/view"
)

// overviewPage is the fleet at a glance.
type overviewPage struct {
	Notice
	// Clusters are all, those that ask for attention first.
	Clusters []*Cluster `json:"clusters"`
	// Totals over all clusters.
	Connected int `json:"connected"`
	Objects   int `json:"objects"`
	Managed   int `json:"managed"`
	Outputs   int `json:"outputs"`
	Applied   int `json:"applied"`
	Errors    int `json:"errors"`
	Warnings  int `json:"warnings"`
	// Problems are the first of them, errors first.
	Problems []Finding `json:"problems"`
	// More counts the problems beyond those.
	More int `json:"more"`
	// Unknown counts the clusters whose state is not known now.
	Unknown int `json:"unknown"`
	// Looked says that somebody has looked for insights.
	Looked bool `json:"looked"`
	// Insights are the gravest that nobody muted, MoreInsights counts the others. The counts are by severity.
	Insights     []*Insight `json:"insights"`
	MoreInsights int        `json:"moreInsights"`
	Severe       int        `json:"insightErrors"`
	Risky        int        `json:"insightWarnings"`
	// Recent are the newest changes of the fleet.
	Recent []Past `json:"recent"`
}

// Finding is a problem and the object that has it.
type Finding struct {
	view.Problem
	Item *Item    `json:"-"`
	Ref  view.Ref `json:"object"`
	File string   `json:"file,omitempty"`
	Line int      `json:"line,omitempty"`
}

// maxFindings caps the problems on an overview; the list of resources has all.
const maxFindings = 50

// maxClusters caps the clusters on an overview; the list of clusters has all.
const maxClusters = 10

// First are the clusters that an overview shows.
func (p *overviewPage) First() []*Cluster { return p.Clusters[:min(len(p.Clusters), maxClusters)] }

// Others counts the clusters that it does not show.
func (p *overviewPage) Others() int { return len(p.Clusters) - len(p.First()) }

// maxInsights caps the insights on a page that is about something else.
const maxInsights = 6

func overview() *page {
	return &page{
		name: "overview", section: "Overview", pattern: "/{$}", regions: []string{"notice", "totals", "insights", "clusters", "recent", "problems"},
		data: func(_ context.Context, f *Fleet, _ address) (any, string, error) {
			p := &overviewPage{Notice: f.Notice, Clusters: illFirst(f.Clusters), Looked: f.Looked}
			for _, c := range f.Clusters {
				if c.Beat.Connected() {
					p.Connected++
				}
				if !c.Known {
					p.Unknown++
				}
				p.Objects += c.Objects
				p.Managed += c.Managed
				p.Errors += c.Errors
				p.Warnings += c.Warnings
				for result, n := range c.Results {
					if result == internalv1.ResultDeleted {
						continue
					}
					p.Outputs += n
					if result == internalv1.ResultApplied {
						p.Applied += n
					}
				}
			}
			p.Problems, p.More = findings(f.Clusters, maxFindings)
			open := f.insightsWhere(func(i *Insight) bool { return !i.Muted() })
			counts := f.openInsights()
			p.Severe, p.Risky = counts[insight.Error], counts[insight.Warning]
			p.Insights = open[:min(len(open), maxInsights)]
			p.MoreInsights = len(open) - len(p.Insights)
			p.Recent = f.recent(f.Clusters, maxRecent)
			return p, "Overview", nil
		},
	}
}

// findings returns the problems of clusters, errors first, and how many there are beyond limit.
func findings(clusters []*Cluster, limit int) ([]Finding, int) {
	var all []Finding
	for _, c := range clusters {
		for _, it := range c.Items {
			for _, problem := range it.Found {
				finding := Finding{Problem: problem, Item: it, Ref: it.Ref, File: it.File}
				if it.Manifest != nil {
					finding.Line = it.Manifest.Line
				}
				all = append(all, finding)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Finding) int { return Status(a.Severity).rank() - Status(b.Severity).rank() })
	if len(all) <= limit {
		return all, 0
	}
	return all[:limit], len(all) - limit
}

// Pending counts the outputs of a cluster that nobody has reported on.
func (c *Cluster) Pending() int { return c.Results[view.ResultPending] }

// InForce counts the outputs that the cluster holds as they should be.
func (c *Cluster) InForce() int { return c.Results[internalv1.ResultApplied] }

// NotTaken counts the outputs that went wrong.
func (c *Cluster) NotTaken() int {
	return c.Results[internalv1.ResultError] + c.Results[internalv1.ResultConflict] + c.Results[internalv1.ResultRefused]
}
