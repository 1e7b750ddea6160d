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
	// Outage is why the cluster cannot be read since At: nothing is known of changes until a delivery without one.
	Outage error
	// At is when the change was seen.
	At time.Time
	// Unknown counts, for the whole cluster, the objects of kinds that are not taken, by "Kind[.group]".
	Unknown map[string]int
}

// Recall returns what the stored snapshot holds of files (see [resource.FileAnnotation]):
// a source that starts on a damaged file does not know what was in it.
type Recall func(ctx context.Context, files []string) ([]Object, error)
