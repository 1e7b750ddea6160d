package gatewayapi

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/inventory"
)

// listener is what a listener asks for, looked at alone.
type listener struct {
	Name     string
	Port     uint32
	Protocol gatewayv1.ProtocolType
	// Hostname is "*" when the listener names none.
	Hostname string
	// Refused says why the listener is not accepted.
	Refused refusal
	// BadKinds and BadCertificate say which of its references are of no use.
	BadKinds, BadCertificate refusal
	// Credentials are the Secrets' names.
	Credentials []string
	// Kinds are the kinds of routes that may attach.
	Kinds []gatewayv1.RouteGroupKind
	// From and Selector say from which namespaces routes may attach.
	From     gatewayv1.FromNamespaces
	Selector *metav1.LabelSelector
}

// usable reports whether the listener can be programmed as far as it alone is concerned.
func (l listener) usable() bool {
	return l.Refused.none() && l.BadCertificate.none() && len(l.Kinds) > 0
}

// served reports whether the listener is programmed, given its conflict.
func (l listener) served(conflict refusal) bool { return l.usable() && conflict.none() }

// takes reports whether routes of a kind may attach.
func (l listener) takes(kind string) bool {
	return slices.ContainsFunc(l.Kinds, func(k gatewayv1.RouteGroupKind) bool { return string(k.Kind) == kind })
}

// unresolved says which reference of the listener is of no use.
func (l listener) unresolved() refusal {
	if !l.BadKinds.none() {
		return l.BadKinds
	}
	return l.BadCertificate
}

const anyHost = "*"

func (t *Translator) readListener(r *graph.Reader, ref inventory.Ref, spec gatewayv1.GatewaySpec, found proxies, index int, source gatewayv1.Listener) listener {
	l := listener{
		Name:     string(source.Name),
		Port:     uint32(source.Port),
		Protocol: source.Protocol,
		Hostname: anyHost,
		Kinds:    []gatewayv1.RouteGroupKind{},
		From:     gatewayv1.NamespacesFromSame,
	}
	if hostname := ptr.Deref(source.Hostname, ""); hostname != "" {
		l.Hostname = string(hostname)
	}
	field := fmt.Sprintf("spec.listeners[%d].", index)
	l.Refused = refuseListener(field, spec, source)
	l.BadKinds = readAllowedRoutes(&l, field, source)
	if source.Protocol == gatewayv1.HTTPSProtocolType && l.Refused.none() && source.TLS != nil {
		l.Credentials, l.BadCertificate = t.credentials(r, ref, field, source.TLS.CertificateRefs, found)
	}
	return l
}

// refuseListener says what of a listener no Istio Gateway can express.
func refuseListener(field string, spec gatewayv1.GatewaySpec, l gatewayv1.Listener) refusal {
	unsupported := func(name, message string) refusal {
		return refuse(gatewayv1.ListenerReasonUnsupportedValue, name+": "+message)
	}
	if l.Protocol != gatewayv1.HTTPProtocolType && l.Protocol != gatewayv1.HTTPSProtocolType {
		return refuse(gatewayv1.ListenerReasonUnsupportedProtocol, fmt.Sprintf("%sprotocol: %s is neither HTTP nor HTTPS", field, l.Protocol))
	}
	if l.Port < 1 || l.Port > 65535 {
		return refuse(gatewayv1.ListenerReasonPortUnavailable, fmt.Sprintf("%sport: %d is not from 1 to 65535", field, l.Port))
	}
	if hostname := string(ptr.Deref(l.Hostname, "")); hostname != "" && !validHostname(hostname) {
		return unsupported(field+"hostname", fmt.Sprintf("%q is no DNS name", hostname))
	}
	if spec.TLS != nil && spec.TLS.Backend != nil {
		return unsupported("spec.tls.backend", "a client certificate for all backends is not supported")
	}
	if l.Protocol == gatewayv1.HTTPProtocolType {
		if l.TLS != nil {
			return unsupported(field+"tls", "must not be set for protocol HTTP")
		}
		return refusal{}
	}
	switch {
	case spec.TLS != nil && spec.TLS.Frontend != nil:
		return unsupported("spec.tls.frontend", "validation of client certificates is not supported")
	case l.TLS == nil:
		return unsupported(field+"tls", "must be set for protocol HTTPS")
	case ptr.Deref(l.TLS.Mode, gatewayv1.TLSModeTerminate) != gatewayv1.TLSModeTerminate:
		return unsupported(field+"tls.mode", "must be Terminate for protocol HTTPS")
	case len(l.TLS.Options) > 0:
		return unsupported(field+"tls.options", "no options are known")
	case len(l.TLS.CertificateRefs) > 2:
		return unsupported(field+"tls.certificateRefs", "an Istio Gateway takes one certificate, or one RSA and one ECDSA certificate")
	}
	return refusal{}
}

// validHostname reports whether a text is a DNS name, or one with "*" for its first label.
func validHostname(hostname string) bool {
	if strings.HasPrefix(hostname, "*") {
		return len(validation.IsWildcardDNS1123Subdomain(hostname)) == 0
	}
	return len(validation.IsDNS1123Subdomain(hostname)) == 0
}

