package web

import "context"

// clustersPage is the list of clusters.
type clustersPage struct {
	Notice
	Clusters []*Cluster `json:"clusters"`
}

func clusters() *page {
	return &page{
		name: "clusters", section: "Clusters", pattern: "/clusters", regions: []string{"notice", "list"},
		data: func(_ context.Context, f *Fleet, _ address) (any, string, error) {
			return &clustersPage{Notice: f.Notice, Clusters: f.Clusters}, "Clusters", nil
		},
	}
}
