package fleet

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/istio"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
)

// Input names what a check reads: a kind, "Kind[.group]", or one of what is no object.
type Input string

// What checks can read.
const (
	Namespaces          Input = "Namespace"
	Services            Input = "Service"
	Deployments         Input = "Deployment.apps"
	StatefulSets        Input = "StatefulSet.apps"
	DaemonSets          Input = "DaemonSet.apps"
	MeshConfigs         Input = "ConfigMap"
	VirtualServices     Input = "VirtualService.networking.istio.io"
	IstioGateways       Input = "Gateway.networking.istio.io"
	DestinationRules    Input = "DestinationRule.networking.istio.io"
	ServiceEntries      Input = "ServiceEntry.networking.istio.io"
	PeerAuthentications Input = "PeerAuthentication.security.istio.io"
	Gateways            Input = "Gateway." + resource.GatewayGroup
	GatewayClasses      Input = "GatewayClass." + resource.GatewayGroup
	HTTPRoutes          Input = "HTTPRoute." + resource.GatewayGroup
	GRPCRoutes          Input = "GRPCRoute." + resource.GatewayGroup
	GlobalServices      Input = v1alpha1.KindGlobalService + "." + resource.Group

	// Clusters is which clusters are expected, and what their snapshots say of themselves.
	Clusters Input = "clusters"
	// Agents is what is heard of the agents.
	Agents Input = "agents"
	// Reports is what the agents report of the objects of their output.
	Reports Input = "reports"
)

const unreadKinds Input = internalv1.KindUnreadKind + "." + resource.InternalGroup

// Meta is what checks read of an object's metadata.
type Meta struct {
	Name      string            `json:"name"`
	Namespace string            `json:"namespace"`
	Created   string            `json:"creationTimestamp"`
	Labels    map[string]string `json:"labels"`
	// Annotations are those of Istio and Meshweir.
	Annotations map[string]string `json:"annotations"`
}

// Metadata returns the metadata.
func (m *Meta) Metadata() *Meta { return m }

// Sources are the objects that Meshweir made the object from, "cluster:key"; none for what somebody else wrote.
func (m *Meta) Sources() []string {
	return strings.FieldsFunc(m.Annotations[resource.SourcesAnnotation], func(r rune) bool { return r == ',' })
}

// Managed reports whether Meshweir wrote the object.
func (m *Meta) Managed() bool {
	return m.Labels[resource.ManagedByLabel] == resource.ManagedBy && m.Annotations[resource.SourcesAnnotation] != ""
}

// trim drops what makes no difference to any check.
func (m *Meta) trim() {
	maps.DeleteFunc(m.Annotations, func(name, _ string) bool {
		domain, _, _ := strings.Cut(name, "/")
		return name == resource.OutputAnnotation || name == resource.FileAnnotation || !strings.HasSuffix(domain, "istio.io") && domain != resource.Group
	})
}

// Plain is an object of which the metadata is all that counts: a Namespace, a Service, a GatewayClass.
type Plain struct {
	Meta `json:"metadata"`
}

