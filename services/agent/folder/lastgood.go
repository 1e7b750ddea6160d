package folder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/snapshot"
)

// lastGoodDir holds, for each damaged file, the reduced objects that it last
// had: Redis may be empty when the agent starts again. It never holds what a snapshot may not.
const lastGoodDir = ".last-good"

// lastGood is the content of one file there.
type lastGood struct {
	File    string                     `json:"file"`
	Objects map[string]json.RawMessage `json:"objects"`
}

func lastGoodName(file string) string { return path.Join(lastGoodDir, slug(file)+".json") }

// saveLastGood keeps the folder of last good states equal to what is held. It
// must not be called before damaged files were recalled.
func (f *Folder) saveLastGood(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.changed {
		return
	}
	if err := f.syncLastGood(); err != nil {
		f.log.WarnContext(ctx, "last good state of a damaged file is not on disk, a restart needs Redis to know it", "error", err)
	}
}

func (f *Folder) syncLastGood() error {
	var errs []error
	needed := map[string]bool{}
	for name, file := range f.files {
		if !file.damaged || isApplied(name) {
			continue
		}
		needed[path.Base(lastGoodName(name))] = true
		if file.known {
			errs = append(errs, f.writeLastGood(name, file))
		}
	}
	entries, err := fs.ReadDir(f.applied.FS(), lastGoodDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, fmt.Errorf("listing last good states: %w", err))
	}
	for _, entry := range entries {
		if !needed[entry.Name()] {
			errs = append(errs, f.applied.RemoveAll(path.Join(lastGoodDir, entry.Name())))
		}
	}
	return errors.Join(errs...)
}

func (f *Folder) writeLastGood(name string, file *file) error {
	kept := lastGood{File: name, Objects: make(map[string]json.RawMessage, len(file.objects))}
	for key, object := range file.objects {
		kept.Objects[key.String()] = object.Value
	}
	content, err := json.Marshal(kept)
	if err != nil {
		return fmt.Errorf("encoding the last good state of %s: %w", name, err)
	}
	if err := f.applied.Mkdir(lastGoodDir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making the folder for last good states: %w", err)
	}
	return f.write(lastGoodName(name), content)
}

// restore fills a damaged file with its last good state on disk, if there is one.
func (f *Folder) restore(name string) {
	data, err := f.applied.ReadFile(lastGoodName(name))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var kept lastGood
	if err == nil {
		err = json.Unmarshal(data, &kept)
	}
	if err != nil || kept.File != name {
		f.log.Warn("last good state of a damaged file cannot be read", "file", name, "error", err)
		return
	}
	f.files[name].known = true
	for text, value := range kept.Objects {
		if key, err := resource.ParseKey(text); err == nil {
			f.recallInto(name, snapshot.Object{Key: key, Value: value})
		}
	}
}
