package kubernetes

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/snapshot"
)

// Run delivers what the cluster holds, and then every change, one call of
// deliver at a time, until ctx ends. Changes that come while one delivery is taken are the next one. That the API server
// is away is delivered, too, and that it is back. What a kind that may not be read held before is asked of recall.
func (c *Cluster) Run(ctx context.Context, recall snapshot.Recall, deliver func(snapshot.Delivery)) error {
	m := c.current()
	var running sync.WaitGroup
	defer running.Wait()
	logged := c.logged(ctx)
	running.Go(func() {
		c.discover(logged, m, func(k *kind) {
			ctx, stop := context.WithCancel(logged)
			k.stop = stop
			running.Go(func() {
				defer stop()
				k.run(ctx)
			})
		})
	})
	var away *outage
	for {
		why, since, turn := c.reach.state()
		turned := why != away
		if !turned {
			select {
			case <-m.changed:
			case <-turn:
				continue
			case <-ctx.Done():
				return nil
			}
		}
		away = why
		if err := m.recall(ctx, recall); err != nil {
			return fmt.Errorf("recalling what kinds held that may not be read: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		d, ok := m.take(time.Now())
		if why != nil {
			d.Outage = why
		}
		if turned {
			d.At = since
		}
		if ok || turned {
			deliver(d)
		}
	}
}

func (c *Cluster) current() *mirror {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mirror
}

// listed returns the mirror once the cluster was listed.
func (c *Cluster) listed(ctx context.Context) (*mirror, error) {
	m := c.current()
	select {
	case <-m.synced:
		return m, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// recall fills kinds that could never be read with what the stored snapshot holds of them.
func (m *mirror) recall(ctx context.Context, recall snapshot.Recall) error {
	unknown := m.unknown()
	if len(unknown) == 0 {
		return nil
	}
	kindOf := func(key resource.Key) *kind {
		for _, k := range unknown {
			if k.shownAs(key) {
				return k
			}
		}
		return nil
	}
	objects, err := recall(ctx, func(key resource.Key, _ string) bool { return kindOf(key) != nil })
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range unknown {
		k.recalled = true
	}
	for _, object := range objects {
		n := name{object.Key.Namespace, object.Key.Name}
		k := kindOf(object.Key)
		if _, known := k.objects[n]; known || k.listed || k.ended {
			continue
		}
		k.objects[n] = seen{key: object.Key, hash: xxhash.Sum64(object.Value)}
		m.pending[object.Key] = object.Value
	}
	return nil
}
