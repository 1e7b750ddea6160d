package insights

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/insights/fleet"
)

// source is one value of a snapshot or of the registry.
type source struct {
	object     fleet.Object
	membership internalv1.Membership
}

// followed is all that insights follows: what it computes from, and what is stored of the insights.
type followed struct {
	sources *keyspace.Replica[source]
	reports *keyspace.Replica[internalv1.Applied]
	stored  *keyspace.Replica[insight.Insight]
	synced  chan struct{}
}

// hears is told of what is followed, one step of a keyspace at a time.
type hears struct {
	source func(keyspace.Event[source])
	report func(keyspace.Event[internalv1.Applied])
	stored func(keyspace.Event[insight.Insight])
}

func follow(store *keyspace.Store, to hears) (*followed, error) {
	f := &followed{synced: make(chan struct{})}
	var err error
	f.sources, err = keyspace.NewReplica(store, keyspace.ReplicaConfig[source]{
		Names: []keyspace.Name{RegistryName}, Kinds: []string{snapshotKind, registryKind}, Decode: decodeSource, OnChange: to.source,
	})
	if err != nil {
		return nil, fmt.Errorf("following snapshots: %w", err)
	}
	f.reports, err = keyspace.NewReplica(store, keyspace.ReplicaConfig[internalv1.Applied]{
		Kinds: []string{appliedKind}, Decode: decode[internalv1.Applied], OnChange: to.report,
	})
	if err != nil {
		return nil, fmt.Errorf("following reports: %w", err)
	}
	f.stored, err = keyspace.NewReplica(store, keyspace.ReplicaConfig[insight.Insight]{
		Names: []keyspace.Name{FleetName}, Kinds: []string{Kind}, Decode: decode[insight.Insight], OnChange: to.stored,
	})
	if err != nil {
		return nil, fmt.Errorf("following insights: %w", err)
	}
	return f, nil
}

// decodeSource refuses no object: one that cannot be read says nothing here. Of a cluster whose entry in the registry cannot be read, the last one counts.
func decodeSource(key string, value []byte) (source, error) {
	if !strings.Contains(key, "/") { // the name of a cluster, and so of the registry: all that a snapshot holds has a slash
		membership, err := decode[internalv1.Membership](key, value)
		return source{membership: membership}, err
	}
	object, err := fleet.Decode(key, value)
	if err != nil {
		object.Key, _ = resource.ParseKey(key)
	}
	return source{object: object}, nil
}

func decode[T any](key string, value []byte) (decoded T, err error) {
	if err := json.Unmarshal(value, &decoded); err != nil {
		return decoded, fmt.Errorf("decoding %s: %w", key, err)
	}
	return decoded, nil
}

// Run follows until ctx ends.
func (f *followed) Run(ctx context.Context) error {
	return process.Together(ctx, f.sources.Run, f.reports.Run, f.stored.Run, func(ctx context.Context) error {
		for _, synced := range []<-chan struct{}{f.sources.Synced(), f.reports.Synced(), f.stored.Synced()} {
			select {
			case <-synced:
			case <-ctx.Done():
				return nil
			}
		}
		close(f.synced)
		return nil
	})
}

// Synced is closed once everything that existed at the start was listed.
func (f *followed) Synced() <-chan struct{} { return f.synced }

// WaitFor returns once the state of name that is followed is at or after p, and contains what an entry asked for.
func (f *followed) WaitFor(ctx context.Context, name keyspace.Name, p keyspace.Position, entryID string) error {
	if name.Kind() == appliedKind {
		return f.reports.WaitFor(ctx, name, p, entryID)
	}
	return f.sources.WaitFor(ctx, name, p, entryID)
}

// Told returns the positions up to which the service has heard of what its checks read.
func (f *followed) Told() keyspace.Vector {
	told := f.sources.Told()
	maps.Copy(told, f.reports.Told())
	return told
}
