package fleet

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
)

// Reader is what a check reads the fleet through.
type Reader struct {
	fleet *Fleet
	unit  Unit
	now   time.Time
	again time.Time
	noted func(Input)
}

// Do makes a unit due.
func (f *Fleet) Do(unit Unit) { f.due[unit] = struct{}{} }

// Forget drops a unit.
func (f *Fleet) Forget(unit Unit) {
	f.release(unit)
	delete(f.due, unit)
}

// Due takes the units that are due.
func (f *Fleet) Due() map[Unit]struct{} {
	due := f.due
	f.due = map[Unit]struct{}{}
	return due
}

// Read runs what a unit does, at a time, and notes what it reads. It returns when the unit is due again though nothing changes; zero for never. noted, which
// may be nil, is told of the inputs that are read.
func (f *Fleet) Read(unit Unit, now time.Time, noted func(Input), do func(*Reader)) (again time.Time) {
	f.release(unit)
	if noted == nil {
		noted = func(Input) {}
	}
	r := &Reader{fleet: f, unit: unit, now: now, noted: noted}
	do(r)
	return r.again
}

func (f *Fleet) release(unit Unit) {
	for _, input := range f.reads[unit] {
		delete(f.readers[input], unit)
		if len(f.readers[input]) == 0 {
			delete(f.readers, input)
		}
	}
	delete(f.reads, unit)
}

func (r *Reader) note(input any) {
	readers, ok := r.fleet.readers[input]
	if !ok {
		readers = map[Unit]struct{}{}
		r.fleet.readers[input] = readers
	}
	if _, ok := readers[r.unit]; !ok {
		readers[r.unit] = struct{}{}
		r.fleet.reads[r.unit] = append(r.fleet.reads[r.unit], input)
	}
}

// Since returns how long ago a time is. Once it is longer than least, or is after all, the check runs again by itself.
func (r *Reader) Since(t time.Time, least time.Duration) (age time.Duration, atLeast bool) {
	age = r.now.Sub(t)
	if at := t.Add(least); at.After(r.now) && (r.again.IsZero() || at.Before(r.again)) {
		r.again = at
	}
	return age, age >= least
}

// Get returns an object as T; nil for one that is not there.
func Get[T any](r *Reader, ref Ref) *T {
	r.note(objectInput(ref))
	r.noted(KindOf(ref.Key))
	c, ok := r.fleet.clusters[ref.Cluster]
	if !ok || !c.visible() {
		return nil
	}
	typed, _ := any(c.objects[ref.Key].value).(*T)
	return typed
}

// Find returns what an index holds, sorted.
func (r *Reader) Find(index Index, cluster, value string) []Ref {
	for _, kind := range index.covers(value) {
		r.noted(kind)
	}
	return r.find(index, cluster, value)
}

func (r *Reader) find(index Index, cluster, value string) []Ref {
	e := entry{index, cluster, value}
	r.note(e)
	refs := make([]Ref, 0, len(r.fleet.indexes[e]))
	for ref := range r.fleet.indexes[e] {
		refs = append(refs, ref)
	}
	slices.SortFunc(refs, Ref.Compare)
	return refs
}

// Unknown says why nobody knows what a cluster lacks of some kinds; "" when what is not there does not exist.
func (r *Reader) Unknown(cluster string, kinds ...Input) string {
	r.note(stateInput(cluster))
	if c, ok := r.fleet.clusters[cluster]; !ok || !c.state.Seen {
		return fmt.Sprintf("the cluster %s is not seen at the moment", cluster)
	}
	var unread []string
	for _, kind := range kinds {
		if len(r.find(byUnread, cluster, string(kind))) > 0 {
			unread = append(unread, string(kind))
		}
	}
	if len(unread) > 0 {
		return fmt.Sprintf("the agent of %s cannot read %s", cluster, strings.Join(unread, ", "))
	}
	return ""
}

// Expected returns the clusters that are part of the fleet, seen or not, sorted.
func (r *Reader) Expected() []string {
	r.note(clustersInput{})
	r.noted(Clusters)
	return slices.DeleteFunc(r.fleet.Clusters(), func(name string) bool { return !r.fleet.clusters[name].state.Expected() })
}

// State returns what is known of a cluster as a whole.
func (r *Reader) State(cluster string) State {
	r.note(stateInput(cluster))
	r.noted(Clusters)
	return r.fleet.State(cluster)
}

// Agent returns what is heard of the agent of a cluster.
func (r *Reader) Agent(cluster string) Agent {
	r.note(agentInput(cluster))
	r.noted(Agents)
	if c, ok := r.fleet.clusters[cluster]; ok {
		return c.agent
	}
	return Agent{}
}

// Report returns what the agent of a cluster reports of an object.
func (r *Reader) Report(ref Ref) (report internalv1.Applied, ok bool) {
	r.note(reportInput(ref))
	r.noted(Reports)
	if c, known := r.fleet.clusters[ref.Cluster]; known && c.visible() {
		report, ok = c.reports[ref.Key]
	}
	return report, ok
}

// Ref names an object of a kind in the cluster of another.
func (r Ref) Ref(kind Input, namespace, name string) Ref {
	return Ref{r.Cluster, KeyOf(kind, namespace, name)}
}

// Text is the object's kind and name for people: "VirtualService shop/web".
func (r Ref) Text() string {
	if r.Key.Kind == "" {
		return "cluster " + r.Cluster
	}
	return r.Key.Kind + " " + Path(r.Key)
}

// Path is namespace and name, or the name of what has no namespace.
func Path(key resource.Key) string {
	if key.Namespace == "" {
		return key.Name
	}
	return key.Namespace + "/" + key.Name
}
