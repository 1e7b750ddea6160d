package check

import (
	"fmt"
	"slices"

	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/schemas/istio"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/insights/fleet"
)

// classMissing is CFG0105. Meshweir and Istio answer to names that no GatewayClass needs to describe. Whether the controller of a class
// that is there runs, its status says, which no snapshot has.
func classMissing(r *fleet.Reader, subject fleet.Ref, _ Settings) Result {
	g := fleet.Get[fleet.APIGateway](r, subject)
	if g == nil || g.Spec.Class == resource.GatewayClass || slices.Contains(istio.GatewayClasses(), g.Spec.Class) {
		return Result{}
	}
	class := subject.Ref(fleet.GatewayClasses, "", g.Spec.Class)
	if fleet.Get[fleet.Plain](r, class) != nil {
		return Result{}
	}
	if why := r.Unknown(subject.Cluster, fleet.GatewayClasses); why != "" {
		return Result{Doubts: []Doubt{{Target: subject, Why: why}}}
	}
	named, says := fmt.Sprintf("is of the class %q, which nobody offers", g.Spec.Class), "the Gateway names it"
	if g.Spec.Class == "" { // which an API server refuses; a folder has none
		named, says = "names no class", "the Gateway has no such field"
	}
	return Result{Found: []Finding{{
		Target: subject, Summary: subject.Text() + " " + named + ": nothing is made of it",
		Evidence: []insight.Evidence{
			{Says: says, Source: subject.Insight(), Field: "spec.gatewayClassName", Value: g.Spec.Class},
			{Says: has(r, class), Source: insight.Ref{Cluster: subject.Cluster}},
		},
		Remedy: []insight.Step{
			{Do: fmt.Sprintf("See whether the name is misspelt, and correct it: Meshweir's class is %q.", resource.GatewayClass), Commands: []string{
				kubectl(fleet.Ref{Cluster: subject.Cluster}, "get "+plural(class)), edit(subject),
			}},
			{Do: "Or install the controller whose class it is, or make the GatewayClass."},
		},
	}}}
}
