package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// recorder watches what agents do to their clusters: each file that they write or remove, as it happens.
type recorder struct {
	applied string
	watcher *fsnotify.Watcher
	ended   chan struct{}

	mu  sync.Mutex // guards what follows
	log io.Writer
	// files holds what was last seen of each file.
	files map[string]seen
	lost  []loss
	fault error
	// writes and removals count what was done.
	writes, removals int
}

type seen struct {
	key string
	object
}

// loss is something that a cluster had, and has no more.
type loss struct {
	at        time.Time
	key, part string
}

func (l loss) String() string {
	if l.part == "" {
		return l.key
	}
	return l.key + ": " + l.part
}

// record begins to watch the folders of clusters, which may not be there yet.
func record(live string, clusters []string, log io.Writer) (*recorder, error) {
	watcher, err := fsnotify.NewBufferedWatcher(1 << 16)
	if err != nil {
		return nil, err
	}
	r := &recorder{applied: filepath.Join(live, "applied"), watcher: watcher, ended: make(chan struct{}), log: log, files: map[string]seen{}}
	for _, cluster := range clusters {
		folder := filepath.Join(r.applied, cluster)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return nil, err
		}
		if err := watcher.Add(folder); err != nil {
			return nil, err
		}
	}
	go r.run()
	return r, nil
}

func (r *recorder) close() error {
	err := r.watcher.Close()
	<-r.ended
	return err
}

func (r *recorder) run() {
	defer close(r.ended)
	for {
		select {
		case event, ok := <-r.watcher.Events:
			if !ok {
				return
			}
			if name := filepath.Base(event.Name); filepath.Ext(name) == ".yaml" && !strings.HasPrefix(name, ".") && !event.Has(fsnotify.Chmod) {
				r.look(event.Name)
			}
		case err, ok := <-r.watcher.Errors:
			if !ok {
				return
			}
			r.fail(fmt.Errorf("watching what is applied: %w", err)) // something was not seen
		}
	}
}

func (r *recorder) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = errors.Join(r.fault, err)
}

// look reads a file that was written or removed, and notes what it has no more.
func (r *recorder) look(path string) {
	now := time.Now()
	cluster := filepath.Base(filepath.Dir(path))
	text, err := os.ReadFile(path)
	var fresh seen
	if err == nil {
		fresh.key, fresh.object, err = parse(string(text))
		fresh.key = cluster + "/" + fresh.key
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.fail(fmt.Errorf("reading what was applied: %s: %w", path, err))
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old, had := r.files[path]
	switch {
	case err == nil:
		r.files[path] = fresh
		r.writes++
		fmt.Fprintln(r.log, now.Format(clock), "write", fresh.key)
	case had:
		delete(r.files, path)
		r.removals++
		fmt.Fprintln(r.log, now.Format(clock), "remove", old.key)
	}
	for _, part := range slices.Sorted(maps.Keys(old.parts)) {
		if !fresh.parts[part] {
			l := loss{now, old.key, part}
			r.lost = append(r.lost, l)
			fmt.Fprintln(r.log, now.Format(clock), "lost", l)
		}
	}
}

const clock = "15:04:05.000"

// state is what the clusters have now.
func (r *recorder) state() state {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := make(state, len(r.files))
	for _, file := range r.files {
		now[file.key] = file.object
	}
	return now
}

// take returns what was lost since it was last called, and what hindered the recorder.
func (r *recorder) take() ([]loss, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lost := r.lost
	r.lost = nil
	return lost, r.fault
}

// unexplained returns the losses that no state of the manifests explains. Each part of an object is there if a number of files say so
// (see fleet): whatever mixture of states a translator saw, what is lost was not asked for at one of these moments.
func unexplained(lost []loss, moments []moment) (found []loss) {
	for _, l := range lost {
		if !slices.ContainsFunc(moments, func(m moment) bool { return !m.since.After(l.at) && !m.state[l.key].parts[l.part] }) {
			found = append(found, l)
		}
	}
	return found
}
