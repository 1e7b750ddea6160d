package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/translator"
)

// Kinds of the keyspaces of one cluster; their instance is the cluster.
const (
	snapshotKind = "snapshot"
	appliedKind  = "applied"
	outputKind   = "output"
	statusKind   = "status"
)

// States of a cluster, as its operator sees it.
const (
	// connected means that an agent works for the cluster.
	connected = "connected"
	// unreadable means that an agent works for it, and cannot read it.
	unreadable = "unreadable"
	// silent means that no agent works for it; what it held is known.
	silent = "silent"
	// expected means that nothing is known of it, and that it is registered or something in force was made from it.
	expected = "expected"
	// deregistered means that it is no part of the fleet, whatever its agent does.
	deregistered = internalv1.Deregistered
)

// cluster is what is known of one cluster.
type cluster struct {
	Name  string `json:"name"`
	State string `json:"state"`
	// Since is when the agent started or could read no more, when a silent cluster changed last, or when the registry got its entry; zero when nobody knows.
	Since time.Time `json:"since,omitzero"`
	// UID is the identity that the name is bound to.
	UID string `json:"uid,omitempty"`
	// SameAs are other clusters of the fleet with that identity: they are the same one under other names.
	SameAs []string `json:"sameAs,omitempty"`
	// Revision is that of the snapshot.
	Revision uint64 `json:"revision"`
	// Objects is the number of objects in the snapshot.
	Objects int `json:"objects"`
	// Results counts the objects of the output by what became of them.
	Results map[string]int `json:"results,omitempty"`
	// AgentVersion is that of the agent that works for the cluster, whatever its state; empty when none does.
	AgentVersion string `json:"agentVersion,omitempty"`
	// Outage says why that agent cannot read the cluster, since OutageSince; empty when it can.
	Outage      string    `json:"outage,omitempty"`
	OutageSince time.Time `json:"outageSince,omitzero"`
	// Feeds counts the objects in force that were made from this cluster, by the other cluster that they are in.
	Feeds map[string]int `json:"feeds,omitempty"`
}

// roster is the whole fleet, by name.
type roster map[string]*cluster

func (r roster) at(name string) *cluster {
	c := r[name]
	if c == nil {
		c = &cluster{Name: name, State: expected}
		r[name] = c
	}
	return c
}

func (r roster) sorted() []*cluster {
	return slices.SortedFunc(maps.Values(r), func(a, b *cluster) int { return cmp.Compare(a.Name, b.Name) })
}

// readRoster reads what Redis knows of all clusters.
func readRoster(ctx context.Context, store *keyspace.Store) (roster, error) {
	r := roster{}
	for _, read := range []func(context.Context, *keyspace.Store) error{r.readSnapshots, r.readResults, r.readBeats, r.readRegistry} {
		if err := read(ctx, store); err != nil {
			return nil, fmt.Errorf("reading what is known of the clusters: %w", err)
		}
	}
	r.markTwins()
	return r, nil
}

// markTwins notes which clusters are one.
func (r roster) markTwins() {
	uids := map[string]string{}
	for name, c := range r {
		if c.State != deregistered {
			uids[name] = c.UID
		}
	}
	for name, others := range twins(uids) {
		r[name].SameAs = others
	}
}

func (r roster) readSnapshots(ctx context.Context, store *keyspace.Store) error {
	return keyspace.Once(ctx, store, keyspace.ReplicaConfig[[]string]{
		Kinds: []string{snapshotKind}, Decode: func(_ string, value []byte) ([]string, error) { return sourceClusters(value), nil },
	}, func(v keyspace.View[[]string]) {
		for _, name := range v.Names() {
			meta := v.Meta(name)
			if !meta.Exists() {
				continue
			}
			c := r.at(name.Instance())
			c.State, c.Since, c.UID, c.Revision, c.Objects = silent, meta.ChangedAt.UTC(), meta.Owner, meta.Revision, v.Len(name)
			for _, sources := range v.All(name) {
				r.feed(sources, c.Name)
			}
		}
	})
}

// feed notes that an object in a cluster was made from others.
func (r roster) feed(sources []string, in string) {
	for _, source := range sources {
		if source == in {
			continue
		}
		c := r.at(source)
		if c.Feeds == nil {
			c.Feeds = map[string]int{}
		}
		c.Feeds[in]++
	}
}

// sourceClusters returns the clusters that a live object was made from; none for one that Meshweir did not write.
func sourceClusters(value []byte) []string {
	if !bytes.Contains(value, []byte(resource.SourceClustersAnnotation)) {
		return nil
	}
	var object struct {
		Metadata struct{ Labels, Annotations map[string]string }
	}
	if json.Unmarshal(value, &object) != nil || object.Metadata.Labels[resource.ManagedByLabel] != resource.ManagedBy {
		return nil
	}
	return slices.DeleteFunc(strings.Split(object.Metadata.Annotations[resource.SourceClustersAnnotation], ","), func(s string) bool { return s == "" })
}

