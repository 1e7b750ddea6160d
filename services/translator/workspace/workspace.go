// Package workspace says what is visible to whom.
//
// While no cluster has a Workspace, everything is. As soon as there is one,
// every namespace of every cluster is in one workspace: that of the oldest
// Workspace that claims it, or "default". What is in a namespace sees what is
// in its own workspace, and of another one what that one exports to it and it
// imports. The pattern of use is one call to [Spaces.Judge] where a reference
// is resolved; what comes of the reference is made from the verdict's sources,
// and all that may depend on visibility is made from [Spaces.Witnesses].
//
// While a cluster cannot be seen from whose Workspaces something was made that
// is held, nobody knows what is visible: a namespace then sees itself only, and
// what was made before is held.
package workspace

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/hold"
	"github.com/meshweir/meshweir/services/translator/inventory"
)

// Place is a namespace of a cluster.
type Place struct{ Cluster, Namespace string }

// Of returns the place of an object.
func Of(ref inventory.Ref) Place { return Place{ref.Cluster, ref.Key.Namespace} }

// Verdict says whether a reference may be.
type Verdict struct {
	// Refused says why it may not, and how to mend it; empty when it may.
	Refused string
	// Sources are the Workspaces of both ends, as far as there are any.
	Sources []inventory.Ref
}

// Spaces knows the workspaces of the fleet.
type Spaces struct {
	inv       *inventory.Inventory
	hold      *hold.Hold
	elections *graph.Query[string, inventory.Age]
	rosters   *graph.Query[struct{}, roster]
	witnesses *graph.Query[struct{}, []inventory.Ref]
	claims    *graph.Query[Place, []string]
	verdicts  *graph.Query[reference, Verdict]
	viewers   *graph.Query[view, []string]
	census    *graph.Query[struct{}, map[string]tally]
	tallies   *graph.Query[string, tally]
}

// reference is one from a namespace to an object of a kind in another.
type reference struct {
	from, to Place
	kind     v1alpha1.SharedKind
}

// view is what a cluster can see of the objects of a kind in a namespace.
type view struct {
	of      Place
	kind    v1alpha1.SharedKind
	cluster string
}

// New returns the Spaces of an inventory.
func New(g *graph.Graph, inv *inventory.Inventory, h *hold.Hold) *Spaces {
	s := &Spaces{inv: inv, hold: h}
	s.elections = graph.NewQuery(g, "workspace in force", s.elect, func(a, b inventory.Age) bool { return a == b })
	s.rosters = graph.NewQuery(g, "workspaces", s.enroll, graph.DeepEqual[roster])
	s.witnesses = graph.NewQuery(g, "clusters with workspaces", s.findWitnesses, slices.Equal[[]inventory.Ref])
	s.claims = graph.NewQuery(g, "workspaces that claim a namespace", s.findClaims, slices.Equal[[]string])
	s.verdicts = graph.NewQuery(g, "verdict on a reference", s.judge, graph.DeepEqual[Verdict])
	s.viewers = graph.NewQuery(g, "viewers of a namespace", s.findViewers, slices.Equal[[]string])
	s.census = graph.NewQuery(g, "namespaces of workspaces", s.count, graph.DeepEqual[map[string]tally])
	s.tallies = graph.NewQuery(g, "namespaces of a workspace", func(r *graph.Reader, name string) tally {
		return s.census.Get(r, struct{}{})[name]
	}, graph.DeepEqual[tally])
	return s
}

// roster is all that is known of the workspaces.
type roster struct {
	// Spaces are the Workspaces in force, the oldest first.
	Spaces []space
	// Unseen are missing clusters that have Workspaces.
	Unseen []string
}

// space is a Workspace in force.
type space struct {
	Ref  inventory.Ref
	Spec v1alpha1.WorkspaceSpec
}

func (s space) name() string { return s.Ref.Key.Name }

// elect finds the oldest of the Workspaces with a name, which is in force; its cluster is empty when there is none.
func (s *Spaces) elect(r *graph.Reader, name string) (oldest inventory.Age) {
	for _, ref := range s.inv.WorkspacesByName(r, name) {
		object, problem := s.inv.Workspace(r, ref.Cluster, name)
		if problem != "" {
			continue
		}
		if a := inventory.AgeOf(ref, object.ObjectMeta); oldest.Ref.Cluster == "" || a.Before(oldest) {
			oldest = a
		}
	}
	return oldest
}

func (s *Spaces) enroll(r *graph.Reader, _ struct{}) roster {
	found := roster{Unseen: s.hold.Claims(r).Workspaces}
	created := map[string]int64{}
	for _, ref := range s.inv.Workspaces(r) {
		e := s.elections.Get(r, ref.Key.Name)
		if e.Ref != ref {
			continue
		}
		object, _ := s.inv.Workspace(r, ref.Cluster, ref.Key.Name)
		found.Spaces = append(found.Spaces, space{ref, object.Spec})
		created[ref.Key.Name] = e.Created
	}
	slices.SortFunc(found.Spaces, func(a, b space) int {
		return cmp.Or(cmp.Compare(created[a.name()], created[b.name()]), strings.Compare(a.name(), b.name()))
	})
	return found
}

// Witnesses returns one Workspace of each cluster that has any in force, so
// that what depends on whether there are Workspaces can be made from them.
func (s *Spaces) Witnesses(r *graph.Reader) []inventory.Ref { return s.witnesses.Get(r, struct{}{}) }

