package folder

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/snapshot"
)

// Content is what the manifests of a cluster's folder say.
type Content struct {
	// Objects is the snapshot that an agent of the folder would publish of them, by key.
	Objects map[resource.Key][]byte
	// Problems are what is wrong with manifests, by file and line.
	Problems []internalv1.ManifestProblemSpec
	// Unknown counts the objects of kinds that no reader uses, by "Kind.group".
	Unknown map[string]int

	folder *Folder
}

// Read reads the manifests in a folder once, as the agent of a cluster does that finds them for the first time. It writes
// nothing, and what Meshweir wrote elsewhere does not count.
func Read(log *slog.Logger, manifests, cluster string) (Content, error) {
	f, err := newFolder(log, manifests, Config{Cluster: cluster})
	if err != nil {
		return Content{}, fmt.Errorf("reading a cluster's folder: %w", err)
	}
	f.keepDocuments = true
	s := scanner{folder: f, watch: func(string) {}, now: time.Now(), seen: map[string]bool{}}
	if err := s.manifests(); err != nil {
		return Content{}, fmt.Errorf("reading a cluster's folder: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delivery := f.take(s.now)
	c := Content{Objects: map[resource.Key][]byte{}, Unknown: delivery.Unknown, folder: f}
	for _, object := range snapshot.NewBuilder().Update(delivery.Set, nil).Set {
		c.Objects[object.Key] = object.Value
	}
	duplicates := f.duplicates()
	for _, name := range slices.Sorted(maps.Keys(f.files)) {
		c.Problems = append(c.Problems, slices.Concat(f.files[name].problems, duplicates[name])...)
	}
	return c, nil
}

// Place returns the file and the line of a field of an object, whose path consists of names and indexes. Of a field that
// is not written out it is the object's line, and of an object that no manifest holds "" and 0.
func (c Content) Place(key resource.Key, path ...any) (file string, line int) {
	claims := c.folder.claims[key]
	if len(claims) == 0 {
		return "", 0
	}
	at := c.folder.files[claims[0]].places[key]
	if len(path) > 0 && at.text != nil {
		return claims[0], at.text.LineOf(path)
	}
	return claims[0], at.line
}