// readAllowedRoutes reads which routes may attach.
func readAllowedRoutes(l *listener, field string, source gatewayv1.Listener) refusal {
	var supported []gatewayv1.RouteGroupKind
	if source.Protocol == gatewayv1.HTTPProtocolType || source.Protocol == gatewayv1.HTTPSProtocolType {
		group := gatewayv1.Group(resource.GatewayGroup)
		supported = []gatewayv1.RouteGroupKind{{Group: &group, Kind: kindHTTPRoute}, {Group: &group, Kind: kindGRPCRoute}}
	}
	allowed := ptr.Deref(source.AllowedRoutes, gatewayv1.AllowedRoutes{})
	if namespaces := allowed.Namespaces; namespaces != nil {
		l.From, l.Selector = ptr.Deref(namespaces.From, gatewayv1.NamespacesFromSame), namespaces.Selector
	}
	if l.From == gatewayv1.NamespacesFromSelector {
		if _, err := metav1.LabelSelectorAsSelector(l.Selector); err != nil {
			l.From = gatewayv1.NamespacesFromNone
			if l.Refused.none() {
				l.Refused = refuse(gatewayv1.ListenerReasonUnsupportedValue, field+"allowedRoutes.namespaces.selector: "+err.Error())
			}
		}
	}
	if len(allowed.Kinds) == 0 {
		l.Kinds = append(l.Kinds, supported...)
		return refusal{}
	}
	var unresolved refusal
	for i, kind := range allowed.Kinds {
		j := slices.IndexFunc(supported, func(s gatewayv1.RouteGroupKind) bool {
			return kind.Kind == s.Kind && ptr.Deref(kind.Group, resource.GatewayGroup) == *s.Group
		})
		if j >= 0 {
			if !l.takes(string(kind.Kind)) {
				l.Kinds = append(l.Kinds, supported[j])
			}
			continue
		}
		unresolved = refuse(gatewayv1.ListenerReasonInvalidRouteKinds,
			fmt.Sprintf("%sallowedRoutes.kinds[%d]: %s is not supported for protocol %s", field, i, kind.Kind, source.Protocol))
	}
	return unresolved
}

// allows reports whether routes of a namespace with these labels may attach.
func (l listener) allows(gatewayNamespace, namespace string, namespaceLabels func() map[string]string) bool {
	switch l.From {
	case gatewayv1.NamespacesFromAll:
		return true
	case gatewayv1.NamespacesFromSame:
		return namespace == gatewayNamespace
	case gatewayv1.NamespacesFromSelector:
		selector, err := metav1.LabelSelectorAsSelector(l.Selector)
		return err == nil && selector.Matches(labels.Set(namespaceLabels()))
	case gatewayv1.NamespacesFromNone:
	}
	return false
}

// credentials returns the names of the Secrets that a listener refers to. The
// proxies read Secrets of their own namespace only.
func (t *Translator) credentials(r *graph.Reader, ref inventory.Ref, field string, refs []gatewayv1.SecretObjectReference, found proxies) ([]string, refusal) {
	if len(refs) == 0 {
		return nil, refuse(gatewayv1.ListenerReasonInvalidCertificateRef, field+"tls.certificateRefs: a certificate is needed")
	}
	var names []string
	for i, secret := range refs {
		at := fmt.Sprintf("%stls.certificateRefs[%d]: ", field, i)
		if ptr.Deref(secret.Group, "") != "" || ptr.Deref(secret.Kind, "Secret") != "Secret" {
			return nil, refuse(gatewayv1.ListenerReasonInvalidCertificateRef, at+"only a Secret is supported")
		}
		namespace := string(ptr.Deref(secret.Namespace, gatewayv1.Namespace(ref.Key.Namespace)))
		name := namespace + "/" + string(secret.Name)
		key := resource.Key{Kind: "Secret", Namespace: namespace, Name: string(secret.Name)}
		if !t.inv.Granted(r, resource.GatewayGroup, "Gateway", ref.Key.Namespace, ref.Cluster, key) {
			return nil, refuse(gatewayv1.ListenerReasonRefNotPermitted, at+"no ReferenceGrant allows the Secret "+name)
		}
		certificate := t.inv.Certificate(r, ref.Cluster, namespace, string(secret.Name))
		switch {
		case certificate == nil:
			return nil, refuse(gatewayv1.ListenerReasonInvalidCertificateRef, at+"there is no Secret "+name+" of type kubernetes.io/tls")
		case certificate.Spec.Problem != "":
			return nil, refuse(gatewayv1.ListenerReasonInvalidCertificateRef, at+"Secret "+name+": "+certificate.Spec.Problem)
		case len(found.Namespaces) == 0:
			return nil, refuse(gatewayv1.ListenerReasonInvalidCertificateRef, at+"no Service selects the proxies, so it is unknown whether they can read the Secret "+name)
		case !slices.Equal(found.Namespaces, []string{namespace}):
			return nil, refuse(gatewayv1.ListenerReasonInvalidCertificateRef,
				at+"the proxies run in "+strings.Join(found.Namespaces, ", ")+" and cannot read the Secret "+name)
		}
		names = append(names, string(secret.Name))
	}
	return names, refusal{}
}
