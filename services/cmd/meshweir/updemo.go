package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/meshweir/meshweir/deploy/compose/demo"
	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/schemas/internalv1"
)

// refuseToJoin returns an error where a Redis holds clusters that are not the demo's: its clusters would become a part of that
// fleet, and what is in the ones would be written into the others.
func refuseToJoin(ctx context.Context, log *slog.Logger, control string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, errors.New("it took longer than 30s"))
	defer cancel()
	conn, err := redisconn.Open(log, control, redisconn.Options{Name: "meshweir-up"})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.Client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("seeing whether %s holds a fleet: %w; start it, or see the address", conn, cmp.Or(context.Cause(ctx), err))
	}
	store, err := storeOf(log, conn)
	if err != nil {
		return err
	}
	found, err := strangers(ctx, store)
	if err != nil {
		return fmt.Errorf("seeing whether %s holds a fleet: %w", conn, err)
	}
	if len(found) > 0 {
		return fmt.Errorf("%s holds a fleet: %s. The demo clusters %s would become a part of it, and what is in the ones would be written into the others: "+
			"name a Redis of its own for the demo, give your own folders with --clusters, or say --join", conn, list(found), list(demo.Clusters()))
	}
	return nil
}

// strangers returns the clusters of the fleet that Redis holds, but for those that are the demo's by name and by identity.
func strangers(ctx context.Context, store *keyspace.Store) ([]string, error) {
	known, err := knownClusters(ctx, store)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, name := range slices.Sorted(maps.Keys(known)) {
		m := known[name]
		meta, err := store.Meta(ctx, keyspace.Name(snapshotKind+"/"+name))
		if err != nil {
			return nil, err
		}
		uid := cmp.Or(meta.Owner, m.UID)
		nobodys := uid == "" && m.State != internalv1.Registered // a name in the directory, and nothing behind it
		if m.State != internalv1.Deregistered && !nobodys && !ofDemo(name, uid) {
			found = append(found, name)
		}
	}
	return found, nil
}

// ofDemo reports whether a cluster is the demo's.
func ofDemo(name, uid string) bool {
	if uid == "" || !slices.Contains(demo.Clusters(), name) {
		return false
	}
	namespaces, err := fs.ReadFile(demo.Manifests(), name+"/cluster/namespaces.yaml")
	return err == nil && strings.Contains(string(namespaces), "uid: "+uid+"\n")
}