// Workload is a Deployment, StatefulSet or DaemonSet.
type Workload struct {
	Meta `json:"metadata"`
	Spec struct {
		Template struct {
			Meta `json:"metadata"`
			Spec struct {
				HostNetwork bool `json:"hostNetwork"`
			} `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
}

// Destination is where a route of a VirtualService leads.
type Destination struct {
	Host   string `json:"host"`
	Subset string `json:"subset"`
}

// Leg is one way of a route.
type Leg struct {
	Destination Destination `json:"destination"`
}

// VirtualService is Istio's, as far as checks read it.
type VirtualService struct {
	Meta `json:"metadata"`
	Spec struct {
		// Hosts are none for one that others delegate to.
		Hosts    []string `json:"hosts"`
		Gateways []string `json:"gateways"`
		ExportTo []string `json:"exportTo"`
		HTTP     []struct {
			Route   []Leg        `json:"route"`
			Mirror  *Destination `json:"mirror"`
			Mirrors []Leg        `json:"mirrors"`
		} `json:"http"`
		TLS []struct {
			Route []Leg `json:"route"`
		} `json:"tls"`
		TCP []struct {
			Route []Leg `json:"route"`
		} `json:"tcp"`
	} `json:"spec"`
}

// Server is a server of an Istio Gateway.
type Server struct {
	Port struct {
		Number   int    `json:"number"`
		Protocol string `json:"protocol"`
	} `json:"port"`
	Bind  string   `json:"bind"`
	Hosts []string `json:"hosts"`
	TLS   *struct {
		Mode string `json:"mode"`
	} `json:"tls"`
}

// HTTP reports whether the server speaks HTTP without TLS, be it only to redirect.
func (s *Server) HTTP() bool {
	switch strings.ToLower(s.Port.Protocol) { // as Istio reads it (pkg/config/protocol)
	case "http", "http2", "http_proxy", "grpc", "grpc-web":
		return true
	default:
		return false
	}
}

// Gateway is Istio's.
type Gateway struct {
	Meta `json:"metadata"`
	Spec struct {
		Selector map[string]string `json:"selector"`
		Servers  []Server          `json:"servers"`
	} `json:"spec"`
}

// APIGateway is a Gateway of the Gateway API, as far as checks read it.
type APIGateway struct {
	Meta `json:"metadata"`
	Spec struct {
		Class string `json:"gatewayClassName"`
	} `json:"spec"`
}

// ServiceEntry is Istio's, as far as checks read it.
type ServiceEntry struct {
	Meta `json:"metadata"`
	Spec struct {
		Hosts    []string `json:"hosts"`
		ExportTo []string `json:"exportTo"`
	} `json:"spec"`
}

// DestinationRule is Istio's, as far as checks read it.
type DestinationRule struct {
	Meta `json:"metadata"`
	Spec struct {
		Host             string   `json:"host"`
		ExportTo         []string `json:"exportTo"`
		WorkloadSelector struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"workloadSelector"`
		Subsets []struct {
			Name string `json:"name"`
		} `json:"subsets"`
	} `json:"spec"`
}

// MTLS is a mode of mutual TLS.
type MTLS struct {
	Mode string `json:"mode"`
}

// PeerAuthentication is Istio's.
type PeerAuthentication struct {
	Meta `json:"metadata"`
	Spec struct {
		Selector struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"selector"`
		MTLS          MTLS            `json:"mtls"`
		PortLevelMTLS map[string]MTLS `json:"portLevelMtls"`
	} `json:"spec"`
}

// Reference names what a route of the Gateway API leads to, or is attached to.
type Reference struct {
	Group     *string `json:"group"`
	Kind      *string `json:"kind"`
	Namespace *string `json:"namespace"`
	Name      string  `json:"name"`
}

// Key returns what is named. What the reference leaves out is as in defaults.
func (f Reference) Key(defaults resource.Key) resource.Key {
	key := defaults
	key.Name = f.Name
	for field, value := range map[*string]*string{&key.Group: f.Group, &key.Kind: f.Kind, &key.Namespace: f.Namespace} {
		if value != nil {
			*field = *value
		}
	}
	return key
}

// Route is an HTTPRoute or GRPCRoute, as far as checks read it.
type Route struct {
	Meta `json:"metadata"`
	Spec struct {
		ParentRefs []Reference `json:"parentRefs"`
		Rules      []struct {
			BackendRefs []Reference `json:"backendRefs"`
			Filters     []struct {
				RequestMirror *struct {
					BackendRef Reference `json:"backendRef"`
				} `json:"requestMirror"`
			} `json:"filters"`
		} `json:"rules"`
	} `json:"spec"`
}

// GlobalService is Meshweir's, as far as checks read it.
type GlobalService struct {
	Meta `json:"metadata"`
	Spec struct {
		Host string `json:"host"`
	} `json:"spec"`
}

// MeshConfig is the configuration of a revision of Istio, in a ConfigMap.
type MeshConfig struct {
	Meta
	istio.MeshConfig
}

// UnmarshalJSON reads the ConfigMap.
func (c *MeshConfig) UnmarshalJSON(value []byte) error {
	var object struct {
		Plain
		Data map[string]string `json:"data"`
	}
	if err := json.Unmarshal(value, &object); err != nil {
		return err
	}
	if !istio.IsMeshConfig(object.Name, object.Data) {
		return errors.New("it holds no mesh configuration") // such as the parameters of a Gateway
	}
	c.Meta = object.Meta
	c.MeshConfig.Namespace, c.MeshConfig.Name = object.Namespace, object.Name
	return yaml.Unmarshal([]byte(object.Data[istio.MeshConfigField]), &c.MeshConfig)
}

// UnreadKind says that the objects of a kind cannot be read.
type UnreadKind struct {
	Meta `json:"metadata"`
	Spec internalv1.UnreadKindSpec `json:"spec"`
}

// newValue returns what objects of a kind are decoded into; nil for a kind that no check reads.
func newValue(kind Input) value {
	switch kind {
	case Namespaces, Services, GatewayClasses:
		return &Plain{}
	case Deployments, StatefulSets, DaemonSets:
		return &Workload{}
	case MeshConfigs:
		return &MeshConfig{}
	case VirtualServices:
		return &VirtualService{}
	case Gateways:
		return &APIGateway{}
	case IstioGateways:
		return &Gateway{}
	case DestinationRules:
		return &DestinationRule{}
	case ServiceEntries:
		return &ServiceEntry{}
	case PeerAuthentications:
		return &PeerAuthentication{}
	case HTTPRoutes, GRPCRoutes:
		return &Route{}
	case GlobalServices:
		return &GlobalService{}
	case unreadKinds:
		return &UnreadKind{}
	default:
		return nil
	}
}
