package istio

import "strings"

// Mesh is how a VirtualService names, in place of a Gateway, the sidecars of all workloads.
const Mesh = "mesh"

// Gateway returns the Gateway that a VirtualService of a namespace names: by "namespace/name", where "." is its own namespace, by
// "name", or, as of old, by "name.namespace" and what may follow. mesh says that it names the sidecars instead
// (pilot/pkg/model/config.go, resolveGatewayName).
func Gateway(written, namespace string) (in, name string, mesh bool) {
	if written == Mesh {
		return "", "", true
	}
	if in, name, ok := strings.Cut(written, "/"); ok {
		if in == "." {
			in = namespace
		}
		return in, name, false
	}
	name, rest, legacy := strings.Cut(written, ".")
	if !legacy {
		return namespace, name, false
	}
	in, _, _ = strings.Cut(rest, ".")
	return in, name, false
}

// GatewayClasses are the classes of the Gateway API that istiod may take up without a GatewayClass, and makes the GatewayClass of, sorted
// (pilot/pkg/config/kube/gatewaycommon/classinfo.go, GetAllClasses).
func GatewayClasses() []string {
	return []string{"istio", "istio-agentgateway", "istio-agentgateway-waypoint", "istio-east-west", "istio-remote", "istio-waypoint"}
}
