package inventory

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/translator/graph"
)

// Clusters returns the names of the complete clusters, sorted.
func (inv *Inventory) Clusters(r *graph.Reader) []string {
	r.Note(clustersInput{})
	var names []string
	for name, c := range inv.clusters {
		if c.complete {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Missing returns the clusters that live objects of others were made from and that are not complete, sorted.
func (inv *Inventory) Missing(r *graph.Reader) []string {
	r.Note(missingInput{})
	return inv.missing
}

// get returns an object as T, and the problem that it has; the object is nil when there is none.
func get[T any](inv *Inventory, r *graph.Reader, cluster, group, kind, namespace, name string) (object T, problem string) {
	ref := Ref{cluster, resource.Key{Group: group, Kind: kind, Namespace: namespace, Name: name}}
	r.Note(objectInput(ref))
	c, ok := inv.clusters[cluster]
	if !ok || !c.complete {
		return object, ""
	}
	found := c.objects[ref.Key]
	object, _ = found.value.(T)
	return object, found.Problem
}

// readable returns an object as T, or nil when there is none or it has a problem.
func readable[T any](inv *Inventory, r *graph.Reader, cluster, group, kind, namespace, name string) (object T) {
	found, problem := get[T](inv, r, cluster, group, kind, namespace, name)
	if problem != "" {
		return object
	}
	return found
}

// GatewayClass returns a GatewayClass, or nil.
func (inv *Inventory) GatewayClass(r *graph.Reader, cluster, name string) *gatewayv1.GatewayClass {
	return readable[*gatewayv1.GatewayClass](inv, r, cluster, resource.GatewayGroup, "GatewayClass", "", name)
}

// Gateway returns a Gateway, or nil. When there is a problem, the Gateway tells its class and its generation only.
func (inv *Inventory) Gateway(r *graph.Reader, cluster, namespace, name string) (gateway *gatewayv1.Gateway, problem string) {
	return get[*gatewayv1.Gateway](inv, r, cluster, resource.GatewayGroup, "Gateway", namespace, name)
}

// HTTPRoute returns an HTTPRoute, or nil. When there is a problem, the route tells its parents and its generation only.
func (inv *Inventory) HTTPRoute(r *graph.Reader, cluster, namespace, name string) (route *gatewayv1.HTTPRoute, problem string) {
	return get[*gatewayv1.HTTPRoute](inv, r, cluster, resource.GatewayGroup, "HTTPRoute", namespace, name)
}

// GRPCRoute returns a GRPCRoute, or nil. When there is a problem, the route tells its parents and its generation only.
func (inv *Inventory) GRPCRoute(r *graph.Reader, cluster, namespace, name string) (route *gatewayv1.GRPCRoute, problem string) {
	return get[*gatewayv1.GRPCRoute](inv, r, cluster, resource.GatewayGroup, "GRPCRoute", namespace, name)
}

// GlobalService returns a GlobalService, or nil. When there is a problem, it tells its generation only.
func (inv *Inventory) GlobalService(r *graph.Reader, cluster, namespace, name string) (service *v1alpha1.GlobalService, problem string) {
	return get[*v1alpha1.GlobalService](inv, r, cluster, resource.Group, v1alpha1.KindGlobalService, namespace, name)
}

// Workspace returns a Workspace, or nil. When there is a problem, it tells its generation only.
func (inv *Inventory) Workspace(r *graph.Reader, cluster, name string) (workspace *v1alpha1.Workspace, problem string) {
	return get[*v1alpha1.Workspace](inv, r, cluster, resource.Group, v1alpha1.KindWorkspace, "", name)
}

// Service returns a Service, or nil.
func (inv *Inventory) Service(r *graph.Reader, cluster, namespace, name string) *corev1.Service {
	return readable[*corev1.Service](inv, r, cluster, "", kindService, namespace, name)
}

// ConfigMap returns a ConfigMap, or nil.
func (inv *Inventory) ConfigMap(r *graph.Reader, cluster, namespace, name string) *corev1.ConfigMap {
	return readable[*corev1.ConfigMap](inv, r, cluster, "", kindConfigMap, namespace, name)
}

// Certificate returns the public part of a Secret, or nil.
func (inv *Inventory) Certificate(r *graph.Reader, cluster, namespace, name string) *internalv1.Certificate {
	return readable[*internalv1.Certificate](inv, r, cluster, resource.InternalGroup, internalv1.KindCertificate, namespace, name)
}

// HasNamespace reports whether a cluster has a namespace.
func (inv *Inventory) HasNamespace(r *graph.Reader, cluster, name string) bool {
	return readable[*corev1.Namespace](inv, r, cluster, "", kindNamespace, "", name) != nil
}

// Namespaces returns the names of the namespaces of a cluster, sorted.
func (inv *Inventory) Namespaces(r *graph.Reader, cluster string) []string {
	refs := inv.lookup(r, indexKind, cluster, kindNamespace)
	names := make([]string, 0, len(refs))
	for _, ref := range refs {
		names = append(names, ref.Key.Name)
	}
	return names
}

// NamespaceLabels returns the labels of a namespace, with the one that every API server sets.
func (inv *Inventory) NamespaceLabels(r *graph.Reader, cluster, name string) map[string]string {
	labels := map[string]string{corev1.LabelMetadataName: name}
	if namespace := readable[*corev1.Namespace](inv, r, cluster, "", kindNamespace, "", name); namespace != nil {
		maps.Copy(labels, namespace.Labels)
	}
	return labels
}

// Managed returns an object that Meshweir has written, or nil.
func (inv *Inventory) Managed(r *graph.Reader, ref Ref) *Managed {
	return readable[*Managed](inv, r, ref.Cluster, ref.Key.Group, ref.Key.Kind, ref.Key.Namespace, ref.Key.Name)
}

// lookup returns what an index lists, sorted.
func (inv *Inventory) lookup(r *graph.Reader, index, cluster, value string) []Ref {
	e := entry{index, cluster, value}
	r.Note(e)
	refs := make([]Ref, 0, len(inv.indexes[e]))
	for ref := range inv.indexes[e] {
		refs = append(refs, ref)
	}
	slices.SortFunc(refs, Ref.Compare)
	return refs
}

// Gateways lists the Gateways of a cluster.
func (inv *Inventory) Gateways(r *graph.Reader, cluster string) []Ref {
	return inv.lookup(r, indexKind, cluster, kindGateway)
}

// RoutesByParent lists the routes of a cluster that name a Gateway as parent.
func (inv *Inventory) RoutesByParent(r *graph.Reader, cluster, namespace, name string) []Ref {
	return inv.lookup(r, indexParent, cluster, namespace+"/"+name)
}

// RoutesByBackend lists the routes of a cluster that name a GlobalService as backend.
func (inv *Inventory) RoutesByBackend(r *graph.Reader, cluster, namespace, name string) []Ref {
	return inv.lookup(r, indexBackend, cluster, namespace+"/"+name)
}

// ServicesBySelector lists the Services of a cluster that select Pods by a label.
func (inv *Inventory) ServicesBySelector(r *graph.Reader, cluster, label, value string) []Ref {
	return inv.lookup(r, indexSelector, cluster, label+"="+value)
}

// Services lists the Services of a namespace.
func (inv *Inventory) Services(r *graph.Reader, cluster, namespace string) []Ref {
	return inv.lookup(r, indexNamespace, cluster, kindService+"/"+namespace)
}

// ReferenceGrants returns the ReferenceGrants of a namespace.
func (inv *Inventory) ReferenceGrants(r *graph.Reader, cluster, namespace string) []*gatewayv1.ReferenceGrant {
	var grants []*gatewayv1.ReferenceGrant
	for _, ref := range inv.lookup(r, indexNamespace, cluster, kindReferenceGrant+"/"+namespace) {
		grant := readable[*gatewayv1.ReferenceGrant](inv, r, cluster, resource.GatewayGroup, "ReferenceGrant", namespace, ref.Key.Name)
		if grant != nil {
			grants = append(grants, grant)
		}
	}
	return grants
}

// GatewayEndpoints returns the east-west gateways of a cluster, sorted by namespace and name.
func (inv *Inventory) GatewayEndpoints(r *graph.Reader, cluster string) []*internalv1.GatewayEndpoint {
	var endpoints []*internalv1.GatewayEndpoint
	for _, ref := range inv.lookup(r, indexKind, cluster, kindGatewayEndpoint) {
		endpoint := readable[*internalv1.GatewayEndpoint](inv, r, cluster, ref.Key.Group, ref.Key.Kind, ref.Key.Namespace, ref.Key.Name)
		if endpoint != nil {
			endpoints = append(endpoints, endpoint)
		}
	}
	return endpoints
}

// TrustRoots returns the fingerprints of the root certificates that the mesh of a cluster trusts. None means that they are unknown.
func (inv *Inventory) TrustRoots(r *graph.Reader, cluster string) []string {
	var roots []string
	for _, ref := range inv.lookup(r, indexKind, cluster, kindMesh) {
		mesh := readable[*internalv1.Mesh](inv, r, cluster, ref.Key.Group, ref.Key.Kind, ref.Key.Namespace, ref.Key.Name)
		if mesh != nil {
			roots = append(roots, mesh.Spec.TrustRoots...)
		}
	}
	return roots
}

// GlobalServicesByName lists the GlobalServices with a namespace and name in the whole fleet.
func (inv *Inventory) GlobalServicesByName(r *graph.Reader, namespace, name string) []Ref {
	return inv.lookup(r, indexName, "", namespace+"/"+name)
}

// GlobalServicesByHost lists the GlobalServices with a host in the whole fleet.
func (inv *Inventory) GlobalServicesByHost(r *graph.Reader, host string) []Ref {
	return inv.lookup(r, indexHost, "", host)
}

// GlobalServices lists the GlobalServices of the whole fleet.
func (inv *Inventory) GlobalServices(r *graph.Reader) []Ref {
	return inv.lookup(r, indexFleet, "", kindGlobalService)
}

// Workspaces lists the Workspaces of the whole fleet.
func (inv *Inventory) Workspaces(r *graph.Reader) []Ref {
	return inv.lookup(r, indexFleet, "", kindWorkspace)
}

// WorkspacesByName lists the Workspaces with a name in the whole fleet.
func (inv *Inventory) WorkspacesByName(r *graph.Reader, name string) []Ref {
	return inv.lookup(r, indexName, "", "/"+name)
}

// ManagedFrom lists the objects in a cluster that Meshweir made from what another cluster holds.
func (inv *Inventory) ManagedFrom(r *graph.Reader, cluster, source string) []Ref {
	return inv.lookup(r, indexSourceClusters, cluster, source)
}

// Unapplied returns what the visible clusters did not apply of what was made from a source, sorted by cluster and object.
func (inv *Inventory) Unapplied(r *graph.Reader, source Ref) []Unapplied {
	var found []Unapplied
	for _, ref := range inv.lookup(r, indexSource, "", source.String()) {
		if o := readable[*internalv1.Unapplied](inv, r, ref.Cluster, ref.Key.Group, ref.Key.Kind, ref.Key.Namespace, ref.Key.Name); o != nil {
			found = append(found, Unapplied{ref.Cluster, o.Spec})
		}
	}
	return found
}

// Unapplied is what a cluster did not apply, and why.
type Unapplied struct {
	Cluster string
	internalv1.UnappliedSpec
}
