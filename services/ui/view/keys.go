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
	// KindRegistry is that of the registry of clusters, which says who is no part of the fleet any more.
	KindRegistry = "registry"
	// KindInsight is that of what is found about the fleet. Pages read it as it is.
	KindInsight = "insight"
)

// ClustersName is the keyspace that holds one [Cluster] for each cluster.
const ClustersName keyspace.Name = KindView + "/clusters"

// FleetInsightsName is the keyspace of what is found about more than one cluster. It is there as soon as somebody has looked.
const FleetInsightsName keyspace.Name = KindInsight + "/fleet"

// RegistryName is the keyspace that says which clusters were registered and deregistered.
const RegistryName keyspace.Name = KindRegistry + "/clusters"

const (
	resourcesPrefix = "resources."
	historyPrefix   = "history."
)

// SourceKinds returns the kinds of the keyspaces that rows are made from; their instance is the cluster.
func SourceKinds() []string { return []string{KindSnapshot, KindOutput, KindStatus, KindApplied} }

// FollowedKinds returns the kinds of all keyspaces that views are made from.
func FollowedKinds() []string { return append(SourceKinds(), KindRegistry) }

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
