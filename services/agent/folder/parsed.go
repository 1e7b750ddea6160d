package folder

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/manifest"
)

// parsedFile is a file of the applied folder, or of its status folder, as it was last read or written. Source and
// target share it.
type parsedFile struct {
	version version
	settled bool
	// sum is that of the content; zero for a file that could not be read.
	sum [sha256.Size]byte
	// docs and problems are what the content says.
	docs     []manifest.Document
	problems []manifest.Problem
	// ours says that the file carries Meshweir's label, even where the rest of it is damaged.
	ours bool
	// objects are those of docs; none of a file that is damaged.
	objects []*unstructured.Unstructured
}

// list reads the manifests of the applied folder, or of its status folder, by
// their paths. Files that have not changed are not read again.
func (f *Folder) list(dir string) (map[string]parsedFile, error) {
	entries, err := fs.ReadDir(f.applied.FS(), dir)
	if err != nil {
		return nil, fmt.Errorf("listing what was applied: %w", err)
	}
	files := make(map[string]parsedFile, len(entries))
	for _, entry := range entries {
		name := path.Join(dir, entry.Name())
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() || !IsManifest(name) || strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		files[name] = f.parseApplied(name, info)
	}
	for name := range f.parsed {
		if _, ok := files[name]; !ok && path.Dir(name) == dir {
			f.forget(name)
		}
	}
	return files, nil
}

// parseApplied returns a file of the applied folder, from memory if it has not changed.
func (f *Folder) parseApplied(name string, info fs.FileInfo) parsedFile {
	now := versionOf(info)
	if old, ok := f.parsed[name]; ok && old.settled && old.version.same(now) {
		return old
	}
	data, err := read(f.applied, name, now, f.cfg.MaxFileBytes)
	if err != nil {
		f.forget(name)
		return parsedFile{}
	}
	return f.parseContent(name, now, time.Now(), data)
}

// parseContent returns what the content of a file of the applied folder says, from memory if it is the same.
func (f *Folder) parseContent(name string, v version, now time.Time, data []byte) parsedFile {
	sum := sha256.Sum256(data)
	file, known := f.parsed[name]
	if !known || file.sum != sum {
		docs, problems := manifest.Read(data)
		file = newParsedFile(sum, docs, problems)
		if len(file.objects) == 0 { // damaged: then the text must do
			file.ours = file.ours && bytes.Contains(data, []byte(resource.ManagedByLabel+": "+resource.ManagedBy))
		}
	}
	file.version, file.settled = v, now.Sub(v.changed) > settledAfter
	f.remember(name, file)
	return file
}

func newParsedFile(sum [sha256.Size]byte, docs []manifest.Document, problems []manifest.Problem) parsedFile {
	file := parsedFile{sum: sum, docs: docs, problems: problems, ours: true}
	for _, doc := range docs {
		file.ours = file.ours && labelled(doc.Object)
		if len(problems) == 0 {
			file.objects = append(file.objects, doc.Object)
		}
	}
	return file
}

// labelled reports whether an object carries Meshweir's label.
func labelled(o *unstructured.Unstructured) bool {
	return o.GetLabels()[resource.ManagedByLabel] == resource.ManagedBy
}

func (f *Folder) remember(name string, file parsedFile) {
	f.forget(name)
	f.parsed[name] = file
	if path.Dir(name) == "." { // what stands in the status folder is no object
		for _, object := range file.objects {
			f.holders[keyOf(object)] = append(f.holders[keyOf(object)], name)
		}
	}
}

func (f *Folder) forget(name string) {
	for _, object := range f.parsed[name].objects {
		key := keyOf(object)
		f.holders[key] = slices.DeleteFunc(f.holders[key], func(holder string) bool { return holder == name })
		if len(f.holders[key]) == 0 {
			delete(f.holders, key)
		}
	}
	delete(f.parsed, name)
}
