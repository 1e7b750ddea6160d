package devgateway

import "github.com/meshweir/meshweir/pipeline/keyspace"

// Kinds of the keyspaces that the gateway follows; their instance is the cluster.
const (
	outputKind   = "output"
	snapshotKind = "snapshot"
)

// Access is what a development gateway does with Redis.
func Access() keyspace.Access {
	return keyspace.Access{Reads: []string{outputKind + "/*", snapshotKind + "/*"}}
}
