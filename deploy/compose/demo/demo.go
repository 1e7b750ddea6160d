// Package demo holds three clusters as folders of manifests, to try Meshweir
// with: a shop whose services run in east and west, and mgmt, from which both
// are managed.
//
// A folder is a cluster, and its manifests are what `kubectl get` would print
// there; README.md says what is in them and what to edit. [Unpack] writes the
// folders to where the agents watch them.
package demo

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed mgmt east west
var manifests embed.FS

// Clusters returns the names of the demo clusters, which are the names of their folders.
func Clusters() []string { return []string{"mgmt", "east", "west"} }

// Manifests returns the three folders, read only.
func Manifests() fs.FS { return manifests }

// Unpack writes the folder of each demo cluster into dir, which it makes when
// needed. A cluster that has a folder in dir already is left as it is, whatever
// the folder holds: it is the user's, with all edits and deletions. Delete a
// cluster's folder to get the original back.
//
// A folder appears complete or not at all, so an interrupted Unpack is mended by the next.
func Unpack(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("making the folder of the demo clusters: %w", err)
	}
	for _, cluster := range Clusters() {
		if err := unpackCluster(dir, cluster); err != nil {
			return fmt.Errorf("unpacking demo cluster %q: %w", cluster, err)
		}
	}
	return nil
}

func unpackCluster(dir, cluster string) (err error) {
	target := filepath.Join(dir, cluster)
	switch _, err := os.Lstat(target); {
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	// Beside the target, so that the rename stays within one file system. The dot keeps it from being taken for a cluster.
	partial, err := os.MkdirTemp(dir, ".unpacking-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(partial)) }()
	folder, err := fs.Sub(manifests, cluster)
	if err != nil {
		return err
	}
	complete := filepath.Join(partial, cluster)
	if err := os.CopyFS(complete, folder); err != nil {
		return err
	}
	return os.Rename(complete, target)
}
