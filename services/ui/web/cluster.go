package web

import (
	"context"
	"maps"
	"slices"
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
}

func cluster() *page {
	return &page{
		name: "cluster", section: "Clusters", pattern: "/clusters/{cluster}", regions: []string{"notice", "head", "facts", "kinds", "problems"},
		data: func(_ context.Context, f *Fleet, a address) (any, string, error) {
			c := f.cluster(a.ref.Cluster)
			if c == nil {
				return nil, "", errNotFound
			}
			p := &clusterPage{Notice: f.Notice, Cluster: c}
			for _, kind := range slices.Sorted(maps.Keys(c.Kinds)) {
				p.ByKind = append(p.ByKind, Option{kind, c.Kinds[kind]})
			}
			slices.SortStableFunc(p.ByKind, func(a, b Option) int { return b.Count - a.Count })
			p.Problems, p.More = findings([]*Cluster{c}, maxFindings)
			return p, "Cluster " + c.Name, nil
		},
	}
}
