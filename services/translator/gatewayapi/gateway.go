package gatewayapi

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/inventory"
)

// gateway is what a Gateway asks for, looked at alone.
type gateway struct {
	// Ours says that it is of our class; all else is empty when it is not.
	Ours       bool
	Ref        inventory.Ref
	Created    time.Time
	Generation int64
	Refused    refusal
	// Selector are the labels of the proxies.
	Selector map[string]string
	// Proxies is what is known of the proxies.
	Proxies proxies
	// Labels and Annotations are for what is made of the Gateway.
	Labels, Annotations map[string]string
	Listeners           []listener
}

// proxies is what the Services that select a Gateway's proxies tell of them.
type proxies struct {
	// Namespaces are the namespaces of the Services, sorted.
	Namespaces []string
	// Addresses are where the Services are reached from outside.
	Addresses []gatewayv1.GatewayStatusAddress
	// Pending says that a Service waits for its address.
	Pending bool
}

func (t *Translator) readGateway(r *graph.Reader, ref inventory.Ref) gateway {
	source, problem := t.inv.Gateway(r, ref.Cluster, ref.Key.Namespace, ref.Key.Name)
	if source == nil {
		return gateway{}
	}
	class := t.inv.GatewayClass(r, ref.Cluster, string(source.Spec.GatewayClassName))
	if !ours(class, string(source.Spec.GatewayClassName)) {
		return gateway{}
	}
	g := gateway{Ours: true, Ref: ref, Created: source.CreationTimestamp.Time, Generation: source.Generation}
	switch {
	case problem != "":
		g.Refused = refuse(gatewayv1.GatewayReasonInvalid, problem)
		return g
	case class != nil && class.Spec.ParametersRef != nil:
		g.Refused = refuse(gatewayv1.GatewayReasonInvalidParameters, unsupportedClassParameters)
	case len(source.Spec.Addresses) > 0:
		g.Refused = refuse(gatewayv1.GatewayReasonUnsupportedAddress, "spec.addresses: the proxies exist already and have the addresses of their Services")
	}
	if f := invalidListeners(source.Spec.Listeners); !f.none() {
		g.Refused = f
		return g // there would be no telling which status is whose
	}
	var refused refusal
	g.Selector, refused = t.selector(r, ref, source.Spec.Infrastructure)
	if g.Refused.none() {
		g.Refused = refused
	}
	if infrastructure := source.Spec.Infrastructure; infrastructure != nil {
		g.Labels, g.Annotations = texts(infrastructure.Labels), texts(infrastructure.Annotations)
	}
	g.Proxies = t.findProxies(r, ref.Cluster, g.Selector)
	for i, l := range source.Spec.Listeners {
		g.Listeners = append(g.Listeners, t.readListener(r, ref, source.Spec, g.Proxies, i, l))
	}
	return g
}

// invalidListeners refuses what the rules of the custom resource forbid and what would make the listeners' status ambiguous.
func invalidListeners(listeners []gatewayv1.Listener) refusal {
	if len(listeners) == 0 {
		return refuse(gatewayv1.GatewayReasonInvalid, "spec.listeners: at least one listener is needed")
	}
	names := map[gatewayv1.SectionName]bool{}
	for i, l := range listeners {
		if l.Name == "" || names[l.Name] {
			return refuse(gatewayv1.GatewayReasonInvalid, fmt.Sprintf("spec.listeners[%d].name: %q is empty or repeated", i, l.Name))
		}
		names[l.Name] = true
	}
	return refusal{}
}

func texts[K, V ~string](from map[K]V) map[string]string {
	if len(from) == 0 {
		return nil
	}
	to := make(map[string]string, len(from))
	for k, v := range from {
		to[string(k)] = string(v)
	}
	return to
}

