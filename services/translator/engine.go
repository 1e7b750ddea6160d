package translator

import (
	"maps"
	"slices"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/translator/gatewayapi"
	"github.com/meshweir/meshweir/services/translator/globalservice"
	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/hold"
	"github.com/meshweir/meshweir/services/translator/inventory"
	"github.com/meshweir/meshweir/services/translator/output"
	"github.com/meshweir/meshweir/services/translator/workspace"
)

// Object is one decoded object of a snapshot.
type Object = inventory.Object

// Decode reads one value of a snapshot. See [inventory.Decode]: the Object is good to use even when there is an error.
func Decode(key string, value []byte) (Object, error) { return inventory.Decode(key, value) }

// Change is a change of one object of a snapshot.
type Change struct {
	// Key is the object's key.
	Key string
	// Object is the object as [Decode] returned it; unused when Deleted.
	Object Object
	// Deleted says that the object is gone.
	Deleted bool
}

// Engine translates change by change: tell it of changes, then call
// [Engine.Update]. It is not safe for concurrent use.
type Engine struct {
	inv      *inventory.Inventory
	graph    *graph.Graph
	gateways *gatewayapi.Translator
	globals  *globalservice.Translator
	spaces   *workspace.Spaces
	hold     *hold.Hold
	units    *graph.Query[unit, product]
	products map[unit]product
	objects  layer
	statuses layer
	// complete are the clusters of which all is known, and deregistered those that are no part of the fleet.
	complete, deregistered map[string]bool
	// turned are the clusters that became complete, or ceased to be, since the last Update.
	turned map[string]bool
	// unwatched are the units that ceased to exist since the last Update.
	unwatched map[unit]bool
}

// unit is one independent part of a translation. Ref is the object that it
// translates; of a GlobalService or Workspace, without the cluster; of a whole cluster, without the key.
type unit struct {
	kind string
	ref  inventory.Ref
}

// Kinds of units.
const (
	unitClass    = "class"
	unitGateway  = "gateway"
	unitRoute    = "route"
	unitGlobal   = "global service"
	unitSpace    = "workspace"
	unitEastWest = "east-west gateways"
	unitHeld     = "held objects"
)

// product is what a unit produces.
type product struct {
	objects, statuses, held output.Set
}

// NewEngine returns an engine that knows nothing yet.
func NewEngine() *Engine {
	g := graph.New()
	inv := inventory.New(g)
	h := hold.New(g, inv)
	spaces := workspace.New(g, inv, h)
	globals := globalservice.New(g, inv, h, spaces)
	e := &Engine{
		inv: inv, graph: g, hold: h, spaces: spaces, globals: globals, gateways: gatewayapi.New(g, inv, h, spaces, globals),
		products: map[unit]product{}, objects: newLayer(), statuses: newLayer(),
		complete: map[string]bool{}, deregistered: map[string]bool{}, turned: map[string]bool{}, unwatched: map[unit]bool{},
	}
	e.units = graph.NewQuery(g, "unit", e.translate, nil)
	return e
}

// SetComplete says whether what the engine was told of a cluster is all that
// the cluster has. A cluster that is not complete counts as not seen: it has no
// output, and what others were made from it is held. Objects may be told of
// before the cluster is complete, and are remembered when it ceases to be.
func (e *Engine) SetComplete(cluster string, complete bool) {
	e.complete[cluster] = complete
	e.show(cluster)
}

// show makes a cluster visible while it is complete and not deregistered.
func (e *Engine) show(cluster string) {
	visible := e.complete[cluster] && !e.deregistered[cluster]
	if e.inv.Complete(cluster) == visible {
		return
	}
	for _, ref := range e.inv.SetComplete(cluster, visible) {
		e.follow(ref)
	}
	for _, kind := range []string{unitEastWest, unitHeld} {
		e.watch(unit{kind, inventory.Ref{Cluster: cluster}}, visible)
	}
	e.turned[cluster] = visible
}

// Apply tells of changes of the objects of a cluster.
func (e *Engine) Apply(cluster string, changes ...Change) {
	for _, change := range changes {
		key, err := resource.ParseKey(change.Key)
		if err != nil {
			continue // Decode has told of it
		}
		visible := false
		if change.Deleted {
			visible = e.inv.Delete(cluster, key)
		} else {
			change.Object.Key = key
			visible = e.inv.Put(cluster, change.Object)
		}
		if visible {
			e.follow(inventory.Ref{Cluster: cluster, Key: key})
		}
	}
}

// Replace tells of all objects of a cluster: those that it does not name are gone.
func (e *Engine) Replace(cluster string, objects map[string]Object) {
	var changes []Change
	for _, key := range e.inv.Objects(cluster) {
		if _, ok := objects[key.String()]; !ok {
			changes = append(changes, Change{Key: key.String(), Deleted: true})
		}
	}
	for key, object := range objects {
		changes = append(changes, Change{Key: key, Object: object})
	}
	e.Apply(cluster, changes...)
}

