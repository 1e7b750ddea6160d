package folder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/cluster"
)

// Statuses returns the statuses that Meshweir wrote, as they stand now.
func (f *Folder) Statuses(context.Context) (map[resource.Key]map[string]any, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	files, err := f.list(statusDir)
	if err != nil {
		return nil, err
	}
	statuses := map[resource.Key]map[string]any{}
	for _, file := range files {
		for _, object := range file.objects {
			if file.ours {
				status, _ := object.Object["status"].(map[string]any)
				statuses[keyOf(object)] = status
			}
		}
	}
	return statuses, nil
}

// SetStatus makes an object's status stand as given. A nil status is taken
// away. It returns [cluster.ErrGone] when no object has the key: a status alone means nothing.
func (f *Folder) SetStatus(_ context.Context, key resource.Key, status map[string]any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := path.Join(statusDir, fileName(key))
	if status == nil {
		if err := f.applied.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the status of %s: %w", key, err)
		}
		f.forget(name)
		return nil
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(f.winner(key)); err != nil {
		return fmt.Errorf("writing the status of %s: %w", key, cluster.ErrGone)
	}
	meta := map[string]any{"name": key.Name, "labels": map[string]any{resource.ManagedByLabel: resource.ManagedBy}}
	if key.Namespace != "" {
		meta["namespace"] = key.Namespace
	}
	if err := f.writable(name, key); err != nil {
		return err
	}
	err := f.writeObject(name, map[string]any{"apiVersion": object.GetAPIVersion(), "kind": key.Kind, "metadata": meta, "status": status})
	if err != nil {
		return fmt.Errorf("writing the status of %s: %w", key, err)
	}
	return nil
}