func (s *Spaces) findWitnesses(r *graph.Reader, _ struct{}) []inventory.Ref {
	var found []inventory.Ref
	for _, sp := range s.rosters.Get(r, struct{}{}).Spaces {
		if !slices.ContainsFunc(found, func(ref inventory.Ref) bool { return ref.Cluster == sp.Ref.Cluster }) {
			found = append(found, sp.Ref)
		}
	}
	return found
}

// findClaims returns the names of the Workspaces that claim a namespace, the oldest first.
func (s *Spaces) findClaims(r *graph.Reader, place Place) []string {
	var names []string
	for _, sp := range s.rosters.Get(r, struct{}{}).Spaces {
		if slices.ContainsFunc(sp.Spec.Members, func(m v1alpha1.WorkspaceMember) bool { return s.matches(r, m, place) }) {
			names = append(names, sp.name())
		}
	}
	return names
}

func (s *Spaces) matches(r *graph.Reader, member v1alpha1.WorkspaceMember, place Place) bool {
	if len(member.Clusters) > 0 && !slices.Contains(member.Clusters, place.Cluster) {
		return false
	}
	if len(member.Labels) == 0 {
		return slices.Contains(member.Namespaces, place.Namespace) || slices.Contains(member.Namespaces, "*")
	}
	return resource.Selects(member.Labels, s.inv.NamespaceLabels(r, place.Cluster, place.Namespace))
}

// owner returns the workspace of a namespace, once there is one in the fleet.
func (s *Spaces) owner(r *graph.Reader, place Place) string {
	if names := s.claims.Get(r, place); len(names) > 0 {
		return names[0]
	}
	return v1alpha1.DefaultWorkspace
}

// Judge says whether what is in a namespace may refer to an object of a kind in another.
func (s *Spaces) Judge(r *graph.Reader, from, to Place, kind v1alpha1.SharedKind) Verdict {
	if from == to {
		return Verdict{}
	}
	return s.verdicts.Get(r, reference{from, to, kind})
}

func (s *Spaces) judge(r *graph.Reader, ref reference) Verdict {
	known := s.rosters.Get(r, struct{}{})
	switch {
	case len(known.Unseen) > 0:
		return Verdict{Refused: fmt.Sprintf("whether %s may use a %s of %s is not known until the Workspaces of %s are seen again",
			ref.from.Namespace, ref.kind, ref.to.Namespace, strings.Join(known.Unseen, ", "))}
	case len(known.Spaces) == 0:
		return Verdict{}
	}
	var v Verdict
	mine, theirs := s.owner(r, ref.from), s.owner(r, ref.to)
	importer, exporter := find(known, mine), find(known, theirs)
	for _, sp := range []space{importer, exporter} {
		if sp.name() != "" {
			v.Sources = append(v.Sources, sp.Ref)
		}
	}
	switch {
	case mine == theirs:
	case !shares(exporter.Spec.Exports, mine, ref.kind):
		v.Refused = fmt.Sprintf("namespace %s of %s is in the workspace %s, which does not export the kind %s to %s: add it to spec.exports of the Workspace %s",
			ref.to.Namespace, ref.to.Cluster, theirs, ref.kind, mine, theirs)
	case !shares(importer.Spec.Imports, theirs, ref.kind):
		v.Refused = fmt.Sprintf("namespace %s of %s is in the workspace %s, from which %s does not import the kind %s: add it to spec.imports of the Workspace %s",
			ref.to.Namespace, ref.to.Cluster, theirs, mine, ref.kind, mine)
	}
	return v
}

// find returns the Workspace in force with a name, or a zero space.
func find(known roster, name string) space {
	for _, sp := range known.Spaces {
		if sp.name() == name {
			return sp
		}
	}
	return space{}
}

// shares reports whether one of the entries names a workspace and a kind.
func shares(entries []v1alpha1.WorkspaceShare, workspace string, kind v1alpha1.SharedKind) bool {
	return slices.ContainsFunc(entries, func(e v1alpha1.WorkspaceShare) bool {
		return (e.Workspace == workspace || e.Workspace == "*") && (len(e.Kinds) == 0 || slices.Contains(e.Kinds, kind))
	})
}

// Viewers returns which namespaces of a cluster may refer to the objects of a
// kind in a namespace, sorted. all says that no Workspace limits them.
func (s *Spaces) Viewers(r *graph.Reader, of Place, kind v1alpha1.SharedKind, cluster string) (namespaces []string, all bool) {
	if known := s.rosters.Get(r, struct{}{}); len(known.Spaces)+len(known.Unseen) == 0 {
		return nil, true
	}
	return s.viewers.Get(r, view{of, kind, cluster}), false
}

func (s *Spaces) findViewers(r *graph.Reader, v view) []string {
	var found []string
	for _, namespace := range s.places(r, v.cluster) {
		if s.Judge(r, Place{v.cluster, namespace}, v.of, v.kind).Refused == "" {
			found = append(found, namespace)
		}
	}
	return found
}

// places returns the namespaces of a cluster, sorted: those that it has, and
// those that Workspaces name for it, which a folder need not have a manifest for.
func (s *Spaces) places(r *graph.Reader, cluster string) []string {
	found := s.inv.Namespaces(r, cluster)
	for _, sp := range s.rosters.Get(r, struct{}{}).Spaces {
		for _, member := range sp.Spec.Members {
			if len(member.Clusters) > 0 && !slices.Contains(member.Clusters, cluster) {
				continue
			}
			for _, namespace := range member.Namespaces {
				if namespace != "*" {
					found = append(found, namespace)
				}
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
