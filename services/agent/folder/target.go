package folder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/cluster"
)

// Managed returns the objects that Meshweir wrote, as they stand now. Those
// whose file is damaged, or that stand in a manifest of the user's too, are left out.
func (f *Folder) Managed(context.Context) (map[resource.Key]*unstructured.Unstructured, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	files, err := f.list(".")
	if err != nil {
		return nil, err
	}
	managed := map[resource.Key]*unstructured.Unstructured{}
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(files))) { // the first by name counts
		for _, object := range files[name].objects {
			if key := keyOf(object); files[name].ours && f.takenBy(key) == "" {
				managed[key] = object
			}
		}
	}
	return managed, nil
}

// ChangedBy names nobody: files do not tell who wrote them.
func (*Folder) ChangedBy(*unstructured.Unstructured) []internalv1.FieldManager { return nil }

// Apply makes one object stand as given. It writes only what differs, and
// returns [cluster.ErrConflict] where somebody else's object stands.
func (f *Folder) Apply(_ context.Context, object *unstructured.Unstructured) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := keyOf(object)
	if name := f.takenBy(key); name != "" {
		return fmt.Errorf("applying %s: %w: it is in %s; rename or remove that one", key, cluster.ErrConflict, name)
	}
	name := fileName(key)
	if err := f.writable(name, key); err != nil {
		return err
	}
	if err := f.writeObject(name, object.Object); err != nil {
		return fmt.Errorf("applying %s: %w", key, err)
	}
	return f.removeFiles(key, name)
}

// takenBy returns the manifest of the user's that has an object, and so counts more than what Meshweir wrote; "" for none.
func (f *Folder) takenBy(key resource.Key) string {
	for _, name := range f.claims[key] {
		if !isApplied(name) {
			return name
		}
	}
	return ""
}

// Delete takes away one object that Meshweir wrote. One that is gone already is no error.
func (f *Folder) Delete(_ context.Context, key resource.Key, _ keyspace.Position) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.removeFiles(key, "")
}

// removeFiles removes the files of ours that hold the object and nothing else, but not except. It looks at the files
// in which the object was seen last.
func (f *Folder) removeFiles(key resource.Key, except string) error {
	for _, name := range slices.Clone(f.holders[key]) {
		if name == except {
			continue
		}
		info, err := f.applied.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			f.forget(name)
			continue
		}
		if err != nil {
			return fmt.Errorf("deleting %s: %w", key, err)
		}
		file := f.parseApplied(name, info)
		holds := slices.ContainsFunc(file.objects, func(o *unstructured.Unstructured) bool { return keyOf(o) == key })
		if !file.ours || !holds {
			continue
		}
		if len(file.objects) > 1 {
			return fmt.Errorf("deleting %s: %w: %s holds other objects, too; take them apart", key, cluster.ErrConflict, name)
		}
		if err := f.applied.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("deleting %s: %w", key, err)
		}
		f.forget(name)
	}
	return nil
}

// writable returns an error unless the file is absent, or ours.
func (f *Folder) writable(name string, key resource.Key) error {
	info, err := f.applied.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("applying %s: %w", key, err)
	}
	if file := f.parseApplied(name, info); !file.ours {
		return fmt.Errorf("applying %s: %w: %s lacks the label %s: %s; rename or remove it", key, cluster.ErrConflict, name, resource.ManagedByLabel, resource.ManagedBy)
	}
	return nil
}

// keyOf returns the key under which an object of ours stands in an output.
func keyOf(o *unstructured.Unstructured) resource.Key {
	kind := o.GroupVersionKind()
	return resource.Key{Group: kind.Group, Kind: kind.Kind, Namespace: o.GetNamespace(), Name: o.GetName()}
}

// fileName returns the name of an object's file: "<Kind>[.group]_<namespace>_<name>.yaml".
func fileName(key resource.Key) string {
	name := strings.ReplaceAll(key.String(), "/", "_")
	const longest = 240 // file systems take 255 bytes
	if len(name) > longest {
		sum := sha256.Sum256([]byte(name))
		name = name[:longest-17] + "-" + hex.EncodeToString(sum[:8])
	}
	return name + ".yaml"
}
