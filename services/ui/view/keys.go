package view

import (
	"strings"

	"github.com/meshweir/meshweir/pipeline/keyspace"
)

// Kinds of the keyspaces that views are made from, and of the views.
const (
	KindSnapshot = "snapshot"
	KindOutput   = "output"
	KindStatus   = "status"
	KindApplied  = "applied"
	KindView     = "view"
	// KindInsight is that of what is found about the fleet. Pages read it as it is.
	KindInsight = "insight"
)

// ClustersName is the keyspace that holds one [Cluster] for each cluster.
const ClustersName keyspace.Name = KindView + "/clusters"

const (
	resourcesPrefix = "resources."
	historyPrefix   = "history."
)

// SourceKinds returns the kinds of the keyspaces that views are made from.
func SourceKinds() []string { return []string{KindSnapshot, KindOutput, KindStatus, KindApplied} }

// ResourcesName names the keyspace that holds the rows of a cluster.
func ResourcesName(cluster string) (keyspace.Name, error) {
	return keyspace.NewName(KindView, resourcesPrefix+cluster)
}

// ClusterOfResources returns the cluster whose rows a keyspace holds.
func ClusterOfResources(name keyspace.Name) (cluster string, ok bool) {
	if name.Kind() != KindView {
		return "", false
	}
	return strings.CutPrefix(name.Instance(), resourcesPrefix)
}

// HistoryName names the keyspace that holds the histories of the objects of a cluster.
func HistoryName(cluster string) (keyspace.Name, error) {
	return keyspace.NewName(KindView, historyPrefix+cluster)
}

// ClusterOfHistory returns the cluster whose histories a keyspace holds.
func ClusterOfHistory(name keyspace.Name) (cluster string, ok bool) {
	if name.Kind() != KindView {
		return "", false
	}
	return strings.CutPrefix(name.Instance(), historyPrefix)
}

// SourceName names a keyspace that views are made from. The cluster is one that
// another keyspace of these kinds was named after.
func SourceName(kind, cluster string) keyspace.Name { return keyspace.Name(kind + "/" + cluster) }
