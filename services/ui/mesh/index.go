package mesh

import (
	"cmp"
	"hash/maphash"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/istio"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/ui/view"
)

// Cluster is what an index is made from: one cluster and its rows.
type Cluster struct {
	Name string
	// Seen says that the cluster's state is known and its agent connected.
	Seen bool
	// Known says that its state is known, as it was at least lately: what it does not have is not there.
	Known bool
	Rows  iter.Seq2[resource.Key, *view.Row]
}

// Index is a fleet's wiring at one moment. It does not change.
type Index struct {
	clusters []*cluster
	byName   map[string]*cluster
	// global holds the GlobalServices by "namespace/name", and by host, the one in force first.
	global map[string][]*Object
	hosts  map[string][]*Object
	// workspaces are in the order in which they claim namespaces.
	workspaces []*Object
}

type cluster struct {
	name  string
	seen  bool
	known bool
	// configs are the mesh configurations, and root is Istio's root namespace.
	configs []istio.MeshConfig
	root    string
	// exportServices and exportRoutes are to whom what does not say it is exported; nil for all.
	exportServices, exportRoutes []string
	objects                      []*Object
	byKey                        map[string]*Object
	// entries are the ServiceEntries by host.
	entries map[string][]*Object
	// rules are the DestinationRules by namespace.
	rules map[string][]*Object
	// pods are what runs, by namespace.
	pods map[string][]*Pods
	// labels are those of the namespaces.
	labels map[string]map[string]string
	// unread are the kinds, as "kind[.group]" in lower case, that the agent cannot read: what lacks of them is not known.
	unread map[string]bool
	// proxies holds the namespaces of the proxies of Istio's Gateways, by key, once they were asked for.
	proxies sync.Map
}

// Pods are Pods of one namespace that have the same labels, as far as policies can tell.
type Pods struct {
	Cluster, Namespace string
	Labels             map[string]string
	// Name is that of the workload that makes them, or of the first of them, Kind its kind.
	Kind, Name string
}

// New makes an index. Only rows with a wiring, Namespaces and Pods are looked at.
func New(clusters iter.Seq[Cluster]) *Index {
	ix := &Index{byName: map[string]*cluster{}, global: map[string][]*Object{}, hosts: map[string][]*Object{}}
	for from := range clusters {
		c := newCluster(from)
		ix.clusters = append(ix.clusters, c)
		ix.byName[c.name] = c
		for _, o := range c.objects {
			ix.addFleetWide(o)
		}
	}
	slices.SortFunc(ix.clusters, func(a, b *cluster) int { return strings.Compare(a.name, b.name) })
	for _, all := range []map[string][]*Object{ix.global, ix.hosts} {
		for _, objects := range all {
			slices.SortFunc(objects, elected)
		}
	}
	slices.SortFunc(ix.workspaces, claimsFirst)
	return ix
}

func (ix *Index) addFleetWide(o *Object) {
	switch {
	case o.Is(resource.Group, v1alpha1.KindGlobalService):
		name := o.Key.Namespace + "/" + o.Key.Name
		ix.global[name] = append(ix.global[name], o)
		for _, host := range o.Wiring.Hosts {
			ix.hosts[host] = append(ix.hosts[host], o)
		}
	case o.Is(resource.Group, v1alpha1.KindWorkspace) && o.InForce():
		ix.workspaces = append(ix.workspaces, o)
	}
}

func newCluster(from Cluster) *cluster {
	c := &cluster{
		name: from.Name, seen: from.Seen, known: from.Known, byKey: map[string]*Object{},
		entries: map[string][]*Object{}, rules: map[string][]*Object{}, pods: map[string][]*Pods{}, labels: map[string]map[string]string{}, unread: map[string]bool{},
	}
	var bare []*Pods
	for key, row := range from.Rows {
		switch {
		case key.Group == "" && key.Kind == "Namespace":
			c.labels[key.Name] = row.Labels
			continue
		case key.Group == "" && key.Kind == "Pod":
			if row.Finished() {
				continue
			}
			bare = append(bare, &Pods{Cluster: c.name, Namespace: key.Namespace, Labels: row.Labels, Kind: key.Kind, Name: key.Name})
			continue
		case key.Group == resource.InternalGroup && key.Kind == internalv1.KindUnreadKind:
			c.unread[key.Name] = true
			continue
		case row.Wiring == nil:
			continue
		case key.Group == "" && key.Kind == "ConfigMap":
			if row.Wiring.Mesh != nil {
				config := *row.Wiring.Mesh
				config.Namespace, config.Name = key.Namespace, key.Name
				c.configs = append(c.configs, config)
			}
			continue
		}
		text := key.String()
		o := &Object{Ref: view.Ref{Cluster: c.name, Key: text}, Key: key, Row: row}
		o.Health, o.Says = healthOf(row, c.seen)
		c.objects = append(c.objects, o)
		c.byKey[text] = o
		switch {
		case o.Workload():
			c.pods[key.Namespace] = append(c.pods[key.Namespace], &Pods{
				Cluster: c.name, Namespace: key.Namespace, Labels: row.Wiring.Pods, Kind: key.Kind, Name: key.Name,
			})
		case o.Is(GroupNetworking, "ServiceEntry"):
			for _, host := range row.Wiring.Hosts {
				c.entries[host] = append(c.entries[host], o)
			}
		case o.Is(GroupNetworking, "DestinationRule"):
			c.rules[key.Namespace] = append(c.rules[key.Namespace], o)
		}
	}
	c.root = istio.RootNamespace(c.configs)
	c.exportServices = istio.DefaultExportTo(c.configs, func(m istio.MeshConfig) []string { return m.DefaultServiceExportTo })
	c.exportRoutes = istio.DefaultExportTo(c.configs, func(m istio.MeshConfig) []string { return m.DefaultVirtualServiceExportTo })
	slices.SortFunc(c.objects, func(a, b *Object) int { return view.CompareKeys(a.Key, b.Key) })
	c.addBarePods(bare)
	return c
}

