package snapshot

import (
	"context"
	"time"

	"github.com/meshweir/meshweir/schemas/resource"
)

// Delivery is what a source saw at one time: first everything that a cluster holds, then changes.
type Delivery struct {
	// Deleted happened before Set.
	Deleted []resource.Key
	Set     []Object
	// Synced says that everything that exists has now been delivered once.
	Synced bool
	// Outage is why the cluster cannot be read: little is known of changes until a delivery without one.
	Outage error
	// At is when the change was seen, or when the outage began or ended.
	At time.Time
	// Unknown counts, for the whole cluster, the objects of kinds that are not taken, by "Kind[.group]".
	Unknown map[string]int
	// Unread says, for the whole cluster and by "Kind[.group]", why kinds that are taken cannot be read now.
	Unread map[string]string
}

// Recall returns the objects of the stored snapshot that are wanted. A source asks for what it
// cannot read at its start: what a damaged file held (see [resource.FileAnnotation]; empty for no file), or all of a kind.
type Recall func(ctx context.Context, wanted func(key resource.Key, file string) bool) ([]Object, error)
