package kubernetes

import (
	"maps"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/snapshot"
)

// mirror is what is known of a cluster. Reflectors fill it, Run delivers from it, and the target decides on it.
type mirror struct {
	mu    sync.Mutex // guards all
	kinds map[schema.GroupKind]*kind
	// discovered says that the API server has said which kinds it serves.
	discovered bool
	// definitions are the names of the CustomResourceDefinitions that were ever seen.
	definitions map[string]bool
	// pending is what was not delivered yet; nil stands for an object that is gone.
	pending map[resource.Key][]byte
	changed chan struct{}
	// synced is closed once everything has been listed.
	synced   chan struct{}
	isSynced bool

	// standing holds the objects that we wrote, or whose status we may write.
	standing map[resource.Key]*standing
	// applied and wroteStatus hold what we wrote, until the reflectors have something newer.
	applied     map[resource.Key]written
	wroteStatus map[resource.Key]written
}

// seen is what is remembered of every object, to know what changed.
type seen struct {
	key  resource.Key // in the snapshot; zero for an object that is not taken
	hash uint64       // of its value there
	// problem says that something is wrong with the object, and reported.
	problem bool
}

// name is an object's place within its kind.
type name struct{ namespace, name string }

func (c *Cluster) newMirror() *mirror {
	return &mirror{
		kinds: map[schema.GroupKind]*kind{}, definitions: map[string]bool{}, pending: map[resource.Key][]byte{}, changed: make(chan struct{}, 1),
		synced: make(chan struct{}), standing: map[resource.Key]*standing{},
		applied: map[resource.Key]written{}, wroteStatus: map[resource.Key]written{},
	}
}

// signal makes Run look for what is to be delivered.
func (m *mirror) signal() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// set takes what was read of an object.
func (m *mirror) set(k *kind, r *reading) {
	old := k.objects[r.name]
	now := seen{problem: r.problem != nil}
	if r.object.Value != nil {
		now.key, now.hash = r.object.Key, xxhash.Sum64(r.object.Value)
	}
	switch {
	case now.problem:
		m.pending[r.problem.Key] = r.problem.Value
		now.key, now.hash = old.key, old.hash // its last good state stays
	case old.problem:
		m.pending[problemKey(k.key(r.name))] = nil
	}
	if old.key != (resource.Key{}) && old.key != now.key {
		m.pending[old.key] = nil
	}
	if r.object.Value != nil && (old.key != now.key || old.hash != now.hash) {
		m.pending[now.key] = r.object.Value
	}
	k.objects[r.name] = now
	m.stand(k.key(r.name), r)
}

// unset takes the end of an object.
func (m *mirror) unset(k *kind, n name) {
	old := k.objects[n]
	if old.key != (resource.Key{}) {
		m.pending[old.key] = nil
	}
	if old.problem {
		m.pending[problemKey(k.key(n))] = nil
	}
	delete(k.objects, n)
	delete(m.standing, k.key(n))
}

// stand keeps what the target needs to know of an object, and forgets what we wrote once that is out of date.
func (m *mirror) stand(key resource.Key, r *reading) {
	m.standing[key] = r.standing
	if r.standing == nil {
		delete(m.standing, key)
	}
	for _, writes := range m.writes() {
		if w, ok := writes[key]; ok && (newer(r.version, w.version) || w.deleted && r.uid != w.uid) {
			delete(writes, key)
		}
	}
}

// forget drops what we wrote to an object that is gone, as of a version.
func (m *mirror) forget(key resource.Key, version string) {
	for _, writes := range m.writes() {
		if w, ok := writes[key]; ok && (w.deleted || !newer(w.version, version)) {
			delete(writes, key)
		}
	}
}

func (m *mirror) writes() []map[resource.Key]written {
	return []map[resource.Key]written{m.applied, m.wroteStatus}
}

// newer compares resource versions. What cannot be compared is taken for newer: it came later.
func newer(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err != nil || order > 0
}

// settled reports whether everything that can be listed has been, and everything else was recalled.
func (m *mirror) settled() bool {
	for _, k := range m.kinds {
		if !k.listed && !k.recalled {
			return false
		}
	}
	return m.discovered
}

// take returns what is to be delivered, and true if there is something.
func (m *mirror) take(now time.Time) (snapshot.Delivery, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := snapshot.Delivery{At: now, Unread: map[string]string{}}
	for key, value := range m.pending {
		if value == nil {
			d.Deleted = append(d.Deleted, key)
		} else {
			d.Set = append(d.Set, snapshot.Object{Key: key, Value: value})
		}
	}
	clear(m.pending)
	for of, k := range m.kinds {
		if k.unread != "" {
			d.Unread[of.String()] = k.unread
		}
	}
	if !m.isSynced && m.settled() {
		m.isSynced, d.Synced = true, true
		close(m.synced)
	}
	return d, d.Synced || len(d.Set)+len(d.Deleted) > 0
}

// unknown returns the kinds that could not be read, and of which nothing was asked of the stored snapshot yet.
func (m *mirror) unknown() map[schema.GroupKind]*kind {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := maps.Clone(m.kinds)
	maps.DeleteFunc(found, func(_ schema.GroupKind, k *kind) bool { return k.listed || k.recalled || k.unread == "" })
	return found
}
