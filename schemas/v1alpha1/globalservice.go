package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// KindGlobalService is the kind of a [GlobalService].
const KindGlobalService = "GlobalService"

// GlobalService is one host for Services in many clusters. It counts in the
// whole fleet, whichever cluster it is written in: its namespace and name stand
// for the same thing everywhere, and of two with the same namespace and name,
// or the same host, the older one is in force.
//
// An HTTPRoute or GRPCRoute in any cluster sends traffic to it by a backendRef of group
// meshweir.io and kind GlobalService; from another namespace, a ReferenceGrant
// beside the GlobalService must allow it.
//
// +kubebuilder:validation:XValidation:message="metadata.name must be at most 63 characters long",rule="size(self.metadata.name) <= 63"
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=gsvc,categories=meshweir
// +kubebuilder:printcolumn:name="Host",type=string,JSONPath=`.spec.host`
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type GlobalService struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what the user wants.
	Spec GlobalServiceSpec `json:"spec"`
	// Status is what the translator found. Read only.
	// +optional
	Status GlobalServiceStatus `json:"status,omitzero"`
}

// GlobalServiceSpec says which Services stand behind which host.
// +kubebuilder:validation:XValidation:message="services[].ports must name ports of the host",rule="self.services.all(s, !has(s.ports) || s.ports.all(p, self.ports.exists(q, q.name == p.name)))"
type GlobalServiceSpec struct {
	// Host is the DNS name that clients call, such as "catalog.global". It names one GlobalService in the fleet.
	// Names under "cluster.local" belong to Kubernetes. The last label begins with a letter, so that no IP address is a host.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=200
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`
	// +kubebuilder:validation:XValidation:message="host must not be under cluster.local",rule="!self.endsWith('.cluster.local')"
	Host string `json:"host"`
	// Ports are the ports that the host serves.
	// +required
	// +listType=map
	// +listMapKey=port
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:message="port names must be unique",rule="self.all(p, self.exists_one(q, q.name == p.name))"
	Ports []GlobalServicePort `json:"ports"`
	// Services select the Services behind the host; a Service that any selector matches stands behind it.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Services []ServiceSelector `json:"services"`
	// ClientClusters are further clusters whose workloads call the host; "*" means every cluster.
	// A cluster that has a Service behind the host, or a route that names this GlobalService, always gets it. Default: none.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=128
	// +kubebuilder:validation:items:Pattern=`^(\*|[a-z0-9]([-.a-z0-9]*[a-z0-9])?)$`
	// +kubebuilder:validation:XValidation:message="clientClusters must name no cluster beside \"*\"",rule="self.size() == 1 || !('*' in self)"
	ClientClusters []string `json:"clientClusters,omitempty"`
	// OutlierDetection says when an endpoint that fails is left out, which is what makes traffic move to another cluster. Default: its fields' defaults.
	// +optional
	OutlierDetection *OutlierDetection `json:"outlierDetection,omitempty"`
}

// PortProtocol is the application protocol of a port.
// +kubebuilder:validation:Enum=HTTP;HTTP2;GRPC;TCP
type PortProtocol string

// The protocols that a GlobalService carries.
const (
	// ProtocolHTTP is HTTP/1.1.
	ProtocolHTTP PortProtocol = "HTTP"
	// ProtocolHTTP2 is HTTP/2.
	ProtocolHTTP2 PortProtocol = "HTTP2"
	// ProtocolGRPC is gRPC over HTTP/2.
	ProtocolGRPC PortProtocol = "GRPC"
	// ProtocolTCP is any other protocol over TCP. Routes do not lead to it.
	ProtocolTCP PortProtocol = "TCP"
)

// GlobalServicePort is one port of the host.
type GlobalServicePort struct {
	// Name names the port, as a DNS label.
	// +required
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`
	// Port is the number that clients call.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`
	// ServicePort is the number or the name of the port of the Services behind it. By its name, it may have another number in each of them. Default (0): the same number as Port.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:message="servicePort must be from 0 to 65535, or the name of a port",rule="type(self) == int ? self >= 0 && self <= 65535 : self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')"
	ServicePort intstr.IntOrString `json:"servicePort,omitzero"`
	// Protocol is the application protocol. Default: HTTP.
	// +optional
	// +kubebuilder:default=HTTP
	Protocol PortProtocol `json:"protocol,omitempty"`
}

// ServiceSelector selects Services by name or by labels, in some or all clusters.
// +kubebuilder:validation:XValidation:message="exactly one of name and labels must be set",rule="has(self.name) != has(self.labels)"
type ServiceSelector struct {
	// Namespace is the Services' namespace. Default: the GlobalService's.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace string `json:"namespace,omitempty"`
	// Name is the Service's name.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
	// Labels are labels that the Services have, all of them.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=16
	Labels map[string]string `json:"labels,omitempty"`
	// Ports say which ports these Services have where it is not what the port of the host says. A Service is subject to the first selector that matches it. Default: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Ports []SelectedPort `json:"ports,omitempty"`
	// Clusters are the clusters to look in. Default (none): every cluster.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=128
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$`
	Clusters []string `json:"clusters,omitempty"`
}

// SelectedPort is the port of some Services behind a port of the host.
type SelectedPort struct {
	// Name is the name of the port of the host.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// ServicePort is the number or the name of the Services' port.
	// +required
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:message="servicePort must be from 1 to 65535, or the name of a port",rule="type(self) == int ? self >= 1 && self <= 65535 : self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')"
	ServicePort intstr.IntOrString `json:"servicePort"`
}

// OutlierDetection says when an endpoint that fails is left out, and for how long.
type OutlierDetection struct {
	// ConsecutiveErrors is the number of 5xx answers or connection failures in a row after which an endpoint is left out. Default (0): 5.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ConsecutiveErrors int32 `json:"consecutiveErrors,omitempty"`
	// Interval is the time between two checks, such as "10s". Default: 10s.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,9}(\.[0-9]{1,9})?(h|m|s|ms))+$`
	// +kubebuilder:validation:XValidation:message="interval must be at least 1ms",rule="duration(self) >= duration('1ms')"
	Interval *metav1.Duration `json:"interval,omitempty"`
	// BaseEjectionTime is how long an endpoint is left out the first time, such as "30s". Default: 30s.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,9}(\.[0-9]{1,9})?(h|m|s|ms))+$`
	// +kubebuilder:validation:XValidation:message="baseEjectionTime must be at least 1ms",rule="duration(self) >= duration('1ms')"
	BaseEjectionTime *metav1.Duration `json:"baseEjectionTime,omitempty"`
	// MaxEjectionPercent is the share of the endpoints that may be left out at once, in percent. Default (0): 100.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	MaxEjectionPercent int32 `json:"maxEjectionPercent,omitempty"`
}

// GlobalServiceStatus is what the translator found.
type GlobalServiceStatus struct {
	// Conditions are Accepted, ResolvedRefs, Programmed, and where they are not False InputMissing and TrustMismatch.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Clusters are the clusters that have Services behind the host, sorted by name.
	// +optional
	// +listType=map
	// +listMapKey=name
	Clusters []GlobalServiceCluster `json:"clusters,omitempty"`
}

// GlobalServiceCluster says what stands behind the host in one cluster.
type GlobalServiceCluster struct {
	// Name is the cluster's name.
	Name string `json:"name"`
	// Services are "namespace/name" of the Services behind the host, sorted.
	Services []string `json:"services,omitempty"`
}

// GlobalServiceList is a list of GlobalServices.
// +kubebuilder:object:root=true
type GlobalServiceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	// Items are the GlobalServices.
	Items []GlobalService `json:"items"`
}
