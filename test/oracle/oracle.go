// Package oracle knows what every cluster should have been given: what the
// translator's pure function makes of the snapshots that a Redis holds. The tests
// of the whole compare it with what the clusters have.
package oracle

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/services/translator"
)

// Wanted returns the specs that clusters should have, by cluster and object. A
// snapshot that is not complete is an error.
func Wanted(ctx context.Context, store *keyspace.Store, clusters ...string) (map[string]map[string]any, error) {
	var names []keyspace.Name
	for _, cluster := range clusters {
		names = append(names, keyspace.Name("snapshot/"+cluster))
	}
	snapshots, err := Values(ctx, store, names...)
	if err != nil {
		return nil, err
	}
	inputs := translator.Inputs{Clusters: map[string]translator.Cluster{}}
	for _, name := range names {
		values, complete := snapshots[name]
		if !complete {
			return nil, fmt.Errorf("%s is not complete", name)
		}
		cluster := translator.Cluster{Complete: true, Objects: map[string]translator.Object{}}
		for key, value := range values {
			cluster.Objects[key], _ = translator.Decode(key, []byte(value)) // the problem is in the object
		}
		inputs.Clusters[name.Instance()] = cluster
	}
	wanted := map[string]map[string]any{}
	for cluster, objects := range translator.Translate(inputs).Objects {
		wanted[cluster] = map[string]any{}
		for key, value := range objects {
			var object map[string]any
			if err := json.Unmarshal(value, &object); err != nil {
				return nil, err
			}
			wanted[cluster][key.String()] = object["spec"]
		}
	}
	return wanted, nil
}

// Values reads the whole of keyspaces, and leaves out those that are not complete.
func Values(ctx context.Context, store *keyspace.Store, names ...keyspace.Name) (map[keyspace.Name]map[string]string, error) {
	found := map[keyspace.Name]map[string]string{}
	err := keyspace.Once(ctx, store, keyspace.ReplicaConfig[string]{
		Names: names, Decode: func(_ string, value []byte) (string, error) { return string(value), nil },
	}, func(v keyspace.View[string]) {
		for _, name := range names {
			if v.Meta(name).Complete {
				found[name] = maps.Collect(v.All(name))
			}
		}
	})
	return found, err
}
