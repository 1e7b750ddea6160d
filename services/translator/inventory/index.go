package inventory

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
)

// The inputs of the graph: one object, one answer of an index, the list of complete clusters, the list of missing ones.
type (
	objectInput   Ref
	clustersInput struct{}
	missingInput  struct{}
)

// entry is one value in one index. Its cluster is empty for an index over the whole fleet.
type entry struct{ index, cluster, value string }

// The indexes.
const (
	// indexKind lists the objects of a kind in a cluster.
	indexKind = "kind"
	// indexNamespace lists the objects of a kind in a namespace.
	indexNamespace = "namespace"
	// indexParent lists the routes that name a Gateway as parent.
	indexParent = "parent"
	// indexBackend lists the routes that name a GlobalService as backend.
	indexBackend = "backend"
	// indexSelector lists the Services that select Pods by a label, "key=value".
	indexSelector = "selector"
	// indexName lists the GlobalServices of a namespace and name, and the Workspaces of a name, in the whole fleet.
	indexName = "name"
	// indexHost lists the GlobalServices with a host in the whole fleet.
	indexHost = "host"
	// indexFleet lists all objects of a kind in the whole fleet.
	indexFleet = "fleet"
	// indexSource lists what clusters did not apply of what was made from an object, "cluster:key", in the whole fleet.
	indexSource = "source"
	// indexSourceClusters lists the managed objects in a cluster that were made from another.
	indexSourceClusters = "source cluster"
)

// entries returns the index entries under which an object is found.
func entries(ref Ref, object Object) []entry {
	kind := kindOf(ref.Key)
	at := func(index, value string) entry { return entry{index, ref.Cluster, value} }
	switch o := object.value.(type) {
	case *gatewayv1.Gateway:
		return []entry{at(indexKind, kind)}
	case *gatewayv1.HTTPRoute:
		return routeEntries(ref, o.Spec.ParentRefs, o.Spec.Rules)
	case *gatewayv1.GRPCRoute:
		return routeEntries(ref, o.Spec.ParentRefs, GRPCRules(o))
	case *gatewayv1.ReferenceGrant:
		return []entry{at(indexNamespace, kind+"/"+ref.Key.Namespace)}
	case *corev1.Service:
		found := []entry{at(indexNamespace, kind+"/"+ref.Key.Namespace)}
		for k, v := range o.Spec.Selector {
			found = append(found, at(indexSelector, k+"="+v))
		}
		return found
	case *v1alpha1.GlobalService:
		return []entry{
			{indexName, "", ref.Key.Namespace + "/" + ref.Key.Name},
			{indexHost, "", o.Spec.Host},
			{indexFleet, "", kind},
		}
	case *v1alpha1.Workspace:
		return []entry{{indexName, "", ref.Key.Namespace + "/" + ref.Key.Name}, {indexFleet, "", kind}}
	case *corev1.Namespace:
		return []entry{at(indexKind, kind)}
	case *internalv1.Unapplied:
		var found []entry
		for _, source := range o.Spec.Sources {
			found = append(found, entry{indexSource, "", source})
		}
		return found
	case *Managed:
		var found []entry
		for _, cluster := range o.Clusters {
			found = append(found, at(indexSourceClusters, cluster))
		}
		return found
	}
	if kind == kindGatewayEndpoint || kind == kindMesh {
		return []entry{at(indexKind, kind)}
	}
	return nil
}

func routeEntries(ref Ref, parents []gatewayv1.ParentReference, rules []gatewayv1.HTTPRouteRule) []entry {
	unique := map[entry]struct{}{}
	for _, parent := range parents {
		if namespace, name, ok := GatewayParent(ref.Key.Namespace, parent); ok {
			unique[entry{indexParent, ref.Cluster, namespace + "/" + name}] = struct{}{}
		}
	}
	for _, rule := range rules {
		for _, backend := range rule.BackendRefs {
			addBackend(unique, ref, backend.BackendObjectReference)
		}
		for _, filter := range rule.Filters {
			if filter.RequestMirror != nil {
				addBackend(unique, ref, filter.RequestMirror.BackendRef)
			}
		}
	}
	found := make([]entry, 0, len(unique))
	for e := range unique {
		found = append(found, e)
	}
	return found
}

func addBackend(unique map[entry]struct{}, ref Ref, backend gatewayv1.BackendObjectReference) {
	if ptr.Deref(backend.Group, "") != resource.Group || ptr.Deref(backend.Kind, "") != v1alpha1.KindGlobalService {
		return
	}
	namespace := string(ptr.Deref(backend.Namespace, gatewayv1.Namespace(ref.Key.Namespace)))
	unique[entry{indexBackend, ref.Cluster, namespace + "/" + string(backend.Name)}] = struct{}{}
}

// GatewayParent returns the Gateway that a parentRef of a route in a namespace names; ok is false when it names another kind.
func GatewayParent(routeNamespace string, parent gatewayv1.ParentReference) (namespace, name string, ok bool) {
	if ptr.Deref(parent.Group, resource.GatewayGroup) != resource.GatewayGroup || ptr.Deref(parent.Kind, "Gateway") != "Gateway" {
		return "", "", false
	}
	return string(ptr.Deref(parent.Namespace, gatewayv1.Namespace(routeNamespace))), string(parent.Name), true
}
