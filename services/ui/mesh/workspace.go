package mesh

import (
	"slices"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/ui/view"
)

// Verdict says what Workspaces have to do with a way from one namespace to another.
type Verdict struct {
	// From and To are the names of the two workspaces; empty when the fleet has no Workspace.
	From, To string
	// Importer and Exporter are the Workspaces; nil for the workspace "default" that nobody wrote.
	Importer, Exporter *Object
	// Passes says that the way is open.
	Passes bool
	// Says is why, in a few words.
	Says string
}

// Judge says whether what is in the namespace of one object may refer to another object.
func (ix *Index) Judge(from, to *Object) Verdict {
	if len(ix.workspaces) == 0 {
		return Verdict{Passes: true}
	}
	v := Verdict{}
	v.From, v.Importer = ix.WorkspaceOf(from.Ref.Cluster, from.Key.Namespace)
	v.To, v.Exporter = ix.WorkspaceOf(to.Ref.Cluster, to.Key.Namespace)
	kind := to.Key.Kind
	switch {
	case v.From == v.To:
		v.Passes, v.Says = true, "both are in workspace "+v.From
	case v.Exporter == nil || !shares(v.Exporter.Wiring.Workspace.Exports, v.From, kind):
		v.Says = v.To + " does not export " + kind + "s to " + v.From
	case v.Importer == nil || !shares(v.Importer.Wiring.Workspace.Imports, v.To, kind):
		v.Says = v.From + " does not import " + kind + "s from " + v.To
	default:
		v.Passes, v.Says = true, v.To+" exports "+kind+"s to "+v.From+", which imports them"
	}
	return v
}

// WorkspaceOf returns the workspace of a namespace, which is that of the oldest Workspace that
// claims it, or "default"; it has no name when the fleet has no Workspace.
func (ix *Index) WorkspaceOf(clusterName, namespace string) (name string, workspace *Object) {
	if len(ix.workspaces) == 0 {
		return "", nil
	}
	var labels map[string]string
	if c := ix.byName[clusterName]; c != nil {
		labels = c.labels[namespace]
	}
	for _, w := range ix.workspaces {
		claims := slices.ContainsFunc(w.Wiring.Workspace.Members, func(m view.Members) bool {
			switch {
			case len(m.Clusters) > 0 && !slices.Contains(m.Clusters, clusterName):
				return false
			case len(m.Labels) > 0:
				return resource.Selects(m.Labels, labels)
			default:
				return slices.Contains(m.Namespaces, namespace) || slices.Contains(m.Namespaces, "*")
			}
		})
		if claims {
			return w.Key.Name, w
		}
	}
	i := slices.IndexFunc(ix.workspaces, func(w *Object) bool { return w.Key.Name == v1alpha1.DefaultWorkspace })
	if i < 0 {
		return v1alpha1.DefaultWorkspace, nil
	}
	return v1alpha1.DefaultWorkspace, ix.workspaces[i]
}

// shares reports whether one of the entries names a workspace and a kind.
func shares(entries []view.Share, workspace, kind string) bool {
	return slices.ContainsFunc(entries, func(e view.Share) bool {
		return (e.Workspace == workspace || e.Workspace == "*") && (len(e.Kinds) == 0 || slices.Contains(e.Kinds, kind))
	})
}

// Members returns the namespaces, of all clusters, that a Workspace has, as "cluster/namespace", sorted.
func (ix *Index) Members(workspace *Object) []string {
	var members []string
	for _, c := range ix.clusters {
		for namespace := range c.labels {
			if _, has := ix.WorkspaceOf(c.name, namespace); has == workspace {
				members = append(members, c.name+"/"+namespace)
			}
		}
	}
	slices.Sort(members)
	return members
}

// IsPolicy reports whether the object says how requests are treated, and not where they go.
func (o *Object) IsPolicy() bool {
	if o.Wiring == nil {
		return false
	}
	return o.Wiring.Policy != nil || o.Is(resource.Group, v1alpha1.KindWorkspace)
}
