package kubernetes

import (
	"sync/atomic"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// candidate is a Lease that tells whether it was won: the elector calls its callbacks at some later time.
type candidate struct {
	resourcelock.LeaseLock
	elected atomic.Bool
}

// RecordEvent is part of [resourcelock.Interface]. The elector calls it at once when it wins or loses.
func (c *candidate) RecordEvent(event string) {
	if event == "became leader" {
		c.elected.Store(true)
	}
}