// readFeeds reads which clusters what is wanted in others was made from, and nothing else of them. What is held is wanted as it stands.
func readFeeds(ctx context.Context, store *keyspace.Store) (roster, error) {
	r := roster{}
	err := keyspace.Once(ctx, store, keyspace.ReplicaConfig[[]string]{
		Kinds: []string{outputKind}, Decode: func(_ string, value []byte) ([]string, error) { return sourceClusters(value), nil },
	}, func(v keyspace.View[[]string]) {
		for _, name := range v.Names() {
			for _, sources := range v.All(name) {
				r.feed(sources, name.Instance())
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("reading what outputs were made from: %w", err)
	}
	return r, nil
}

func (r roster) readResults(ctx context.Context, store *keyspace.Store) error {
	var names []keyspace.Name
	for name := range r {
		names = append(names, keyspace.Name(appliedKind+"/"+name))
	}
	if len(names) == 0 {
		return nil
	}
	return keyspace.Once(ctx, store, keyspace.ReplicaConfig[internalv1.Applied]{Names: names, Decode: decodeJSON[internalv1.Applied]},
		func(v keyspace.View[internalv1.Applied]) {
			for _, name := range names {
				c := r[name.Instance()]
				for _, applied := range v.All(name) {
					if c.Results == nil {
						c.Results = map[string]int{}
					}
					c.Results[string(applied.Result)]++
				}
			}
		})
}

func (r roster) readBeats(ctx context.Context, store *keyspace.Store) error {
	var names []keyspace.Name
	for name := range r {
		names = append(names, keyspace.Name(snapshotKind+"/"+name))
	}
	beats, err := store.Beats(ctx, names...)
	for name, value := range beats {
		beat, err := decodeJSON[internalv1.Heartbeat]("", value)
		if err != nil || beat.Version == "" {
			continue // nobody's, or one that was just taken back
		}
		c := r[name.Instance()]
		c.State, c.Since, c.AgentVersion = connected, beat.StartedAt, beat.Version
		if beat.Outage != "" {
			c.State, c.Since, c.Outage, c.OutageSince = unreadable, beat.OutageSince, beat.Outage, beat.OutageSince
		}
	}
	return err
}

func (r roster) readRegistry(ctx context.Context, store *keyspace.Store) error {
	members, err := readMembers(ctx, store)
	for name, m := range members {
		c := r.at(name)
		c.UID = cmp.Or(c.UID, m.UID)
		switch {
		case m.State == internalv1.Deregistered:
			c.State, c.Since = deregistered, m.At
		case c.State == expected:
			c.Since = m.At
		}
	}
	return err
}

func readMembers(ctx context.Context, store *keyspace.Store) (map[string]internalv1.Membership, error) {
	var members map[string]internalv1.Membership
	err := keyspace.Once(ctx, store, keyspace.ReplicaConfig[internalv1.Membership]{
		Names: []keyspace.Name{translator.RegistryName}, Decode: decodeJSON[internalv1.Membership],
	}, func(v keyspace.View[internalv1.Membership]) { members = maps.Collect(v.All(translator.RegistryName)) })
	return members, err
}

// clusterNames returns the names of the clusters that have an entry in the registry or have published anything: what can be told at once.
func clusterNames(ctx context.Context, store *keyspace.Store) ([]string, error) {
	known, err := knownClusters(ctx, store)
	return slices.Sorted(maps.Keys(known)), err
}

// memberNames returns those of the clusterNames that are not deregistered.
func memberNames(ctx context.Context, store *keyspace.Store) ([]string, error) {
	known, err := knownClusters(ctx, store)
	maps.DeleteFunc(known, func(_ string, m internalv1.Membership) bool { return m.State == internalv1.Deregistered })
	return slices.Sorted(maps.Keys(known)), err
}

// knownClusters returns what the registry says of each cluster that it has or that has published anything.
func knownClusters(ctx context.Context, store *keyspace.Store) (map[string]internalv1.Membership, error) {
	known := map[string]internalv1.Membership{}
	spaces, err := store.Names(ctx, snapshotKind)
	if err != nil {
		return known, err
	}
	for _, name := range spaces {
		known[name.Instance()] = internalv1.Membership{}
	}
	members, err := readMembers(ctx, store)
	maps.Copy(known, members)
	return known, err
}

func decodeJSON[T any](_ string, value []byte) (T, error) {
	var v T
	err := json.Unmarshal(value, &v)
	return v, err
}
