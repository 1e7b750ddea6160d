package strict

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
)

// Kinds holds every kind of some groups, by group. Other groups have kinds that nobody here knows.
func Kinds() map[string][]string {
	return map[string][]string{
		"": {
			"Binding", "ConfigMap", "Endpoints", "Event", "LimitRange", "List", "Namespace", "Node", "PersistentVolume", "PersistentVolumeClaim",
			"Pod", "PodTemplate", "ReplicationController", "ResourceQuota", "Secret", "Service", "ServiceAccount",
		},
		"apps": {"ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"},

		resource.GatewayGroup: {
			"BackendTLSPolicy", "GRPCRoute", "Gateway", "GatewayClass", "HTTPRoute", "ListenerSet", "ReferenceGrant", "TCPRoute", "TLSRoute", "UDPRoute",
			"BackendLBPolicy", "ReferencePolicy", // former ones
		},
		resource.Group: {v1alpha1.KindGlobalService, v1alpha1.KindRateLimitPolicy, v1alpha1.KindWorkspace},

		"extensions.istio.io": {"TrafficExtension", "WasmPlugin"},
		"networking.istio.io": {
			"DestinationRule", "EnvoyFilter", "Gateway", "ProxyConfig", "ServiceEntry", "Sidecar", "VirtualService", "WorkloadEntry", "WorkloadGroup",
		},
		"security.istio.io":  {"AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"},
		"telemetry.istio.io": {"Telemetry"},
	}
}

// typos is how many letters may be wrong in the name of a kind or a group that is taken for another.
func typos(name string) int { return min(2, len(name)/4) }

// misnamed says that a kind or its group is probably misspelt; "" for none that is. A kind that a newer version of its API has,
// or that is of somebody else, is like none that is known.
func (c *Checker) misnamed(kind schema.GroupKind) Mistake {
	known, isKnown := c.kinds[kind.Group]
	if slices.Contains(known, kind.Kind) {
		return Mistake{}
	}
	if isKnown {
		if meant := Nearest(kind.Kind, slices.Values(known), typos(kind.Kind)); meant != "" {
			return Mistake{[]any{"kind"}, fmt.Sprintf("%s has no such kind: did you mean %q?", named(kind.Group), meant)}
		}
	}
	var others []string
	for _, group := range slices.Sorted(maps.Keys(c.kinds)) {
		if slices.Contains(c.kinds[group], kind.Kind) {
			others = append(others, named(group))
		}
	}
	switch meant := Nearest(kind.Group, slices.Values(others), typos(kind.Group)); {
	case meant != "":
		return Mistake{[]any{"apiVersion"}, fmt.Sprintf("there is no group %q: did you mean %q?", kind.Group, meant)}
	case isKnown && len(others) > 0:
		return Mistake{[]any{"apiVersion"}, fmt.Sprintf("%s has no such kind: did you mean that of %s?", named(kind.Group), strings.Join(others, " or "))}
	default:
		return Mistake{}
	}
}

func named(group string) string {
	if group == "" {
		return `the core group ("v1")`
	}
	return group
}
