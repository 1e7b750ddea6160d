package gatewayapi

import (
	"fmt"
	"slices"

	networking "istio.io/api/networking/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/translator/globalservice"
	"github.com/meshweir/meshweir/services/translator/workspace"
)

// destination resolves a reference to a backend; it returns nil and notes why when that fails.
func (rr *ruleReader) destination(field string, ref gatewayv1.BackendObjectReference) *networking.Destination {
	key := resource.Key{
		Group: string(ptr.Deref(ref.Group, "")), Kind: string(ptr.Deref(ref.Kind, "Service")),
		Namespace: string(ptr.Deref(ref.Namespace, gatewayv1.Namespace(rr.ref.Key.Namespace))), Name: string(ref.Name),
	}
	var host string
	var f refusal
	switch {
	case key.Group == "" && key.Kind == "Service":
		host, f = rr.service(key, ref.Port)
	case key.Group == resource.Group && key.Kind == v1alpha1.KindGlobalService:
		host, f = rr.globalService(key, ref.Port)
	default:
		f = refuse(gatewayv1.RouteReasonInvalidKind, fmt.Sprintf("%s %s is not supported as a backend", key.Group, key.Kind))
	}
	if !f.none() {
		f.Message = field + ": " + f.Message
		rr.unresolved = append(rr.unresolved, f)
		return nil
	}
	return &networking.Destination{Host: host, Port: &networking.PortSelector{Number: uint32(*ref.Port)}}
}

func (rr *ruleReader) granted(cluster string, key resource.Key) refusal {
	verdict := rr.t.spaces.Judge(rr.r, workspace.Of(rr.ref), workspace.Place{Cluster: cluster, Namespace: key.Namespace}, v1alpha1.SharedKind(key.Kind))
	rr.sources.Add(verdict.Sources...)
	if verdict.Refused != "" {
		return refuse(gatewayv1.RouteReasonRefNotPermitted, verdict.Refused)
	}
	if rr.t.inv.Granted(rr.r, resource.GatewayGroup, rr.ref.Key.Kind, rr.ref.Key.Namespace, cluster, key) {
		return refusal{}
	}
	return refuse(gatewayv1.RouteReasonRefNotPermitted,
		fmt.Sprintf("no ReferenceGrant in namespace %s lets %ss of %s use %s %s", key.Namespace, rr.ref.Key.Kind, rr.ref.Key.Namespace, key.Kind, key.Name))
}

func (rr *ruleReader) service(key resource.Key, port *gatewayv1.PortNumber) (host string, f refusal) {
	if f := rr.granted(rr.ref.Cluster, key); !f.none() {
		return "", f
	}
	name := key.Namespace + "/" + key.Name
	service := rr.t.inv.Service(rr.r, rr.ref.Cluster, key.Namespace, key.Name)
	switch {
	case service == nil:
		return "", refuse(gatewayv1.RouteReasonBackendNotFound, "Service "+name+" does not exist")
	case service.Spec.Type == corev1.ServiceTypeExternalName:
		return "", refuse(gatewayv1.RouteReasonInvalidKind, "Service "+name+" is of type ExternalName, which is not supported as a backend")
	case port == nil:
		return "", refuse(gatewayv1.RouteReasonBackendNotFound, "port must be set for Service "+name)
	}
	i := slices.IndexFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == *port })
	if i < 0 {
		return "", refuse(gatewayv1.RouteReasonBackendNotFound, fmt.Sprintf("Service %s has no port %d", name, *port))
	}
	if protocol := service.Spec.Ports[i].Protocol; protocol != "" && protocol != corev1.ProtocolTCP {
		return "", refuse(gatewayv1.RouteReasonUnsupportedProtocol, fmt.Sprintf("port %d of Service %s is %s", *port, name, protocol))
	}
	if declared, ok := carriesGRPC(service.Spec.Ports[i]); !ok && rr.ref.Key.Kind == kindGRPCRoute {
		return "", refuse(gatewayv1.RouteReasonUnsupportedProtocol,
			fmt.Sprintf("port %d of Service %s is declared as %q, with which Istio does not speak HTTP/2: set its appProtocol to grpc", *port, name, declared))
	}
	return resource.ServiceHost(key.Namespace, key.Name), refusal{}
}

func (rr *ruleReader) globalService(key resource.Key, port *gatewayv1.PortNumber) (host string, f refusal) {
	name := key.Namespace + "/" + key.Name
	reach := rr.t.global.Reach(rr.r, rr.ref.Cluster, globalservice.Name{Namespace: key.Namespace, Name: key.Name})
	if reach.Home.Cluster == "" {
		return "", refuse(gatewayv1.RouteReasonBackendNotFound, "GlobalService "+name+" "+reach.Problem)
	}
	// What the route comes to depends on the object, whether or not it can be used.
	rr.sources.Add(reach.Home)
	reach.Guards.AddTo(rr.sources)
	if f := rr.granted(reach.Home.Cluster, key); !f.none() {
		return "", f
	}
	switch {
	case reach.Problem != "":
		return "", refuse(gatewayv1.RouteReasonBackendNotFound, "GlobalService "+name+" "+reach.Problem)
	case port == nil:
		return "", refuse(gatewayv1.RouteReasonBackendNotFound, "port must be set for GlobalService "+name)
	}
	i := slices.IndexFunc(reach.Ports, func(p v1alpha1.GlobalServicePort) bool { return p.Port == *port })
	if i < 0 {
		return "", refuse(gatewayv1.RouteReasonBackendNotFound, fmt.Sprintf("GlobalService %s has no port %d", name, *port))
	}
	switch protocol := reach.Ports[i].Protocol; {
	case protocol == v1alpha1.ProtocolTCP:
		f = refuse(gatewayv1.RouteReasonUnsupportedProtocol,
			fmt.Sprintf("port %d of GlobalService %s is of protocol TCP, to which no %s leads", *port, name, rr.ref.Key.Kind))
	case rr.ref.Key.Kind == kindGRPCRoute && protocol != v1alpha1.ProtocolGRPC && protocol != v1alpha1.ProtocolHTTP2:
		f = refuse(gatewayv1.RouteReasonUnsupportedProtocol,
			fmt.Sprintf("port %d of GlobalService %s is not of protocol GRPC or HTTP2: set its spec.ports[%d].protocol", *port, name, i))
	}
	if !f.none() {
		return "", f
	}
	return reach.Host, refusal{}
}
