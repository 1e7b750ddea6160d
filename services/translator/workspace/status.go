package workspace

import (
	"fmt"
	"strings"

	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/output"
)

// tally is what a workspace has.
type tally struct {
	Namespaces, Clusters int32
	// Lost are the namespaces that it claims and an older one has, sorted by cluster and name.
	Lost []string
}

// count counts the namespaces that exist.
func (s *Spaces) count(r *graph.Reader, _ struct{}) map[string]tally {
	found := map[string]tally{}
	for _, cluster := range s.inv.Clusters(r) {
		counted := map[string]bool{}
		for _, namespace := range s.inv.Namespaces(r, cluster) {
			place := Place{cluster, namespace}
			owner := s.owner(r, place)
			t := found[owner]
			t.Namespaces++
			if !counted[owner] {
				t.Clusters++
				counted[owner] = true
			}
			found[owner] = t
			for _, loser := range s.claims.Get(r, place) {
				if loser == owner {
					continue
				}
				t := found[loser]
				t.Lost = append(t.Lost, fmt.Sprintf("%s of %s (%s)", namespace, cluster, owner))
				found[loser] = t
			}
		}
	}
	return found
}

// Translate returns the status of every Workspace with a name.
func (s *Spaces) Translate(r *graph.Reader, name string) output.Set {
	statuses := output.Set{}
	winner := s.elections.Get(r, name).Ref
	for _, ref := range s.inv.WorkspacesByName(r, name) {
		object, problem := s.inv.Workspace(r, ref.Cluster, name)
		generation := object.Generation
		var status v1alpha1.WorkspaceStatus
		add := func(kind string, holds bool, reason, message string) {
			status.Conditions = append(status.Conditions, output.Condition(kind, holds, reason, message, generation))
		}
		switch {
		case problem != "":
			add(v1alpha1.ConditionAccepted, false, "Invalid", problem)
		case ref != winner:
			add(v1alpha1.ConditionAccepted, false, v1alpha1.ReasonNameConflict, "An older Workspace of the same name is in cluster "+winner.Cluster+": give this one another name")
		default:
			add(v1alpha1.ConditionAccepted, true, v1alpha1.ConditionAccepted, "")
			t := s.tallies.Get(r, name)
			status.Namespaces, status.Clusters = t.Namespaces, t.Clusters
			if len(t.Lost) > 0 {
				add(v1alpha1.ConditionConflicted, true, v1alpha1.ReasonNamespacesTaken, "spec.members: older Workspaces have these namespaces: "+first(t.Lost))
			}
		}
		status.Conditions = append(status.Conditions, s.hold.Conditions(r, ref, generation)...)
		statuses.Put(ref.Cluster, ref.Key, output.Status(generation, status))
	}
	return statuses
}

// first names the first of what may be many.
func first(names []string) string {
	const most = 10
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s, and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
