// Package hold keeps what depends on a cluster that cannot be seen.
//
// A cluster is missing when a live object of another cluster was made from it
// and its snapshot is not complete. Every live object that was made from a
// missing cluster is held: it is wanted exactly as it is, whatever the
// translation of what can be seen says.
//
// Sources learn from it what became of what was made from them: that it is held, or that a cluster did not take it.
package hold

import (
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/inventory"
	"github.com/meshweir/meshweir/services/translator/output"
)

// Hold finds the objects that are held.
type Hold struct {
	inv     *inventory.Inventory
	objects *graph.Query[string, map[resource.Key]object]
	sources *graph.Query[struct{}, map[string][]string]
	missing *graph.Query[string, []string]
	claims  *graph.Query[struct{}, Claims]
}

type object struct {
	value   []byte
	sources []string
	missing []string
	hosts   []string
}

// New returns a Hold over an inventory.
func New(g *graph.Graph, inv *inventory.Inventory) *Hold {
	h := &Hold{inv: inv}
	h.objects = graph.NewQuery(g, "held objects", h.findObjects, graph.DeepEqual[map[resource.Key]object])
	h.sources = graph.NewQuery(g, "held sources", h.findSources, graph.DeepEqual[map[string][]string])
	h.missing = graph.NewQuery(g, "missing clusters of a source", h.findMissing, slices.Equal[[]string])
	h.claims = graph.NewQuery(g, "claims of missing clusters", h.findClaims, graph.DeepEqual[Claims])
	return h
}

// Objects returns the values of the objects of a cluster that are held.
func (h *Hold) Objects(r *graph.Reader, cluster string) map[resource.Key][]byte {
	held := h.objects.Get(r, cluster)
	values := make(map[resource.Key][]byte, len(held))
	for key, o := range held {
		values[key] = o.value
	}
	return values
}

// Namespaces returns the namespaces in which a cluster has an object of a kind and name that is held.
func (h *Hold) Namespaces(r *graph.Reader, cluster, kind, name string) []string {
	var found []string
	for key := range h.objects.Get(r, cluster) {
		if key.Kind == kind && key.Name == name {
			found = append(found, key.Namespace)
		}
	}
	return found
}

// Conditions returns what is to be said on a source of what was made from it: InputMissing while some of it is held,
// Conflict and NotApplied while a cluster does not have it as wanted. It is nothing where all is well.
func (h *Hold) Conditions(r *graph.Reader, source inventory.Ref, generation int64) []metav1.Condition {
	conditions := h.unapplied(r, source, generation)
	missing := h.missing.Get(r, source.String())
	if len(missing) == 0 {
		return conditions
	}
	message := "Not seen: " + strings.Join(missing, ", ") + ". What was made from there is held as it was last applied."
	return append(conditions, output.Condition(v1alpha1.ConditionInputMissing, true, v1alpha1.ReasonClusterMissing, message, generation))
}

func (h *Hold) findObjects(r *graph.Reader, cluster string) map[resource.Key]object {
	held := map[resource.Key]object{}
	for _, missing := range h.inv.Missing(r) {
		for _, ref := range h.inv.ManagedFrom(r, cluster, missing) {
			o, seen := held[ref.Key]
			if !seen {
				managed := h.inv.Managed(r, ref)
				o = object{value: output.JSON(managed.Object), sources: managed.Sources, hosts: hosts(managed.Object)}
			}
			o.missing = append(o.missing, missing)
			held[ref.Key] = o
		}
	}
	return held
}

// findSources returns the missing clusters by source object.
func (h *Hold) findSources(r *graph.Reader, _ struct{}) map[string][]string {
	if len(h.inv.Missing(r)) == 0 {
		return nil
	}
	found := map[string]map[string]bool{}
	for _, cluster := range h.inv.Clusters(r) {
		for _, o := range h.objects.Get(r, cluster) {
			for _, source := range o.sources {
				if found[source] == nil {
					found[source] = map[string]bool{}
				}
				for _, missing := range o.missing {
					found[source][missing] = true
				}
			}
		}
	}
	sources := make(map[string][]string, len(found))
	for source, missing := range found {
		sources[source] = slices.Sorted(maps.Keys(missing))
	}
	return sources
}

func (h *Hold) findMissing(r *graph.Reader, source string) []string {
	return h.sources.Get(r, struct{}{})[source]
}
