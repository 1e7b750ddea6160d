package folder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/snapshot"
)

// Run delivers what the cluster holds, and then every change, one call of
// deliver at a time, until ctx ends. What a damaged file held before is asked of recall.
func (f *Folder) Run(ctx context.Context, recall snapshot.Recall, deliver func(snapshot.Delivery)) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		// The limits of the system are reached; looking every now and then must do.
		f.log.WarnContext(ctx, "folder cannot be watched, it is only looked through", "dir", f.manifestDir(), "every", f.cfg.Rescan.String(), "error", err)
	} else {
		defer watcher.Close()
	}
	w := watch{folder: f, watcher: watcher}
	for synced := false; ; {
		settled, err := w.scan(ctx)
		if err == nil && !synced {
			err = f.recall(ctx, recall)
		}
		if ctx.Err() != nil {
			return nil
		}
		turned := w.outage(ctx, err)
		if err == nil {
			f.saveLastGood(ctx)
			if d := f.delivery(!synced); d.Synced || turned || len(d.Set)+len(d.Deleted) > 0 {
				deliver(d)
			}
			synced = true
		} else if turned {
			deliver(snapshot.Delivery{At: time.Now(), Outage: err})
		}
		if !w.wait(ctx, settled) {
			return nil
		}
	}
}

func (f *Folder) delivery(synced bool) snapshot.Delivery {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.take(time.Now())
	d.Synced = synced
	return d
}

// recall fills damaged files whose content was never known with what the stored snapshot holds of them.
func (f *Folder) recall(ctx context.Context, recall snapshot.Recall) error {
	f.mu.Lock()
	unsure := map[string]bool{}
	for name, file := range f.files {
		if file.damaged && !isApplied(name) {
			unsure[name] = true
		}
	}
	f.mu.Unlock()
	if len(unsure) == 0 {
		return nil
	}
	f.log.InfoContext(ctx, "asking the stored snapshot what damaged files held", "files", slices.Sorted(maps.Keys(unsure)))
	objects, err := recall(ctx, func(_ resource.Key, file string) bool { return unsure[file] })
	if err != nil {
		return fmt.Errorf("recalling what damaged files held: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, object := range objects {
		name := fileOf(object)
		if file := f.files[name]; file != nil && file.damaged {
			f.recallInto(name, object)
		}
	}
	for name := range unsure {
		if file := f.files[name]; file != nil && file.damaged && !file.known {
			f.restore(name)
		}
	}
	f.changed = true
	return nil
}

// recallInto holds an object that a damaged file had.
func (f *Folder) recallInto(name string, object snapshot.Object) {
	file := f.files[name]
	file.known = true
	if _, found := file.objects[object.Key]; !found {
		file.keep(object)
		f.claim(object.Key, name)
	}
}

func fileOf(object snapshot.Object) string {
	var meta struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	if json.Unmarshal(object.Value, &meta) != nil {
		return ""
	}
	return meta.Metadata.Annotations[resource.FileAnnotation]
}

// watch waits for changes of the folders.
type watch struct {
	folder  *Folder
	watcher *fsnotify.Watcher
	// unwatched is set once a folder could not be watched, failed while the folder cannot be read.
	unwatched, failed bool
}

func (w *watch) scan(ctx context.Context) (settled bool, err error) {
	w.folder.mu.Lock()
	defer w.folder.mu.Unlock()
	return w.folder.scan(func(dir string) { w.add(ctx, dir) })
}

// add watches a folder. One that is watched already is entered again, because
// its path may stand for another folder by now; one that is gone is forgotten by the system.
func (w *watch) add(ctx context.Context, dir string) {
	if w.watcher == nil {
		return
	}
	if err := w.watcher.Add(dir); err != nil && !w.unwatched {
		w.unwatched = true
		w.folder.log.WarnContext(ctx, "folder cannot be watched, changes in it are seen late", "dir", dir, "every", w.folder.cfg.Rescan.String(), "error", err)
	}
}

// outage logs when the folder becomes unreadable, and readable again, and reports whether it did.
func (w *watch) outage(ctx context.Context, err error) (turned bool) {
	turned = w.failed != (err != nil)
	switch {
	case err != nil && !w.failed:
		w.folder.log.ErrorContext(ctx, "cluster folder cannot be read, its last state stays in force", "error", err)
	case err == nil && w.failed:
		w.folder.log.InfoContext(ctx, "cluster folder can be read again", "dir", w.folder.manifestDir())
	}
	w.failed = err != nil
	return turned
}

// wait returns once something changed and it has been quiet for a while, or it is time to look anyway.
func (w *watch) wait(ctx context.Context, settled bool) bool {
	next := w.folder.cfg.Rescan
	if !settled || w.failed {
		next = min(next, settledAfter+settledAfter/10)
	}
	rescan := time.NewTimer(next)
	defer rescan.Stop()
	var events chan fsnotify.Event
	var errs chan error
	if w.watcher != nil {
		events, errs = w.watcher.Events, w.watcher.Errors
	}
	var quiet, enough <-chan time.Time
	for {
		select {
		case event := <-events:
			if !w.concerns(event.Name) {
				continue
			}
			quiet = time.After(w.folder.cfg.Quiet)
			if enough == nil {
				enough = time.After(10 * w.folder.cfg.Quiet)
			}
		case err := <-errs:
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				return true
			}
			w.folder.log.WarnContext(ctx, "watching the folder", "error", err)
		case <-quiet:
			return true
		case <-enough:
			return true
		case <-rescan.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// concerns leaves out our own notes, and what happens beside the cluster's folder.
func (w *watch) concerns(name string) bool {
	base := filepath.Base(name)
	if filepath.Dir(name) == filepath.Clean(w.folder.cfg.Dir) {
		return base == w.folder.cfg.Cluster
	}
	return base != memoryName && base != lockName && base != lastGoodDir && !strings.HasPrefix(base, temporary)
}