// selector returns the labels of the proxies that serve a Gateway.
func (t *Translator) selector(r *graph.Reader, ref inventory.Ref, infrastructure *gatewayv1.GatewayInfrastructure) (map[string]string, refusal) {
	if infrastructure == nil || infrastructure.ParametersRef == nil {
		return map[string]string{"istio": "ingressgateway"}, refusal{}
	}
	parameters := infrastructure.ParametersRef
	const field = "spec.infrastructure.parametersRef: "
	if parameters.Group != "" || parameters.Kind != "ConfigMap" {
		return nil, refuse(gatewayv1.GatewayReasonInvalidParameters, field+"only a ConfigMap is supported")
	}
	config := t.inv.ConfigMap(r, ref.Cluster, ref.Key.Namespace, parameters.Name)
	if config == nil {
		return nil, refuse(gatewayv1.GatewayReasonInvalidParameters, field+"ConfigMap "+ref.Key.Namespace+"/"+parameters.Name+" does not exist")
	}
	labels, problem := parseLabels(config.Data["selector"])
	if problem != "" {
		return nil, refuse(gatewayv1.GatewayReasonInvalidParameters, field+"entry \"selector\" of ConfigMap "+parameters.Name+" "+problem)
	}
	return labels, refusal{}
}

// parseLabels reads labels, one on a line or separated by commas, as "key: value" or "key=value".
func parseLabels(text string) (labels map[string]string, problem string) {
	labels = map[string]string{}
	for part := range strings.FieldsFuncSeq(text, func(c rune) bool { return c == '\n' || c == ',' }) {
		part = strings.TrimSpace(part)
		if part == "" || strings.HasPrefix(part, "#") {
			continue
		}
		separator := strings.IndexAny(part, "=:")
		if separator < 0 {
			return nil, fmt.Sprintf("has %q, want \"key: value\" or \"key=value\"", part)
		}
		key := strings.TrimSpace(part[:separator])
		value := strings.Trim(strings.TrimSpace(part[separator+1:]), `"'`)
		if len(validation.IsQualifiedName(key)) > 0 || len(validation.IsValidLabelValue(value)) > 0 {
			return nil, fmt.Sprintf("has %q, which is no label", part)
		}
		labels[key] = value
	}
	if len(labels) == 0 {
		return nil, "names no label"
	}
	return labels, ""
}

// findProxies looks at the Services that select the Pods with the labels of a Gateway's selector.
func (t *Translator) findProxies(r *graph.Reader, cluster string, selector map[string]string) proxies {
	var found proxies
	if len(selector) == 0 {
		return found
	}
	label := slices.Min(slices.Collect(maps.Keys(selector)))
	for _, ref := range t.inv.ServicesBySelector(r, cluster, label, selector[label]) {
		service := t.inv.Service(r, cluster, ref.Key.Namespace, ref.Key.Name)
		if service == nil || !within(selector, service.Spec.Selector) {
			continue
		}
		found.Namespaces = append(found.Namespaces, service.Namespace)
		addresses := serviceAddresses(service)
		found.Addresses = append(found.Addresses, addresses...)
		found.Pending = found.Pending || service.Spec.Type == corev1.ServiceTypeLoadBalancer && len(addresses) == 0
	}
	slices.Sort(found.Namespaces)
	found.Namespaces = slices.Compact(found.Namespaces)
	return found
}

// ingressNamespaces returns the namespaces of the proxies of all Gateways of a cluster, sorted.
func (t *Translator) ingressNamespaces(r *graph.Reader, cluster string) []string {
	var found []string
	for _, ref := range t.inv.Gateways(r, cluster) {
		found = append(found, t.gateways.Get(r, ref).Proxies.Namespaces...)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func serviceAddresses(service *corev1.Service) []gatewayv1.GatewayStatusAddress {
	var addresses []gatewayv1.GatewayStatusAddress
	add := func(kind gatewayv1.AddressType, value string) {
		if value != "" {
			addresses = append(addresses, gatewayv1.GatewayStatusAddress{Type: &kind, Value: value})
		}
	}
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		add(gatewayv1.IPAddressType, ingress.IP)
		add(gatewayv1.HostnameAddressType, ingress.Hostname)
	}
	for _, ip := range service.Spec.ExternalIPs {
		add(gatewayv1.IPAddressType, ip)
	}
	return addresses
}

// within reports whether all labels of a set are in another.
func within(labels, others map[string]string) bool {
	for key, value := range labels {
		if other, ok := others[key]; !ok || other != value {
			return false
		}
	}
	return true
}
