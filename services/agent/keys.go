package agent

import (
	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
)

// Kinds of the keyspaces that an agent reads and writes; their instance is the cluster.
const (
	snapshotKind = "snapshot"
	appliedKind  = "applied"
	outputKind   = "output"
	statusKind   = "status"
)

// Keys of the objects of a snapshot that say that the output, or all statuses, are refused as a whole.
const (
	refusedOutput = internalv1.KindRefusedOutput + "." + resource.InternalGroup + "//" + outputKind
	refusedStatus = internalv1.KindRefusedOutput + "." + resource.InternalGroup + "//" + statusKind
)

// Access is what the agent of a cluster does with Redis.
func Access(cluster string) (keyspace.Access, error) {
	n, err := newNames(cluster)
	return keyspace.Access{Writes: []string{string(n.snapshot), string(n.applied)}, Reads: []string{string(n.output), string(n.status)}}, err
}

// names are the keyspaces of one cluster.
type names struct{ snapshot, applied, output, status keyspace.Name }

func newNames(cluster string) (n names, err error) {
	for kind, name := range map[string]*keyspace.Name{
		snapshotKind: &n.snapshot, appliedKind: &n.applied, outputKind: &n.output, statusKind: &n.status,
	} {
		if *name, err = keyspace.NewName(kind, cluster); err != nil {
			return names{}, err
		}
	}
	return n, nil
}
