package agent

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/snapshot"
)

// recall returns what the stored snapshot holds of what is wanted, see [snapshot.Recall]. It waits for Redis.
func (a *Agent) recall(ctx context.Context, wanted func(resource.Key, string) bool) ([]snapshot.Object, error) {
	type stored struct {
		file  string
		value []byte
	}
	var objects []snapshot.Object
	err := keyspace.Once(ctx, a.store, keyspace.ReplicaConfig[stored]{
		Names: []keyspace.Name{a.names.snapshot},
		Decode: func(_ string, value []byte) (stored, error) {
			var object struct {
				Metadata struct {
					Annotations map[string]string `json:"annotations"`
				} `json:"metadata"`
			}
			err := json.Unmarshal(value, &object)
			return stored{object.Metadata.Annotations[resource.FileAnnotation], slices.Clone(value)}, err
		},
	}, func(v keyspace.View[stored]) {
		for text, s := range v.All(a.names.snapshot) {
			key, err := resource.ParseKey(text)
			if err == nil && wanted(key, s.file) {
				objects = append(objects, snapshot.Object{Key: key, Value: s.value})
			}
		}
	})
	return objects, err
}
