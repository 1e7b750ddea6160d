package ui

import (
	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/services/ui/materialise"
	"github.com/meshweir/meshweir/services/ui/view"
)

// Access is what a ui does with Redis: it makes its views, and operates the pipeline for who looks at its page.
func Access() keyspace.Access {
	access := keyspace.Access{Writes: []string{view.KindView + "/*"}, Group: materialise.Group, Operates: true}
	for _, kind := range append(view.FollowedKinds(), view.KindInsight) {
		access.Reads = append(access.Reads, kind+"/*")
	}
	return access
}
