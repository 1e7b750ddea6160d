package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/services/insights"
	"github.com/meshweir/meshweir/services/translator"
	"github.com/meshweir/meshweir/services/ui/view"
)

// register makes a cluster a part of the fleet. It reports whether it was one by registration before.
func register(ctx context.Context, store *keyspace.Store, name string, now time.Time) (already bool, err error) {
	return setMember(ctx, store, name, internalv1.Registered, now)
}

// setMember writes the registry's entry of a cluster, unless it says so already.
func setMember(ctx context.Context, store *keyspace.Store, name, state string, now time.Time) (already bool, err error) {
	snapshot, err := store.Meta(ctx, keyspace.Name(snapshotKind+"/"+name))
	if err != nil {
		return false, err
	}
	err = store.Shared(translator.RegistryName).Update(ctx, name, func(old []byte) ([]byte, error) {
		was, err := decodeJSON[internalv1.Membership](name, old)
		if already = err == nil && was.State == state; already {
			return old, nil
		}
		entry := internalv1.Membership{State: state, UID: snapshot.Owner, At: now.UTC().Truncate(time.Second)}
		if entry.UID == "" && state == internalv1.Deregistered {
			entry.UID = was.UID
		}
		return json.Marshal(entry)
	})
	if redis.IsPermissionError(err) {
		err = fmt.Errorf("%w; registering and deregistering take a Redis user that may write and drop keyspaces: meshweir-admin, or your own", err)
	}
	return already, err
}

// deregister takes a cluster out of the fleet: first by its entry in the registry, which alone has the
// whole effect, then by dropping what is known of it. In between, shutOut ends what its agent may do.
func deregister(ctx context.Context, store *keyspace.Store, name string, force bool, now time.Time, shutOut func() error) (*cluster, error) {
	fleet, err := readRoster(ctx, store)
	if err != nil {
		return nil, err
	}
	c := fleet[name]
	if c == nil {
		if !force {
			return nil, fmt.Errorf("deregistering %q: no such cluster is known: the clusters are %s; --force says that it is no part of the fleet nevertheless",
				name, list(slices.Sorted(maps.Keys(fleet))))
		}
		c = fleet.at(name)
	}
	if c.AgentVersion != "" && !force {
		return nil, fmt.Errorf("deregistering %q: an agent works for it; stop the agent first (it counts as gone 15 s after it was killed), or say --force: then the cluster is out while its agent goes on", name)
	}
	if _, err := setMember(ctx, store, name, internalv1.Deregistered, now); err != nil {
		return nil, err
	}
	if err := shutOut(); err != nil {
		return nil, fmt.Errorf("%q is deregistered, and its agent is not shut out: %w", name, err)
	}
	// The snapshot first: nobody can write an output without it.
	for _, of := range keyspacesOf(name) {
		if err := store.Drop(ctx, of); err != nil {
			return nil, fmt.Errorf("%q is deregistered, and what is known of it is not all dropped: %w; give the command again", name, err)
		}
	}
	return c, nil
}

// keyspacesOf returns the keyspaces of a cluster. The snapshot comes first, the pictures that are made of the others come last.
func keyspacesOf(cluster string) []keyspace.Name {
	var names []keyspace.Name
	for _, kind := range []string{snapshotKind, appliedKind, outputKind, statusKind, insights.Kind} {
		if of := keyspace.Name(kind + "/" + cluster); of != insights.FleetName { // of a cluster of that name: what is said of it closes by itself
			names = append(names, of)
		}
	}
	for _, nameOf := range []func(string) (keyspace.Name, error){view.ResourcesName, view.HistoryName} {
		if of, err := nameOf(cluster); err == nil { // a name that is too long has none
			names = append(names, of)
		}
	}
	return names
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
