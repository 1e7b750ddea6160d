package demo

import (
	"strings"
	"testing"

	meshconfig "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1"
	security "istio.io/api/security/v1"
	telemetry "istio.io/api/telemetry/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/meshweir/meshweir/schemas/resource"
)

func TestOnlyWestSelectsTheNamespacesThatIstioSees(t *testing.T) {
	objects, _ := load(t)
	for name, c := range newChecks(objects) {
		config, file := c.meshConfig()
		for problem := range c.problems {
			t.Errorf("%s: %s", file, problem)
		}
		if got, want := len(config.GetDiscoverySelectors()) > 0, name == "west"; got != want {
			t.Errorf("%s: has discovery selectors is %v, want %v", file, got, want)
		}
	}
}

// serviceEntryHosts returns the hosts that hand-written ServiceEntries add to the cluster.
func (c *checks) serviceEntryHosts() map[string]bool {
	hosts := map[string]bool{}
	for _, o := range c.objects {
		if i, ok := o.value.(*istioObject); ok {
			if entry, ok := i.message.(*networking.ServiceEntry); ok {
				for _, host := range entry.GetHosts() {
					hosts[host] = true
				}
			}
		}
	}
	return hosts
}

func (c *checks) checkIstio(o object, i *istioObject) {
	switch spec := i.message.(type) {
	case *networking.DestinationRule:
		c.hasHost(o, spec.GetHost())
	case *networking.Gateway:
		c.selects(o, "", spec.GetSelector())
	case *networking.VirtualService:
		for _, host := range spec.GetHosts() {
			c.hasHost(o, host)
		}
		for _, route := range spec.GetHttp() {
			for _, destination := range route.GetRoute() {
				c.hasHost(o, destination.GetDestination().GetHost())
			}
		}
	case *networking.Sidecar:
		c.selects(o, i.Namespace, spec.GetWorkloadSelector().GetLabels())
		for _, egress := range spec.GetEgress() {
			for _, host := range egress.GetHosts() {
				if namespace, _, _ := strings.Cut(host, "/"); namespace != "." {
					c.has(o, resource.Key{Kind: "Namespace", Name: namespace})
				}
			}
		}
	case *security.PeerAuthentication:
		c.selects(o, i.Namespace, spec.GetSelector().GetMatchLabels())
		if spec.GetMtls().GetMode() != security.PeerAuthentication_MutualTLS_STRICT {
			c.problem(o, "plain text is allowed")
		}
	case *security.RequestAuthentication:
		c.selects(o, i.Namespace, spec.GetSelector().GetMatchLabels())
	case *security.AuthorizationPolicy:
		c.selects(o, i.Namespace, spec.GetSelector().GetMatchLabels())
		c.checkCallers(o, spec)
	case *telemetry.Telemetry:
		c.selects(o, i.Namespace, spec.GetSelector().GetMatchLabels())
		for _, tracing := range spec.GetTracing() {
			c.checkProviders(o, tracing.GetProviders())
		}
		for _, logging := range spec.GetAccessLogging() {
			c.checkProviders(o, logging.GetProviders())
		}
	}
}

// checkProviders makes a problem of a provider that neither Istio nor the mesh configuration has.
func (c *checks) checkProviders(o object, providers []*telemetry.ProviderRef) {
	config, _ := c.meshConfig()
	known := map[string]bool{"envoy": true, "prometheus": true} // Istio's own
	for _, provider := range config.GetExtensionProviders() {
		known[provider.GetName()] = true
		c.hasHost(o, provider.GetOpentelemetry().GetService())
	}
	for _, provider := range providers {
		if !known[provider.GetName()] {
			c.problem(o, "no provider %s in the mesh configuration", provider.GetName())
		}
	}
}

// meshConfig returns Istio's mesh configuration, and the file it is in.
func (c *checks) meshConfig() (config *meshconfig.MeshConfig, file string) {
	o := c.byKey[resource.Key{Kind: "ConfigMap", Namespace: "istio-system", Name: "istio"}]
	config = new(meshconfig.MeshConfig)
	if err := decodeProto([]byte(o.value.(*core.ConfigMap).Data["mesh"]), config); err != nil {
		c.problem(o, "mesh: %v", err)
	}
	return config, o.file
}

// checkCallers makes a problem of a principal that no Pod has, and of a namespace that does not exist.
func (c *checks) checkCallers(o object, spec *security.AuthorizationPolicy) {
	for _, rule := range spec.GetRules() {
		for _, from := range rule.GetFrom() {
			for _, namespace := range from.GetSource().GetNamespaces() {
				c.has(o, resource.Key{Kind: "Namespace", Name: namespace})
			}
			for _, principal := range from.GetSource().GetPrincipals() {
				var used bool
				for _, pod := range c.pods("", labels.Everything()) {
					used = used || principal == "cluster.local/ns/"+pod.Namespace+"/sa/"+pod.Spec.ServiceAccountName
				}
				if !used {
					c.problem(o, "no Pod runs as %s", principal)
				}
			}
		}
	}
}
