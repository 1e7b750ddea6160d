// Package inventory holds the decoded snapshots of all clusters, and the
// indexes by which the translator finds objects in them.
//
// Everything is read through a [graph.Reader], which notes what was read: one
// object, one list, one answer of an index, whether or not it exists. When the
// inventory changes it tells the graph exactly which of these became different.
//
// A cluster is visible while it is complete. The objects of an incomplete
// cluster are kept, and nobody sees them: what such a cluster does not show is
// unknown, not gone.
package inventory

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/translator/graph"
)

// Ref names one object in the fleet.
type Ref struct {
	// Cluster is the cluster's name.
	Cluster string
	// Key is the object's key within the cluster.
	Key resource.Key
}

// String returns "cluster:key", the form in which sources stand in annotations.
func (r Ref) String() string { return r.Cluster + ":" + r.Key.String() }

// Compare orders refs by cluster, then key.
func (r Ref) Compare(o Ref) int {
	return cmp.Or(strings.Compare(r.Cluster, o.Cluster), r.Key.Compare(o.Key))
}

// Inventory holds the objects of all clusters. It is not safe for concurrent use.
type Inventory struct {
	graph        *graph.Graph
	clusters     map[string]*cluster
	indexes      map[entry]map[Ref]struct{}
	deregistered map[string]bool
	// named counts the visible managed objects that were made from each cluster.
	named   map[string]int
	missing []string
}

type cluster struct {
	complete bool
	objects  map[resource.Key]Object
}

// New returns an empty inventory that tells g of its changes.
func New(g *graph.Graph) *Inventory {
	return &Inventory{
		graph:        g,
		clusters:     map[string]*cluster{},
		indexes:      map[entry]map[Ref]struct{}{},
		deregistered: map[string]bool{},
		named:        map[string]int{},
	}
}

// SetComplete says whether what is known of a cluster is all that it has. It
// returns the refs of the objects that became visible or invisible.
func (inv *Inventory) SetComplete(name string, complete bool) []Ref {
	c := inv.cluster(name)
	if c.complete == complete {
		return nil
	}
	refs := make([]Ref, 0, len(c.objects))
	c.complete = complete
	for key, object := range c.objects {
		ref := Ref{name, key}
		refs = append(refs, ref)
		if complete {
			inv.appear(ref, object)
		} else {
			inv.vanish(ref, object)
		}
	}
	inv.graph.Changed(clustersInput{})
	return refs
}

// Put adds or replaces an object of a cluster, and reports whether this made a
// visible difference. An ignored object is as good as none.
func (inv *Inventory) Put(name string, object Object) bool {
	if object.Ignored() {
		return inv.Delete(name, object.Key)
	}
	c := inv.cluster(name)
	before, had := c.objects[object.Key]
	if had && before.equal(object) {
		return false
	}
	c.objects[object.Key] = object
	if !c.complete {
		return false
	}
	ref := Ref{name, object.Key}
	if !had {
		inv.appear(ref, object)
		return true
	}
	inv.graph.Changed(objectInput(ref))
	old, now := entries(ref, before), entries(ref, object)
	for _, e := range old {
		if !slices.Contains(now, e) {
			inv.unindex(e, ref)
		}
	}
	for _, e := range now {
		if !slices.Contains(old, e) {
			inv.index(e, ref)
		}
	}
	return true
}

// Delete removes an object of a cluster and reports whether this made a visible difference.
func (inv *Inventory) Delete(name string, key resource.Key) bool {
	c, ok := inv.clusters[name]
	if !ok {
		return false
	}
	object, ok := c.objects[key]
	if !ok {
		return false
	}
	delete(c.objects, key)
	if c.complete {
		inv.vanish(Ref{name, key}, object)
	}
	return c.complete
}

// Objects returns the keys of all objects that are known of a cluster, visible or not.
func (inv *Inventory) Objects(name string) []resource.Key {
	c, ok := inv.clusters[name]
	if !ok {
		return nil
	}
	return slices.Collect(maps.Keys(c.objects))
}

// SetDeregistered says which clusters are expected no more.
func (inv *Inventory) SetDeregistered(names []string) {
	inv.deregistered = map[string]bool{}
	for _, name := range names {
		inv.deregistered[name] = true
	}
}

// Settle must be called after a batch of changes, before anything is read.
func (inv *Inventory) Settle() {
	var missing []string
	for name := range inv.named {
		if !inv.Complete(name) && !inv.deregistered[name] {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	if !slices.Equal(missing, inv.missing) {
		inv.missing = missing
		inv.graph.Changed(missingInput{})
	}
}

// Complete reports whether a cluster is known and complete.
func (inv *Inventory) Complete(name string) bool {
	c, ok := inv.clusters[name]
	return ok && c.complete
}

// Visible reports whether an object exists and is visible.
func (inv *Inventory) Visible(ref Ref) bool {
	c, ok := inv.clusters[ref.Cluster]
	if !ok || !c.complete {
		return false
	}
	_, ok = c.objects[ref.Key]
	return ok
}

// Anywhere reports whether any complete cluster has a GlobalService, or a Workspace, with the namespace and name of a key.
func (inv *Inventory) Anywhere(key resource.Key) bool {
	return len(inv.indexes[entry{indexName, "", key.Namespace + "/" + key.Name}]) > 0
}

func (inv *Inventory) cluster(name string) *cluster {
	c, ok := inv.clusters[name]
	if !ok {
		c = &cluster{objects: map[resource.Key]Object{}}
		inv.clusters[name] = c
	}
	return c
}

func (inv *Inventory) appear(ref Ref, object Object) {
	inv.graph.Changed(objectInput(ref))
	for _, e := range entries(ref, object) {
		inv.index(e, ref)
	}
}

func (inv *Inventory) vanish(ref Ref, object Object) {
	inv.graph.Changed(objectInput(ref))
	for _, e := range entries(ref, object) {
		inv.unindex(e, ref)
	}
}

func (inv *Inventory) index(e entry, ref Ref) {
	refs, ok := inv.indexes[e]
	if !ok {
		refs = map[Ref]struct{}{}
		inv.indexes[e] = refs
	}
	refs[ref] = struct{}{}
	if e.index == indexSourceClusters {
		inv.named[e.value]++
	}
	inv.graph.Changed(e)
}

func (inv *Inventory) unindex(e entry, ref Ref) {
	delete(inv.indexes[e], ref)
	if len(inv.indexes[e]) == 0 {
		delete(inv.indexes, e)
	}
	if e.index == indexSourceClusters {
		inv.named[e.value]--
		if inv.named[e.value] == 0 {
			delete(inv.named, e.value)
		}
	}
	inv.graph.Changed(e)
}
