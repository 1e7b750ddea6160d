package web

import (
	"context"
	"fmt"
	"strings"
)

// clustersPage is the list of clusters.
type clustersPage struct {
	Notice
	// Text is a part of the names of the clusters that are listed.
	Text string `json:"q,omitempty"`
	// Clusters are those that match, those that ask for attention first. Total counts all.
	Clusters []*Cluster `json:"clusters"`
	Total    int        `json:"total"`
}

func clusters() *page {
	return &page{
		name: "clusters", section: "Clusters", pattern: "/clusters", regions: []string{"notice", "list"},
		data: func(_ context.Context, f *Fleet, a address) (any, string, error) {
			p := &clustersPage{Notice: f.Notice, Text: strings.TrimSpace(a.query.Get("q")), Total: len(f.Clusters)}
			if len(p.Text) > maxText {
				return nil, "", badRequest{fmt.Errorf("q is %d bytes long; it can be %d", len(p.Text), maxText)}
			}
			for _, c := range illFirst(f.Clusters) {
				if strings.Contains(c.Name, strings.ToLower(p.Text)) {
					p.Clusters = append(p.Clusters, c)
				}
			}
			return p, "Clusters", nil
		},
	}
}

// Many reports whether there are so many that somebody may want to search.
func (p *clustersPage) Many() bool { return p.Text != "" || p.Total > maxClusters }
