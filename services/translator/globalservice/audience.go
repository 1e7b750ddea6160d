package globalservice

import (
	"slices"

	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/inventory"
	"github.com/meshweir/meshweir/services/translator/workspace"
)

// audience is who may call a GlobalService in one cluster.
type audience struct {
	// All says that no Workspace limits it.
	All bool
	// Namespaces are those whose workloads may call it, sorted; unused when All.
	Namespaces []string
}

func (a audience) has(namespace string) bool {
	return a.All || slices.Contains(a.Namespaces, namespace)
}

// none says that nobody in the cluster may call it.
func (a audience) none() bool { return !a.All && len(a.Namespaces) == 0 }

// LearnIngress says where the proxies of a cluster's Gateways run. They call a
// host for the routes of others, whatever workspace they are in themselves.
func (t *Translator) LearnIngress(ingress func(r *graph.Reader, cluster string) []string) {
	t.ingress = ingress
}

func (t *Translator) findAudience(r *graph.Reader, a at) audience {
	home := workspace.Of(t.effective.Get(r, a.Name).Winner)
	namespaces, all := t.spaces.Viewers(r, home, v1alpha1.ShareGlobalService, a.Cluster)
	if all {
		return audience{All: true}
	}
	namespaces = slices.Clone(namespaces)
	// A folder need not have a manifest for a namespace that has routes.
	for _, route := range t.inv.RoutesByBackend(r, a.Cluster, a.Namespace, a.Name.Name) {
		if t.spaces.Judge(r, workspace.Of(route), home, v1alpha1.ShareGlobalService).Refused == "" {
			namespaces = append(namespaces, route.Key.Namespace)
		}
	}
	slices.Sort(namespaces)
	return audience{Namespaces: slices.Compact(namespaces)}
}

// callingRoutes returns the routes of a cluster that name the GlobalService and may.
func (t *Translator) callingRoutes(r *graph.Reader, a at) []inventory.Ref {
	allowed := t.audiences.Get(r, a)
	home := t.effective.Get(r, a.Name).Winner
	return slices.DeleteFunc(t.inv.RoutesByBackend(r, a.Cluster, a.Namespace, a.Name.Name), func(route inventory.Ref) bool {
		return !allowed.has(route.Key.Namespace) ||
			!t.inv.Granted(r, route.Key.Group, route.Key.Kind, route.Key.Namespace, home.Cluster, home.Key)
	})
}

// exportTo returns the namespaces of a cluster that see the host; none means all.
func (t *Translator) exportTo(r *graph.Reader, a at) []string {
	allowed := t.audiences.Get(r, a)
	if allowed.All {
		return nil
	}
	namespaces := slices.Clone(allowed.Namespaces)
	if len(t.callingRoutes(r, a)) > 0 {
		namespaces = append(namespaces, t.ingress(r, a.Cluster)...)
	}
	slices.Sort(namespaces)
	return slices.Compact(namespaces)
}
