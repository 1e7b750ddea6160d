package fleet

import (
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
)

// Unit is one piece of work: a check of a subject.
type Unit struct {
	Code    string
	Subject Ref
}

// Agent is what is heard of the agent of a cluster.
type Agent struct {
	// Alive says that there is a heartbeat.
	Alive bool
	// Heard is when there last was one, as far as this process knows; or, when it never heard one, since when it listens. It
	// is of use while the agent is not alive, and zero while it is.
	Heard time.Time
	// Outage is why the agent cannot read its cluster, and OutageSince since when.
	Outage      string
	OutageSince time.Time
	// Holder is who works for the cluster.
	Holder string
}

// State is what is known of a cluster as a whole.
type State struct {
	// Seen says that its snapshot is complete.
	Seen bool
	// Member is what the registry says; zero for nothing.
	Member internalv1.Membership
}

// Expected reports whether the cluster is part of the fleet.
func (s State) Expected() bool { return s.Member.State != internalv1.Deregistered }

// Fleet is what is known. It is not safe for concurrent use.
type Fleet struct {
	clusters map[string]*cluster
	indexes  map[entry]map[Ref]struct{}
	readers  map[any]map[Unit]struct{}
	reads    map[Unit][]any
	due      map[Unit]struct{}
	// moved is called for an object, or a cluster as a whole, that came or went; also one that was only lost from sight.
	moved func(Ref)
}

type cluster struct {
	state   State
	agent   Agent
	objects map[resource.Key]Object
	reports map[resource.Key]internalv1.Applied
}

func (c *cluster) visible() bool { return c.state.Seen && c.state.Expected() }

// The inputs that units read, beside entries of indexes.
type (
	objectInput   Ref
	reportInput   Ref
	clustersInput struct{}
	stateInput    string
	agentInput    string
)

// New returns an empty fleet, which calls moved for an object or a cluster that appears or disappears.
func New(moved func(Ref)) *Fleet {
	return &Fleet{
		clusters: map[string]*cluster{}, indexes: map[entry]map[Ref]struct{}{},
		readers: map[any]map[Unit]struct{}{}, reads: map[Unit][]any{}, due: map[Unit]struct{}{}, moved: moved,
	}
}

func (f *Fleet) cluster(name string) *cluster {
	c, ok := f.clusters[name]
	if !ok {
		c = &cluster{objects: map[resource.Key]Object{}, reports: map[resource.Key]internalv1.Applied{}}
		f.clusters[name] = c
		f.changed(clustersInput{})
		f.moved(Ref{Cluster: name})
	}
	return c
}

// SetState says what is known of a cluster as a whole.
func (f *Fleet) SetState(name string, state State) {
	c := f.cluster(name)
	if c.state == state {
		return
	}
	was, wasExpected := c.visible(), c.state.Expected()
	c.state = state
	f.changed(stateInput(name))
	if state.Expected() != wasExpected {
		f.changed(clustersInput{})
	}
	f.moved(Ref{Cluster: name}) // also one that comes into sight again: what went meanwhile is known to be gone only now
	if c.visible() == was {
		return
	}
	for key, object := range c.objects {
		f.show(Ref{name, key}, object, c.visible())
	}
	for key := range c.reports {
		f.changed(reportInput(Ref{name, key}))
		f.moved(Ref{name, key})
	}
}

// State returns what is known of a cluster as a whole.
func (f *Fleet) State(name string) State {
	if c, ok := f.clusters[name]; ok {
		return c.state
	}
	return State{}
}

// Clusters returns the names of all clusters that were ever heard of, sorted.
func (f *Fleet) Clusters() []string { return slices.Sorted(maps.Keys(f.clusters)) }

// SetAgent says what is heard of an agent, and reports whether that is news.
func (f *Fleet) SetAgent(name string, agent Agent) bool {
	c := f.cluster(name)
	if c.agent == agent {
		return false
	}
	c.agent = agent
	f.changed(agentInput(name))
	return true
}

// SetReport says what an agent reports of an object; nil for nothing.
func (f *Fleet) SetReport(ref Ref, report *internalv1.Applied) {
	c := f.cluster(ref.Cluster)
	before, had := c.reports[ref.Key]
	switch {
	case report == nil && !had, report != nil && had && reflect.DeepEqual(before, *report):
		return
	case report == nil:
		delete(c.reports, ref.Key)
	default:
		c.reports[ref.Key] = *report
	}
	f.changed(reportInput(ref))
	if had != (report != nil) {
		f.moved(ref)
	}
}

// Reports returns the keys of the objects of a cluster that there are reports on.
func (f *Fleet) Reports(name string) []resource.Key {
	c, ok := f.clusters[name]
	if !ok {
		return nil
	}
	return slices.Collect(maps.Keys(c.reports))
}

// Put adds or replaces an object of a cluster. An ignored object is as good as none.
func (f *Fleet) Put(name string, object Object) {
	ref := Ref{name, object.Key}
	if object.Ignored() {
		f.Delete(ref)
		return
	}
	c := f.cluster(name)
	before, had := c.objects[object.Key]
	if had && before.equal(object) {
		return
	}
	c.objects[object.Key] = object
	if !c.visible() {
		return
	}
	if !had {
		f.show(ref, object, true)
		return
	}
	f.changed(objectInput(ref))
	old, now := entries(ref, before), entries(ref, object)
	for _, e := range old {
		if !slices.Contains(now, e) {
			f.index(e, ref, false)
		}
	}
	for _, e := range now {
		if !slices.Contains(old, e) {
			f.index(e, ref, true)
		}
	}
}

// Delete removes an object.
func (f *Fleet) Delete(ref Ref) {
	c, ok := f.clusters[ref.Cluster]
	if !ok {
		return
	}
	object, ok := c.objects[ref.Key]
	if !ok {
		return
	}
	delete(c.objects, ref.Key)
	if c.visible() {
		f.show(ref, object, false)
	}
}

// Visible reports whether an object is there to be seen, or, of a ref without a key, whether the cluster is part of the fleet.
func (f *Fleet) Visible(ref Ref) bool {
	c, ok := f.clusters[ref.Cluster]
	if !ok || ref.Key.Kind == "" {
		return ok && c.state.Expected()
	}
	_, ok = c.objects[ref.Key]
	return ok && c.visible()
}

// Reported reports whether there is a report on an object to be seen.
func (f *Fleet) Reported(ref Ref) bool {
	c, ok := f.clusters[ref.Cluster]
	if !ok {
		return false
	}
	_, ok = c.reports[ref.Key]
	return ok && c.visible()
}

func (f *Fleet) show(ref Ref, object Object, visible bool) {
	f.changed(objectInput(ref))
	for _, e := range entries(ref, object) {
		f.index(e, ref, visible)
	}
	f.moved(ref)
}

func (f *Fleet) index(e entry, ref Ref, in bool) {
	refs, ok := f.indexes[e]
	switch {
	case in && !ok:
		f.indexes[e] = map[Ref]struct{}{ref: {}}
	case in:
		refs[ref] = struct{}{}
	default:
		delete(refs, ref)
		if len(refs) == 0 {
			delete(f.indexes, e)
		}
	}
	f.changed(e)
}

// changed makes the units due that have read an input.
func (f *Fleet) changed(input any) {
	for unit := range f.readers[input] {
		f.due[unit] = struct{}{}
	}
}
