package internalv1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// EastWestPort is the port at which an Istio east-west gateway takes mutual TLS from other networks.
const EastWestPort = 15443

// GatewayEndpoint says where other clusters reach this cluster's east-west
// gateway. It has the namespace and name of the gateway's Service.
type GatewayEndpoint struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              GatewayEndpointSpec `json:"spec"`
}

// GatewayEndpointSpec is read by the translator, which builds both sides of a GlobalService from it.
type GatewayEndpointSpec struct {
	// Addresses are the IP addresses or host names at which other clusters reach the gateway, sorted. None means that it has no address yet.
	Addresses []string `json:"addresses,omitempty"`
	// Port is the port for mutual TLS at those addresses; 0 means [EastWestPort].
	Port uint32 `json:"port,omitempty"`
	// Network is the Istio network behind the gateway (label topology.istio.io/network). Empty means that the cluster names none.
	Network string `json:"network,omitempty"`
	// Locality is "region" or "region/zone" of the cluster's Nodes as far as all Nodes agree on it. Empty means that they do not, or that it is unknown.
	Locality string `json:"locality,omitempty"`
	// Selector is the Service's selector: the labels of the gateway's Pods. None means {istio: eastwestgateway}.
	Selector map[string]string `json:"selector,omitempty"`
}
