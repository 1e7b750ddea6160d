// Package cluster says what an agent needs of a cluster. Packages folder and
// kubernetes are the two that there are.
package cluster

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/snapshot"
)

var (
	// ErrConflict says that an object which is not Meshweir's has the name.
	ErrConflict = errors.New("an object that is not Meshweir's has this name")
	// ErrGone says that an object to have a status does not exist.
	ErrGone = errors.New("the object does not exist")
)

// Source tells what a cluster holds.
type Source interface {
	// Identity is what tells this cluster from any other, for ever.
	Identity(ctx context.Context) (string, error)
	// Run delivers everything that the cluster holds and then every change, one call of deliver at a time, until ctx ends.
	Run(ctx context.Context, recall snapshot.Recall, deliver func(snapshot.Delivery)) error
}

// Target takes what Meshweir writes into a cluster.
type Target interface {
	// Managed returns the objects that Meshweir wrote as they stand now, in the form in which they were applied. They are shared, and only to be read.
	Managed(ctx context.Context) (map[resource.Key]*unstructured.Unstructured, error)
	// Apply makes an object stand as given. It returns ErrConflict where an object stands that Meshweir did not write.
	Apply(ctx context.Context, object *unstructured.Unstructured) error
	// Delete takes away an object that Meshweir wrote and that an output, which is at a position, does not have; one that
	// is gone is no error. Where replicas may write at one time, what was applied from a newer output stays.
	Delete(ctx context.Context, key resource.Key, at keyspace.Position) error
}

// StatusTarget takes the statuses of a cluster's objects.
type StatusTarget interface {
	// Statuses returns the statuses that Meshweir wrote, as they stand now.
	Statuses(ctx context.Context) (map[resource.Key]map[string]any, error)
	// SetStatus makes a status stand as given; nil takes it away. It returns ErrGone for an object that does not exist.
	SetStatus(ctx context.Context, key resource.Key, status map[string]any) error
}

// Witness tells who writes what Meshweir wrote.
type Witness interface {
	// ChangedBy names the others that hold fields of an object which do not stand as wanted, the latest first; none where nobody tells.
	ChangedBy(want *unstructured.Unstructured) []internalv1.FieldManager
}

// Memory keeps, in the cluster itself, how far its output was applied.
type Memory interface {
	LastApplied(kind string) keyspace.Position
	SetLastApplied(kind string, p keyspace.Position) error
}

// Cluster is all that an agent needs of one.
type Cluster interface {
	Source
	Target
	StatusTarget
	Witness
	Memory
	// Lead calls work while no other replica of the agent works for the cluster, again and again until ctx ends or
	// work fails. Between, it calls idle whenever there is news of why there is no work.
	Lead(ctx context.Context, work func(context.Context) error, idle func(Idle)) error
	Close()
}

// Idle is why a replica does not work for its cluster. The zero Idle says that it is about to, or that nothing is known yet.
type Idle struct {
	// Leader is the replica that works in its place.
	Leader string
	// Outage is why the cluster cannot be read, with how to mend it; Since is when that began, zero for now.
	Outage error
	Since  time.Time
}