// SetDeregistered names the clusters that are no part of the fleet, whatever was told of them: nothing is made from
// them or for them, and what was made from them is not held.
func (e *Engine) SetDeregistered(clusters ...string) {
	e.inv.SetDeregistered(clusters)
	before := e.deregistered
	e.deregistered = map[string]bool{}
	for _, cluster := range clusters {
		e.deregistered[cluster] = true
	}
	for _, names := range []map[string]bool{before, e.deregistered} {
		for cluster := range names {
			e.show(cluster)
		}
	}
}

// Runs returns how often each kind of computation ran, by its name. It is for tests and metrics.
func (e *Engine) Runs() map[string]int { return e.graph.Runs() }

// follow watches the unit of an object while the object exists.
func (e *Engine) follow(ref inventory.Ref) {
	exists := e.inv.Visible(ref)
	switch {
	case ref.Key.Group == resource.GatewayGroup && ref.Key.Kind == "GatewayClass":
		e.watch(unit{unitClass, ref}, exists)
	case ref.Key.Group == resource.GatewayGroup && ref.Key.Kind == "Gateway":
		e.watch(unit{unitGateway, ref}, exists)
	case ref.Key.Group == resource.GatewayGroup && (ref.Key.Kind == "HTTPRoute" || ref.Key.Kind == "GRPCRoute"):
		e.watch(unit{unitRoute, ref}, exists)
	case ref.Key.Group == resource.Group && ref.Key.Kind == v1alpha1.KindGlobalService:
		e.watch(unit{unitGlobal, inventory.Ref{Key: ref.Key}}, e.inv.Anywhere(ref.Key))
	case ref.Key.Group == resource.Group && ref.Key.Kind == v1alpha1.KindWorkspace:
		e.watch(unit{unitSpace, inventory.Ref{Key: ref.Key}}, e.inv.Anywhere(ref.Key))
	}
}

func (e *Engine) watch(u unit, exists bool) {
	if exists {
		e.units.Watch(u)
		delete(e.unwatched, u)
	} else {
		e.units.Unwatch(u)
		e.unwatched[u] = true
	}
}

func (e *Engine) translate(r *graph.Reader, u unit) product {
	var p product
	switch u.kind {
	case unitClass:
		p.statuses = e.gateways.TranslateClass(r, u.ref)
	case unitGateway:
		p.objects, p.statuses = e.gateways.TranslateGateway(r, u.ref)
	case unitRoute:
		p.statuses = e.gateways.TranslateRoute(r, u.ref)
	case unitGlobal:
		p.objects, p.statuses = e.globals.Translate(r, globalservice.Name{Namespace: u.ref.Key.Namespace, Name: u.ref.Key.Name})
	case unitSpace:
		p.statuses = e.spaces.Translate(r, u.ref.Key.Name)
	case unitEastWest:
		p.objects = e.globals.TranslateEastWest(r, u.ref.Cluster)
	case unitHeld:
		p.held = output.Set{u.ref.Cluster: e.hold.Objects(r, u.ref.Cluster)}
	}
	return p
}

// Touched says what an Update has changed, as far as it concerns complete clusters.
type Touched struct {
	// Objects are the keys of the objects whose wanted value is another one or gone, sorted, by cluster.
	Objects map[string][]resource.Key
	// Statuses are the same for statuses.
	Statuses map[string][]resource.Key
	// Returned are the clusters that are complete and were not at the last Update, sorted: all that they should have must be compared with what they were given.
	Returned []string
	// Vanished are the clusters that were complete at the last Update and are no more, sorted: nothing is known of what they should have, so it stays as it is.
	Vanished []string
}

// Clusters returns the clusters that something is to be written for, sorted.
func (t Touched) Clusters() []string {
	names := map[string]bool{}
	for name := range t.Objects {
		names[name] = true
	}
	for name := range t.Statuses {
		names[name] = true
	}
	for _, name := range t.Returned {
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// Update computes again what depends on the changes since the last Update.
func (e *Engine) Update() Touched {
	e.inv.Settle()
	objects, statuses := marks{}, marks{}
	for u := range e.unwatched {
		e.replace(u, product{}, objects, statuses)
		delete(e.products, u)
	}
	clear(e.unwatched)
	e.units.Refresh(func(u unit, p product) { e.replace(u, p, objects, statuses) })

	var touched Touched
	for name, complete := range e.turned {
		if complete {
			if e.objects.open(name) && e.statuses.open(name) {
				touched.Returned = append(touched.Returned, name)
			}
		} else if e.objects.close(name) && e.statuses.close(name) {
			touched.Vanished = append(touched.Vanished, name)
		}
	}
	clear(e.turned)
	slices.Sort(touched.Returned)
	slices.Sort(touched.Vanished)
	touched.Objects = e.objects.settle(objects)
	touched.Statuses = e.statuses.settle(statuses)
	return touched
}

// replace takes a unit's new product for its old one and marks what may have become different.
func (e *Engine) replace(u unit, p product, objects, statuses marks) {
	before := e.products[u]
	e.products[u] = p
	swap(e.objects.made, before.objects, p.objects, objects)
	swap(e.objects.held, before.held, p.held, objects)
	swap(e.statuses.made, before.statuses, p.statuses, statuses)
}