// Alike reports whether [New] makes the same of two states of a row; nil is that of a row that is not there.
func Alike(key resource.Key, a, b *view.Row) bool {
	read := func(r *view.Row) bool {
		switch {
		case r == nil:
			return false
		case key.Group == "" && key.Kind == "Pod":
			return !r.Finished()
		case key.Group == "" && key.Kind == "Namespace", key.Group == resource.InternalGroup && key.Kind == internalv1.KindUnreadKind:
			return true
		default:
			return r.Wiring != nil
		}
	}
	switch {
	case !read(a) || !read(b):
		return read(a) == read(b)
	case key.Group == "" && (key.Kind == "Pod" || key.Kind == "Namespace"):
		return maps.Equal(a.Labels, b.Labels)
	default: // pages show all that there is of an object
		return key.Group == resource.InternalGroup && key.Kind == internalv1.KindUnreadKind
	}
}

// addBarePods adds the Pods that no workload makes, those with equal labels once.
func (c *cluster) addBarePods(bare []*Pods) {
	slices.SortFunc(bare, func(a, b *Pods) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	workloads, seen, seed := maps.Clone(c.pods), map[uint64][]*Pods{}, maphash.MakeSeed()
	for _, p := range bare {
		sum := maphash.String(seed, p.Namespace)
		for name, value := range p.Labels {
			sum += maphash.Comparable(seed, [2]string{name, value}) // in whatever order
		}
		if slices.ContainsFunc(seen[sum], func(o *Pods) bool { return o.Namespace == p.Namespace && maps.Equal(o.Labels, p.Labels) }) {
			continue
		}
		seen[sum] = append(seen[sum], p)
		if !slices.ContainsFunc(workloads[p.Namespace], func(o *Pods) bool { return resource.Selects(o.Labels, p.Labels) }) {
			c.pods[p.Namespace] = append(c.pods[p.Namespace], p)
		}
	}
}

// Clusters yields the names of the clusters, sorted, and whether each is seen now.
func (ix *Index) Clusters() iter.Seq2[string, bool] {
	return func(yield func(string, bool) bool) {
		for _, c := range ix.clusters {
			if !yield(c.name, c.seen) {
				return
			}
		}
	}
}

// Objects yields all objects, sorted by cluster, kind, namespace and name.
func (ix *Index) Objects() iter.Seq[*Object] {
	return func(yield func(*Object) bool) {
		for _, c := range ix.clusters {
			for _, o := range c.objects {
				if !yield(o) {
					return
				}
			}
		}
	}
}

// Object returns the object that ref names, or nil.
func (ix *Index) Object(ref view.Ref) *Object {
	c := ix.byName[ref.Cluster]
	if c == nil {
		return nil
	}
	return c.byKey[ref.Key]
}

// Seen reports whether a cluster is seen now.
func (ix *Index) Seen(name string) bool {
	c := ix.byName[name]
	return c != nil && c.seen
}

// DestinationRules returns those of a namespace of a cluster.
func (ix *Index) DestinationRules(name, namespace string) []*Object {
	if c := ix.byName[name]; c != nil {
		return c.rules[namespace]
	}
	return nil
}

// DestinationRuleExportTo returns to whom DestinationRules of a cluster are exported that do not say it; nil for all.
func (ix *Index) DestinationRuleExportTo(name string) []string {
	if c := ix.byName[name]; c != nil {
		return istio.DefaultExportTo(c.configs, func(c istio.MeshConfig) []string { return c.DefaultDestinationRuleExportTo })
	}
	return nil
}

// RootNamespace returns the root namespace of a cluster's mesh.
func (ix *Index) RootNamespace(name string) string {
	if c := ix.byName[name]; c != nil {
		return c.root
	}
	return istio.DefaultRootNamespace
}
