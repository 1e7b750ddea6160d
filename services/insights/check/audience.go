package check

import (
	"slices"

	"github.com/meshweir/meshweir/schemas/istio"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/insights/fleet"
)

// defaults are what the mesh configurations of a cluster say.
type defaults struct {
	services, virtualServices, destinationRules []string
	root                                        string
}

func defaultsOf(r *fleet.Reader, cluster string) defaults {
	var configs []istio.MeshConfig
	for _, ref := range r.Find(fleet.ByCluster, cluster, "") {
		if c := fleet.Get[fleet.MeshConfig](r, ref); c != nil {
			configs = append(configs, c.MeshConfig)
		}
	}
	return defaults{
		services:         istio.DefaultExportTo(configs, func(c istio.MeshConfig) []string { return c.DefaultServiceExportTo }),
		virtualServices:  istio.DefaultExportTo(configs, func(c istio.MeshConfig) []string { return c.DefaultVirtualServiceExportTo }),
		destinationRules: istio.DefaultExportTo(configs, func(c istio.MeshConfig) []string { return c.DefaultDestinationRuleExportTo }),
		root:             istio.RootNamespace(configs),
	}
}

// clients are who a VirtualService is for. One that others delegate to is for theirs, whoever that is.
func clients(r *fleet.Reader, ref fleet.Ref, v *fleet.VirtualService, d defaults) istio.Audience {
	if len(v.Spec.Hosts) == 0 {
		return istio.Audience{All: true, Sidecars: true}
	}
	to := istio.Exported(v.Spec.ExportTo, d.virtualServices, ref.Key.Namespace)
	return istio.Clients(v.Spec.Gateways, to, ref.Key.Namespace, func(namespace, gateway string) []string {
		g := fleet.Get[fleet.Gateway](r, ref.Ref(fleet.IstioGateways, namespace, gateway))
		if g == nil {
			return nil
		}
		var namespaces []string
		for _, proxy := range proxies(r, ref.Cluster, g.Spec.Selector) {
			namespaces = append(namespaces, proxy.Key.Namespace)
		}
		return namespaces
	})
}

// proxies are the workloads of a cluster that a Gateway's selector selects; none for an empty selector.
func proxies(r *fleet.Reader, cluster string, selector map[string]string) []fleet.Ref {
	var found []fleet.Ref
	for _, k := range sortedKeys(selector) {
		found = r.Find(fleet.ByLabel, cluster, k+"="+selector[k])
		break
	}
	return slices.DeleteFunc(found, func(ref fleet.Ref) bool {
		w := fleet.Get[fleet.Workload](r, ref)
		return w == nil || !resource.Selects(selector, w.Spec.Template.Labels)
	})
}
