package internalv1

import "time"

// States of a [Membership].
const (
	// Registered is the state of a cluster that is expected, whether or not it was ever seen.
	Registered = "registered"
	// Deregistered is the state of a cluster that is no part of the fleet until it is registered again.
	Deregistered = "deregistered"
)

// Membership is what the registry of clusters says of one cluster. A cluster that the registry does not name joins
// the fleet by being there, and is expected while something that is in force was made from it.
type Membership struct {
	// State is [Registered] or [Deregistered].
	State string `json:"state"`
	// UID is the identity of the cluster, as far as it was known. Empty means that it was not.
	UID string `json:"uid,omitempty"`
	// At is when the state was set.
	At time.Time `json:"at"`
}
