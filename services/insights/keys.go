package insights

import (
	"fmt"

	"github.com/meshweir/meshweir/pipeline/keyspace"
)

// Kinds of the keyspaces that insights reads; their instance is the cluster, but for the registry's.
const (
	snapshotKind = "snapshot"
	appliedKind  = "applied"
	registryKind = "registry"
)

// Kind is the kind of the keyspaces that insights writes; their instance is the cluster, or "fleet".
const Kind = "insight"

// FleetName is the keyspace of the insights that are not about one object of one cluster. A cluster of this name
// shares it: the keys of insights name their cluster.
const FleetName keyspace.Name = Kind + "/fleet"

// RegistryName is the keyspace that says which clusters were registered and deregistered.
const RegistryName keyspace.Name = registryKind + "/clusters"

// Group is the consumer group in which the replicas of insights share the events.
const Group = "insights"

// Name is the keyspace of the insights about objects of a cluster.
func Name(cluster string) (keyspace.Name, error) {
	name, err := keyspace.NewName(Kind, cluster)
	if err != nil {
		return "", fmt.Errorf("naming the insights of a cluster: %w", err)
	}
	return name, nil
}

// SourceKinds returns the kinds of the keyspaces that insights are computed from.
func SourceKinds() []string { return []string{snapshotKind, appliedKind, registryKind} }

// Access is what insights does with Redis.
func Access() keyspace.Access {
	access := keyspace.Access{Writes: []string{Kind + "/*"}, Group: Group}
	for _, kind := range SourceKinds() {
		access.Reads = append(access.Reads, kind+"/*")
	}
	return access
}
