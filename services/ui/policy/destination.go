package policy

import (
	"github.com/meshweir/meshweir/schemas/istio"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/ui/mesh"
)

// destinationStages are the DestinationRules by which clients in some namespaces call a backend.
func destinationStages(ix *mesh.Index, cluster string, to *mesh.Object, clients []string) []Stage {
	host := mesh.HostOf(to)
	if host == "" {
		return nil
	}
	rules := istio.Rules[*mesh.Object]{Root: ix.RootNamespace(cluster), ExportTo: ix.DestinationRuleExportTo(cluster), In: func(namespace string) []istio.Rule[*mesh.Object] {
		var rules []istio.Rule[*mesh.Object]
		for _, o := range ix.DestinationRules(cluster, namespace) {
			rules = append(rules, istio.Rule[*mesh.Object]{
				Object: o, Namespace: o.Key.Namespace, Name: o.Key.Name, Created: o.Created,
				Host: resource.FullHost(o.Wiring.Hosts[0], o.Key.Namespace), ExportTo: o.Wiring.ExportTo, Selector: o.Wiring.Selector,
			})
		}
		return rules
	}}
	var stages []Stage
	for _, client := range clients {
		var entries []Entry
		for _, r := range rules.For(client, to.Key.Namespace, host) {
			e := entryOf(ix, r.Object)
			if len(r.Selector) == 0 {
				e.Scope = ""
			}
			e.Overridden = !r.InForce
			entries = append(entries, e)
		}
		if len(entries) > 0 {
			stages = append(stages, Stage{
				Title: "On the way, from " + client, Entries: entries,
				Rule: "The first of the client's, the service's and the root namespace that has a rule decides, there the most specific host",
			})
		}
	}
	return stages
}
