package translator

import "github.com/meshweir/meshweir/pipeline/keyspace"

// Kinds of the keyspaces that the translator reads and writes; their instance is the cluster.
const (
	snapshotKind = "snapshot"
	outputKind   = "output"
	statusKind   = "status"
)

// RegistryName is the keyspace that holds a Membership for each cluster that an operator registered or deregistered.
const RegistryName keyspace.Name = registryKind + "/clusters"

const registryKind = "registry"

// Group is the consumer group in which the replicas of the translator share the events.
const Group = "translator"

// ReadKinds are the kinds of the keyspaces that the translator follows.
func ReadKinds() []string { return []string{snapshotKind, registryKind} }

// Access is what a translator does with Redis.
func Access() keyspace.Access {
	return keyspace.Access{
		Writes: []string{outputKind + "/*", statusKind + "/*"}, Reads: []string{snapshotKind + "/*", registryKind + "/*"},
		Group: Group, Tidies: true,
	}
}

// target is where what one cluster should have is written.
type target struct {
	objects, statuses *keyspace.Derived
	// owed says that something was staged and not yet written.
	owed bool
}

func (t *target) to(kind string) *keyspace.Derived {
	if kind == statusKind {
		return t.statuses
	}
	return t.objects
}

func newTarget(store *keyspace.Store, cluster string) (*target, error) {
	objects, err := keyspace.NewName(outputKind, cluster)
	if err != nil {
		return nil, err
	}
	statuses, err := keyspace.NewName(statusKind, cluster)
	if err != nil {
		return nil, err
	}
	return &target{objects: store.Derived(objects), statuses: store.Derived(statuses)}, nil
}
