package policy

import (
	"slices"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/ui/mesh"
)

// workspaceStage is what Workspaces say of a way from a route; none where nobody asks them.
func workspaceStage(ix *mesh.Index, route *mesh.Object, way mesh.Lead) []Stage {
	if !judged(ix, route, way) {
		return nil
	}
	v := ix.Judge(route, way.To)
	if v.From == "" {
		return nil
	}
	s := Stage{Title: "Workspaces", Rule: v.Says}
	for _, w := range []*mesh.Object{v.Importer, v.Exporter} {
		if w != nil && !slices.ContainsFunc(s.Entries, func(e Entry) bool { return e.Ref == &w.Ref }) {
			e := entryOf(ix, w)
			e.Scope, e.Name = "", w.Key.Name
			e.Action = "refuses"
			if v.Passes {
				e.Action = "lets pass"
			}
			s.Entries = append(s.Entries, e)
		}
	}
	return []Stage{s}
}

// judged reports whether the translator asks Workspaces about a way from a route: it does of routes that it translates, about
// Gateways of its class, and Services of the cluster and GlobalServices that are backends by kind and name.
func judged(ix *mesh.Index, route *mesh.Object, way mesh.Lead) bool {
	if !route.Is(resource.GatewayGroup, "HTTPRoute") && !route.Is(resource.GatewayGroup, "GRPCRoute") {
		return false
	}
	if way.Backend == nil {
		return ours(way.To)
	}
	if !slices.ContainsFunc(ix.Gateways(route), func(l mesh.Lead) bool { return l.To != nil && ours(l.To) }) {
		return false
	}
	if way.Backend.Group != way.To.Key.Group || way.Backend.Kind != way.To.Key.Kind {
		return false // a host that something else stands for
	}
	return way.To.Is("", "Service") && way.To.Ref.Cluster == route.Ref.Cluster || way.To.Is(resource.Group, v1alpha1.KindGlobalService)
}

// ours reports whether a Gateway is one that the translator speaks of: by the name of its class, or by what was said of it.
func ours(gateway *mesh.Object) bool {
	return gateway.Is(resource.GatewayGroup, "Gateway") && (gateway.Wiring.Class == resource.GatewayClass || len(gateway.Conditions) > 0)
}
