package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/meshweir/meshweir/services/agent/cluster"
)

// candidate is a Lease that tells what the elector tells later or not at all: that it was won or lost, who has it, and why it cannot be had.
type candidate struct {
	resourcelock.LeaseLock
	reach *reach
	// lose ends the work of this replica.
	lose func()
	// news is signalled when leader or trouble changes.
	news chan struct{}

	mu      sync.Mutex // guards what follows
	elected bool
	leader  string
	trouble *outage
	// renewed is what the Lease said when it was last won or renewed.
	renewed time.Time
}

// Get is part of [resourcelock.Interface]. A leader that does not find the Lease
// as it left it leads no more: another replica took it over while this one was paused, or the whole cluster was set back
// to an earlier day, where the watches of this replica would wait for versions that are long past.
func (c *candidate) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := c.LeaseLock.Get(ctx)
	switch {
	case err != nil && !apierrors.IsNotFound(err):
		c.failed(err)
	case err == nil && record.HolderIdentity != "" && record.HolderIdentity != c.Identity():
		c.note(func() { c.leader, c.trouble = record.HolderIdentity, nil })
	}
	if leads, renewed := c.won(); leads && (apierrors.IsNotFound(err) || err == nil && (record.HolderIdentity != c.Identity() || record.RenewTime.Time.Before(renewed))) {
		c.lose()
	}
	return record, raw, err
}

// Create is part of [resourcelock.Interface].
func (c *candidate) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return c.wrote(record, c.LeaseLock.Create(ctx, record))
}

// Update is part of [resourcelock.Interface].
func (c *candidate) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return c.wrote(record, c.LeaseLock.Update(ctx, record))
}

// RecordEvent is part of [resourcelock.Interface]. The elector calls it at once when it wins or loses.
func (c *candidate) RecordEvent(event string) {
	if event == "became leader" {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.elected = true
	}
}

// won reports whether the Lease was won, and what it said when it was last renewed.
func (c *candidate) won() (elected bool, renewed time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.elected, c.renewed
}

func (c *candidate) wrote(record resourcelock.LeaderElectionRecord, err error) error {
	switch {
	case err == nil:
		renewed := record.RenewTime.Time.Truncate(time.Microsecond) // as a Lease keeps it
		c.note(func() { c.leader, c.trouble, c.renewed = "", nil, renewed })
	case !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err):
		c.failed(err)
	}
	return err
}

// failed takes that the Lease cannot be had: for want of an answer, or because of the answer.
func (c *candidate) failed(err error) {
	c.reach.suspect()
	if answer := apierrors.APIStatus(nil); errors.As(err, &answer) {
		c.note(func() {
			c.leader, c.trouble = "", &outage{
				fmt.Sprintf("the agent cannot have its Lease %s", c.Describe()), err,
				"its Namespace must exist, and it must have the rights of deploy/k8s/base/agent",
			}
		})
	}
}

func (c *candidate) note(what func()) {
	c.mu.Lock()
	what()
	c.mu.Unlock()
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// idle returns why the candidate is not elected, as far as is known.
func (c *candidate) idle() cluster.Idle {
	why, since, _ := c.reach.state()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case why != nil:
		return cluster.Idle{Outage: why, Since: since}
	case c.trouble != nil:
		return cluster.Idle{Outage: c.trouble}
	default:
		return cluster.Idle{Leader: c.leader}
	}
}

// tell calls idle with why the candidate is not elected, whenever there is news of it, until ctx ends.
func (c *candidate) tell(ctx context.Context, idle func(cluster.Idle)) {
	var told string
	for {
		_, _, turn := c.reach.state()
		now := c.idle()
		if text := fmt.Sprint(now.Leader, now.Outage); text != told {
			told = text
			idle(now)
		}
		select {
		case <-turn:
		case <-c.news:
		case <-ctx.Done():
			return
		}
	}
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
