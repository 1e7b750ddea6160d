package view

import "github.com/meshweir/meshweir/schemas/istio"

// Wiring is what an object says of traffic: what it listens for, where it leads, what
// it applies to. It is read from the object alone; how the objects of a fleet fit
// together is for package mesh to say. Which fields are set depends on the kind.
type Wiring struct {
	// Hosts are the host names that the object is about, as they are written.
	Hosts []string `json:"hosts,omitempty"`
	// Listeners are those of a Gateway, of Gateway API or of Istio.
	Listeners []Listener `json:"listeners,omitempty"`
	// Class is the gatewayClassName of a Gateway.
	Class string `json:"class,omitempty"`
	// Parents are what a route attaches to. A VirtualService that says nothing attaches to [KindMesh].
	Parents []Target `json:"parents,omitempty"`
	// Rules are those of a route, in the order in which they are written.
	Rules []Rule `json:"rules,omitempty"`
	// Services select what stands behind a GlobalService.
	Services []ServiceChoice `json:"services,omitempty"`
	// ExportTo are the namespaces that see the object: "." its own, "*" all. None means all.
	ExportTo []string `json:"exportTo,omitempty"`
	// Selector are the labels of the Pods that a Service, a Gateway of Istio or a policy is for.
	Selector map[string]string `json:"selector,omitempty"`
	// Targets are the objects that a policy names, where it does not select Pods by labels.
	Targets []Target `json:"targets,omitempty"`
	// Policy is what a policy does.
	Policy *Policy `json:"policy,omitempty"`
	// Pods are the labels of the Pods that a workload makes.
	Pods map[string]string `json:"pods,omitempty"`
	// Mesh is what a mesh configuration says.
	Mesh *istio.MeshConfig `json:"mesh,omitempty"`
	// Workspace is what a Workspace says of namespaces.
	Workspace *Workspace `json:"workspace,omitempty"`
}

// KindMesh stands, as the kind of a parent, for the sidecars of all workloads.
const KindMesh = "Mesh"

// Listener is a port on which a gateway takes requests.
type Listener struct {
	Name     string   `json:"name,omitempty"`
	Hosts    []string `json:"hosts,omitempty"` // none means any
	Port     int      `json:"port"`
	Protocol string   `json:"protocol,omitempty"`
}

// Target names an object from within another one. An empty namespace is that of the other one.
type Target struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	// Section is the listener or port that is meant; empty for the whole object.
	Section string `json:"section,omitempty"`
}

// Rule is one rule of a route.
type Rule struct {
	Name string `json:"name,omitempty"`
	// Matches say, each in a few words, which requests the rule is for; none means all.
	Matches []string `json:"matches,omitempty"`
	// Steps are what is done to a request on its way, in the order in which they are written.
	Steps []Step `json:"steps,omitempty"`
	// Backends are where requests go.
	Backends []Backend `json:"backends,omitempty"`
}

// Step is something that a rule does to a request: a filter, a timeout.
type Step struct {
	// Type is the name of the field or filter: "URLRewrite", "timeout".
	Type string `json:"type"`
	// Says is what it does, in a few words.
	Says string `json:"says,omitempty"`
}

// Backend is where a rule sends requests: an object, or for Istio's routes a host.
type Backend struct {
	Target
	// Host is the host of a destination of Istio, as it is written.
	Host   string `json:"host,omitempty"`
	Subset string `json:"subset,omitempty"`
	Port   int    `json:"port,omitempty"`
	// Weight is nil where none is written.
	Weight *int `json:"weight,omitempty"`
	// Mirror says that it gets a copy of the requests, whose answers nobody waits for.
	Mirror bool `json:"mirror,omitempty"`
}

// ServiceChoice selects Services behind a GlobalService.
type ServiceChoice struct {
	Namespace string            `json:"namespace,omitempty"`
	Name      string            `json:"name,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
	Clusters  []string          `json:"clusters,omitempty"`
}

// Policy is what a policy does to the requests that it is about.
type Policy struct {
	// Action is that of an AuthorizationPolicy (ALLOW, DENY, AUDIT, CUSTOM) or the mode of a PeerAuthentication.
	Action string `json:"action,omitempty"`
	// Says is what it does, in a few words.
	Says string `json:"says,omitempty"`
	// Priority orders EnvoyFilters (lowest first) and WasmPlugins (highest first).
	Priority int `json:"priority,omitempty"`
	// Phase is that of a WasmPlugin.
	Phase string `json:"phase,omitempty"`
}

// Workspace is what a Workspace says of namespaces.
type Workspace struct {
	Members []Members `json:"members,omitempty"`
	Exports []Share   `json:"exports,omitempty"`
	Imports []Share   `json:"imports,omitempty"`
}

// Members are a set of namespaces.
type Members struct {
	Clusters   []string          `json:"clusters,omitempty"`
	Namespaces []string          `json:"namespaces,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
}

// Share is what a Workspace shares with another, or with all ("*").
type Share struct {
	Workspace string   `json:"workspace"`
	Kinds     []string `json:"kinds,omitempty"`
}
