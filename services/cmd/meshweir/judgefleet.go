package main

import (
	"slices"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/internalv1"
)

// wentWithItsCluster reports whether a keyspace is of a cluster that is deregistered, so that it is to be gone.
func wentWithItsCluster(name keyspace.Name, members map[string]internalv1.Membership) bool {
	of := instanceOf(name)
	return members[of].State == internalv1.Deregistered && slices.Contains(keyspacesOf(of), name)
}
