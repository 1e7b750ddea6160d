package kubernetes

import (
	"context"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

// release gives the Lease back if it is still ours, so that the next replica need
// not wait for it to run out. If that cannot be done, it runs out.
func (c *candidate) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	record, _, err := c.Get(ctx)
	if err != nil || record.HolderIdentity != c.Identity() {
		return
	}
	now := metav1.Now()
	_ = c.Update(ctx, resourcelock.LeaderElectionRecord{ // of the version that was read, or not at all
		LeaderTransitions: record.LeaderTransitions, LeaseDurationSeconds: 1, RenewTime: now, AcquireTime: now,
	})
}
