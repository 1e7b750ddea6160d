package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/ui/mesh"
)

// Attachment is a policy and what it is for.
type Attachment struct {
	Entry
	Namespace string `json:"namespace,omitempty"`
	Cluster   string `json:"cluster"`
	Managed   bool   `json:"managed,omitempty"`
	// To are what it is for: workloads, hosts, namespaces. Total counts them, also where only the first are kept.
	To    []string `json:"to,omitempty"`
	Total int      `json:"total"`
	// Nothing says, where it is for nothing, why.
	Nothing string `json:"nothing,omitempty"`
}

// All returns every policy of a fleet, sorted by kind, cluster, namespace and name.
func All(ix *mesh.Index) []Attachment {
	var all []Attachment
	for o := range ix.Objects() {
		if !o.IsPolicy() {
			continue
		}
		a := Attachment{Entry: entryOf(ix, o), Namespace: o.Key.Namespace, Cluster: o.Ref.Cluster, Managed: o.Managed}
		a.Name = o.Key.Name
		a.attach(ix, o)
		a.Total = len(a.To)
		all = append(all, a)
	}
	slices.SortStableFunc(all, func(a, b Attachment) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Cluster, b.Cluster))
	})
	return all
}

// More counts what it is for beyond what is kept.
func (a *Attachment) More() int { return a.Total - len(a.To) }

func (a *Attachment) attach(ix *mesh.Index, o *mesh.Object) {
	switch {
	case o.Is(resource.Group, v1alpha1.KindWorkspace):
		a.Scope = ""
		if a.To = ix.Members(o); len(a.To) == 0 {
			a.Nothing = "no namespace is in it"
		}
	case o.Is(mesh.GroupNetworking, "DestinationRule"):
		a.Scope = ""
		if a.To = ix.Called(o); len(a.To) == 0 {
			a.Nothing = "nothing has the host " + strings.Join(o.Wiring.Hosts, ", ")
		}
	default:
		pods := ix.Selects(o)
		a.To = names(pods)
		switch {
		case len(pods) > 0:
		case ix.Ignored(o):
			a.Nothing = "Istio ignores one of the root namespace that asks for labels"
		case len(o.Wiring.Targets) > 0:
			a.Nothing = "no proxy sees to what it names"
		case len(o.Wiring.Selector) > 0:
			a.Nothing = "no workload has the labels that it asks for"
		default:
			a.Nothing = "the namespace has no workload"
		}
	}
}
