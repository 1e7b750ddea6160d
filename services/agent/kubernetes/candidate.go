package kubernetes

import (
	"context"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// candidate is a Lease that tells at once whether it was won or lost: the elector calls its callbacks at some later time.
type candidate struct {
	resourcelock.LeaseLock
	elected atomic.Bool
	// lose ends the work of this replica.
	lose func()
	// renewed is what the Lease said when it was last won or renewed.
	renewed time.Time
}

// RecordEvent is part of [resourcelock.Interface]. The elector calls it at once when it wins or loses.
func (c *candidate) RecordEvent(event string) {
	if event == "became leader" {
		c.elected.Store(true)
	}
}

// Get is part of [resourcelock.Interface]. A leader that does not find the Lease
// as it left it leads no more: another replica took it over while this one was paused, or the whole cluster was set back
// to an earlier day, where the watches of this replica would wait for versions that are long past.
func (c *candidate) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := c.LeaseLock.Get(ctx)
	if c.elected.Load() {
		if apierrors.IsNotFound(err) || err == nil && (record.HolderIdentity != c.Identity() || record.RenewTime.Time.Before(c.renewed)) {
			c.lose()
		}
	}
	return record, raw, err
}

// Create is part of [resourcelock.Interface].
func (c *candidate) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return c.note(record, c.LeaseLock.Create(ctx, record))
}

// Update is part of [resourcelock.Interface].
func (c *candidate) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return c.note(record, c.LeaseLock.Update(ctx, record))
}

func (c *candidate) note(record resourcelock.LeaderElectionRecord, err error) error {
	if err == nil {
		c.renewed = record.RenewTime.Time.Truncate(time.Microsecond) // as a Lease keeps it
	}
	return err
}

// release gives the Lease back if it is still ours, so that the next replica need
// not wait for it to run out. If that cannot be done, it runs out.
func (c *candidate) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	record, _, err := c.LeaseLock.Get(ctx)
	if err != nil || record.HolderIdentity != c.Identity() {
		return
	}
	now := metav1.Now()
	_ = c.LeaseLock.Update(ctx, resourcelock.LeaderElectionRecord{ // of the version that was read, or not at all
		LeaderTransitions: record.LeaderTransitions, LeaseDurationSeconds: 1, RenewTime: now, AcquireTime: now,
	})
}
