package devgateway

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/devgateway/routing"
)

// settle is how long changes are gathered before a cluster is compiled again.
const settle = 20 * time.Millisecond

// followed is what is followed, and what of it is to be compiled again.
type followed struct {
	outputs   *keyspace.Replica[routing.Object]
	endpoints *keyspace.Replica[routing.Object]
	changed   chan struct{} // of one; says that dirty is not empty

	mu    sync.Mutex // guards dirty
	dirty map[string]bool
}

func follow(store *keyspace.Store, clusters []string) (*followed, error) {
	f := &followed{changed: make(chan struct{}, 1), dirty: map[string]bool{}}
	replica := func(kind string, decode func(string, []byte) (routing.Object, error)) (*keyspace.Replica[routing.Object], error) {
		cfg := keyspace.ReplicaConfig[routing.Object]{Decode: decode, OnChange: f.note}
		for _, cluster := range clusters {
			name, err := keyspace.NewName(kind, cluster)
			if err != nil {
				return nil, err
			}
			cfg.Names = append(cfg.Names, name)
		}
		if len(clusters) == 0 {
			cfg.Kinds = []string{kind}
		}
		return keyspace.NewReplica(store, cfg)
	}
	var err error
	if f.outputs, err = replica(outputKind, routing.Decode); err != nil {
		return nil, fmt.Errorf("following outputs: %w", err)
	}
	if f.endpoints, err = replica(snapshotKind, decodeEndpoint); err != nil {
		return nil, fmt.Errorf("following snapshots: %w", err)
	}
	return f, nil
}

// decodeEndpoint reads Services and EndpointSlices, and of all else the key.
func decodeEndpoint(text string, value []byte) (routing.Object, error) {
	if strings.HasPrefix(text, "Service/") || strings.HasPrefix(text, "EndpointSlice.") {
		return routing.Decode(text, value)
	}
	key, err := resource.ParseKey(text)
	return routing.Object{Key: key}, err
}

// note marks a cluster for being compiled again.
func (f *followed) note(e keyspace.Event[routing.Object]) {
	if e.Relisted == "" && !slices.ContainsFunc(e.Changes, func(c keyspace.Change[routing.Object]) bool { return counts(c.Old) || counts(c.New) }) {
		return
	}
	f.mu.Lock()
	f.dirty[e.Name.Instance()] = true
	f.mu.Unlock()
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// take returns the clusters that are to be compiled again, once they have settled; none when ctx ends.
func (f *followed) take(ctx context.Context) []string {
	select {
	case <-f.changed:
	case <-ctx.Done():
		return nil
	}
	timer := time.NewTimer(settle)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	clusters := slices.Sorted(maps.Keys(f.dirty))
	clear(f.dirty)
	return clusters
}

// objects returns the objects of a keyspace; false while it is not known what they are.
func objects(replica *keyspace.Replica[routing.Object], name keyspace.Name) (found []routing.Object, known bool) {
	replica.View(func(v keyspace.View[routing.Object]) {
		meta := v.Meta(name)
		if known = meta.Exists() && meta.Complete; !known {
			return
		}
		for _, object := range v.All(name) {
			if counts(object) {
				found = append(found, object)
			}
		}
	})
	return found, known
}

// counts reports whether the gateway has a use for an object.
func counts(o routing.Object) bool { return o.Spec != nil || o.Err != nil }
