package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/services/agent/cluster"
)

// Lead calls work while this replica holds the Lease, again and again until ctx ends or
// work fails; work that another replica has overtaken has not failed. When the Lease is lost, because the API server could not be
// reached for most of its duration or because it is not as this replica left it, work's context ends. The Lease is
// given back once work has returned. While there is no work, idle is told why.
func (c *Cluster) Lead(ctx context.Context, work func(context.Context) error, idle func(cluster.Idle)) error {
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	asking.Go(func() { c.reach.run(ctx) })
	defer asking.Wait()
	defer cancel()
	for ctx.Err() == nil {
		if err := c.term(ctx, work, idle); err != nil {
			return err
		}
		if !pause(ctx, cluster.Backoff(1)) {
			break
		}
	}
	return nil
}

// term campaigns, and works once elected, until the Lease is lost or ctx ends.
func (c *Cluster) term(ctx context.Context, work func(context.Context) error, idle func(cluster.Idle)) (err error) {
	held, lose := context.WithCancel(ctx)
	defer lose()
	// The elector's own context outlives ctx until work has returned.
	campaign, stop := context.WithCancel(c.logged(context.WithoutCancel(ctx)))
	defer stop()
	candidate := &candidate{
		LeaseLock: resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: c.cfg.Namespace, Name: Name},
			Client:     c.leases,
			LockConfig: resourcelock.ResourceLockConfig{Identity: c.cfg.Replica},
		},
		reach: c.reach, lose: lose, news: make(chan struct{}, 1),
	}
	idling, elected := context.WithCancel(ctx)
	var telling sync.WaitGroup
	telling.Go(func() { candidate.tell(idling, idle) })
	defer telling.Wait()
	defer elected()

	done := make(chan struct{})
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		// Not ReleaseOnCancel: it tells of a lost Lease only once it has tried to give it back, when another replica may lead.
		Lock: candidate, Name: Name,
		LeaseDuration: c.cfg.Lease, RenewDeadline: c.cfg.Lease * 2 / 3, RetryPeriod: c.cfg.Lease * 2 / 15,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(leading context.Context) {
				defer close(done)
				defer stop()
				elected()
				telling.Wait()
				defer context.AfterFunc(leading, lose)()
				if err = c.lead(held, work); errors.Is(err, keyspace.ErrOvertaken) {
					c.log.WarnContext(ctx, "another replica took over, this one stands for the lead again", "error", err)
					err = nil
				}
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return fmt.Errorf("standing for the lead: %w", err)
	}
	defer context.AfterFunc(ctx, func() {
		if won, _ := candidate.won(); !won {
			stop()
		}
	})()
	elector.Run(campaign)
	if won, _ := candidate.won(); won {
		<-done
		candidate.release(campaign)
	}
	return err
}

// lead works with a mirror and a memory that begin anew: another replica may have led meanwhile.
func (c *Cluster) lead(ctx context.Context, work func(context.Context) error) error {
	c.mu.Lock()
	c.mirror = c.newMirror()
	c.mu.Unlock()
	if c.remember(ctx); ctx.Err() != nil {
		return nil
	}
	c.log.InfoContext(ctx, "this replica leads", "replica", c.cfg.Replica)
	return work(ctx)
}
