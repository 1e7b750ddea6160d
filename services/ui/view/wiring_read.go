package view

import (
	"encoding/json"
	"strings"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
)

// The groups of Istio's kinds.
const (
	groupNetworking = "networking.istio.io"
	groupSecurity   = "security.istio.io"
	groupTelemetry  = "telemetry.istio.io"
	groupExtensions = "extensions.istio.io"
)

// wiringReader returns what reads the wiring of a kind, named "Kind.group"; nil where it has none.
func wiringReader(kind string) func(spec []byte) (*Wiring, error) {
	switch kind {
	case "Gateway." + resource.GatewayGroup:
		return readGateway
	case "HTTPRoute." + resource.GatewayGroup, "GRPCRoute." + resource.GatewayGroup, "TLSRoute." + resource.GatewayGroup,
		"TCPRoute." + resource.GatewayGroup, "UDPRoute." + resource.GatewayGroup:
		return readRoute
	case "Gateway." + groupNetworking:
		return readIstioGateway
	case "VirtualService." + groupNetworking:
		return readVirtualService
	case "ServiceEntry." + groupNetworking:
		return readServiceEntry
	case "DestinationRule." + groupNetworking:
		return readDestinationRule
	case "EnvoyFilter." + groupNetworking:
		return readEnvoyFilter
	case "Sidecar." + groupNetworking:
		return readSidecar
	case "AuthorizationPolicy." + groupSecurity:
		return readAuthorizationPolicy
	case "RequestAuthentication." + groupSecurity:
		return readRequestAuthentication
	case "PeerAuthentication." + groupSecurity:
		return readPeerAuthentication
	case "Telemetry." + groupTelemetry:
		return readTelemetry
	case "WasmPlugin." + groupExtensions:
		return readWasmPlugin
	case v1alpha1.KindGlobalService + "." + resource.Group:
		return readGlobalService
	case v1alpha1.KindWorkspace + "." + resource.Group:
		return readWorkspace
	case "Service.":
		return readService
	case "Deployment.apps", "StatefulSet.apps", "DaemonSet.apps":
		return readWorkload
	default:
		return nil
	}
}

// Wired reports whether objects of a kind have a wiring. What has none may exist without anybody here knowing.
func Wired(group, kind string) bool { return wiringReader(kind+"."+group) != nil }

// wiring reads the wiring of an object; nil for a kind that has none, and for an
// object whose fields have other types than expected: that is reported elsewhere.
func wiring(apiVersion, kind string, spec []byte) *Wiring {
	group, _, grouped := strings.Cut(apiVersion, "/")
	if !grouped {
		group = ""
	}
	read := wiringReader(kind + "." + group)
	if read == nil || len(spec) == 0 {
		return nil
	}
	w, err := read(spec)
	if err != nil {
		return nil
	}
	return w
}

// read decodes a spec into a shape of its own.
func read[T any](spec []byte) (T, error) {
	var v T
	err := json.Unmarshal(spec, &v)
	return v, err //nolint:wrapcheck // it only counts that there is one
}
