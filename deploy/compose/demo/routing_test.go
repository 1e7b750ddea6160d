package demo

import (
	"cmp"
	"fmt"
	"slices"

	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
	gatewaybeta "sigs.k8s.io/gateway-api/apis/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
)

// proxySelector returns the labels of the proxies that serve a Gateway of class meshweir.
func (c *checks) proxySelector(o object, g *gateway.Gateway) map[string]string {
	if g.Spec.Infrastructure == nil || g.Spec.Infrastructure.ParametersRef == nil {
		return map[string]string{"istio": "ingressgateway"}
	}
	key := resource.Key{Kind: "ConfigMap", Namespace: g.Namespace, Name: g.Spec.Infrastructure.ParametersRef.Name}
	if !c.has(o, key) {
		return nil
	}
	selector := map[string]string{}
	if err := yaml.UnmarshalStrict([]byte(c.byKey[key].value.(*core.ConfigMap).Data["selector"]), &selector); err != nil || len(selector) == 0 {
		c.problem(o, "%v has no selector: %v", key, err)
	}
	return selector
}

func (c *checks) checkGateway(o object, g *gateway.Gateway) {
	c.has(o, resource.Key{Group: resource.GatewayGroup, Kind: "GatewayClass", Name: string(g.Spec.GatewayClassName)})
	selector := c.proxySelector(o, g)
	proxies := c.pods("", labels.SelectorFromSet(selector))
	if len(selector) == 0 || len(proxies) == 0 {
		c.problem(o, "no proxies serve it")
		return
	}
	for _, listener := range g.Spec.Listeners {
		c.checkClaim(o, g, listener, selector)
		if listener.TLS == nil {
			continue
		}
		for _, ref := range listener.TLS.CertificateRefs {
			c.checkCertificate(o, g, listener, ref, proxies[0].Namespace)
		}
	}
}

// checkClaim looks for an older Gateway on the same proxies that has the listener's host and port.
func (c *checks) checkClaim(o object, g *gateway.Gateway, listener gateway.Listener, selector map[string]string) {
	for _, other := range c.objects {
		rival, ok := other.value.(*gateway.Gateway)
		if !ok || other.key == o.key || !rival.CreationTimestamp.Before(&g.CreationTimestamp) {
			continue
		}
		if fmt.Sprint(c.proxySelector(other, rival)) != fmt.Sprint(selector) {
			continue
		}
		for _, theirs := range rival.Spec.Listeners {
			if theirs.Port == listener.Port && *theirs.Hostname == *listener.Hostname {
				c.problem(o, "%s:%d is claimed by %s/%s as well", *listener.Hostname, listener.Port, rival.Namespace, rival.Name)
			}
		}
	}
}

func (c *checks) checkCertificate(o object, g *gateway.Gateway, listener gateway.Listener, ref gateway.SecretObjectReference, proxyNamespace string) {
	key := resource.Key{Kind: "Secret", Namespace: namespaceOr(ref.Namespace, g.Namespace), Name: string(ref.Name)}
	if !c.has(o, key) {
		return
	}
	if key.Namespace != g.Namespace && !c.granted("Gateway", g.Namespace, key) {
		c.problem(o, "no ReferenceGrant for %v", key)
	}
	if key.Namespace != proxyNamespace {
		c.problem(o, "%v is outside of the namespace of the proxies, %s", key, proxyNamespace)
	}
	certificate, err := parseCertificate(c.byKey[key].value.(*core.Secret).Data[core.TLSCertKey])
	if err != nil || certificate.VerifyHostname(string(*listener.Hostname)) != nil {
		c.problem(o, "%v is not for %s", key, *listener.Hostname)
	}
}

// asHTTPRoute returns what the checks look at in a GRPCRoute; the demo's has no filters.
func asHTTPRoute(route *gateway.GRPCRoute) *gateway.HTTPRoute {
	same := &gateway.HTTPRoute{ObjectMeta: route.ObjectMeta}
	same.Spec.ParentRefs, same.Spec.Hostnames = route.Spec.ParentRefs, route.Spec.Hostnames
	for _, rule := range route.Spec.Rules {
		var backends []gateway.HTTPBackendRef
		for _, backend := range rule.BackendRefs {
			backends = append(backends, gateway.HTTPBackendRef{BackendRef: backend.BackendRef})
		}
		same.Spec.Rules = append(same.Spec.Rules, gateway.HTTPRouteRule{BackendRefs: backends})
	}
	return same
}

func (c *checks) checkRoute(o object, route *gateway.HTTPRoute) {
	for _, parent := range route.Spec.ParentRefs {
		c.checkParent(o, route, parent)
	}
	for _, rule := range route.Spec.Rules {
		for _, backend := range rule.BackendRefs {
			c.checkBackend(o, route, backend.BackendObjectReference)
			for _, filter := range backend.Filters {
				if filter.RequestHeaderModifier == nil && filter.ResponseHeaderModifier == nil {
					c.problem(o, "filter %s on a backend cannot be expressed", filter.Type)
				}
			}
		}
		for _, filter := range rule.Filters {
			if filter.RequestMirror != nil {
				c.checkBackend(o, route, filter.RequestMirror.BackendRef)
			}
		}
	}
}

func (c *checks) checkParent(o object, route *gateway.HTTPRoute, parent gateway.ParentReference) {
	key := resource.Key{Group: resource.GatewayGroup, Kind: "Gateway", Namespace: namespaceOr(parent.Namespace, route.Namespace), Name: string(parent.Name)}
	if !c.has(o, key) {
		return
	}
	found := c.byKey[key].value.(*gateway.Gateway)
	attaches := slices.ContainsFunc(found.Spec.Listeners, func(listener gateway.Listener) bool {
		return (parent.SectionName == nil || *parent.SectionName == listener.Name) &&
			slices.Contains(route.Spec.Hostnames, *listener.Hostname) && c.allows(found, listener, route.Namespace)
	})
	if !attaches {
		c.problem(o, "no listener of %v takes it", key)
	}
}

func (c *checks) allows(g *gateway.Gateway, listener gateway.Listener, namespace string) bool {
	if listener.AllowedRoutes == nil || listener.AllowedRoutes.Namespaces == nil {
		return namespace == g.Namespace
	}
	switch *listener.AllowedRoutes.Namespaces.From {
	case gateway.NamespacesFromAll:
		return true
	case gateway.NamespacesFromSelector:
		selector, err := metav1.LabelSelectorAsSelector(listener.AllowedRoutes.Namespaces.Selector)
		found, ok := c.byKey[resource.Key{Kind: "Namespace", Name: namespace}]
		return err == nil && ok && selector.Matches(labels.Set(found.meta.GetLabels()))
	default:
		return namespace == g.Namespace
	}
}

func (c *checks) checkBackend(o object, route *gateway.HTTPRoute, ref gateway.BackendObjectReference) {
	key := resource.Key{Kind: "Service", Namespace: namespaceOr(ref.Namespace, route.Namespace), Name: string(ref.Name)}
	var ports []int32
	if ref.Kind != nil && *ref.Kind == v1alpha1.KindGlobalService {
		key.Group, key.Kind = string(*ref.Group), string(*ref.Kind)
		home := c.home(key)
		if home == nil {
			c.problem(o, "no %v in any cluster", key)
			return
		}
		for _, port := range home.byKey[key].value.(*v1alpha1.GlobalService).Spec.Ports {
			ports = append(ports, port.Port)
		}
	} else {
		if !c.has(o, key) {
			return
		}
		for _, port := range c.byKey[key].value.(*core.Service).Spec.Ports {
			ports = append(ports, port.Port)
		}
	}
	if ref.Port == nil || !slices.Contains(ports, *ref.Port) {
		c.problem(o, "%v has no such port", key)
	}
	if key.Namespace != route.Namespace && !c.granted(o.key.Kind, route.Namespace, key) {
		c.problem(o, "no ReferenceGrant for %v", key)
	}
}

// granted reports whether a ReferenceGrant beside the target lets a kind of the
// Gateway API in a namespace refer to it. For a GlobalService that is a grant in the cluster it is written in.
func (c *checks) granted(fromKind, fromNamespace string, target resource.Key) bool {
	if target.Kind == v1alpha1.KindGlobalService {
		c = c.home(target)
	}
	for _, o := range c.objects {
		grant, ok := o.value.(*gatewaybeta.ReferenceGrant)
		if !ok || grant.Namespace != target.Namespace {
			continue
		}
		from := slices.ContainsFunc(grant.Spec.From, func(from gatewaybeta.ReferenceGrantFrom) bool {
			return from.Group == resource.GatewayGroup && string(from.Kind) == fromKind && string(from.Namespace) == fromNamespace
		})
		to := slices.ContainsFunc(grant.Spec.To, func(to gatewaybeta.ReferenceGrantTo) bool {
			return string(to.Group) == target.Group && string(to.Kind) == target.Kind && (to.Name == nil || string(*to.Name) == target.Name)
		})
		if from && to {
			return true
		}
	}
	return false
}

// checkGlobalService makes a problem of a selector that selects no Service in a cluster that it names, or in any when it names none.
func (c *checks) checkGlobalService(o object, global *v1alpha1.GlobalService) {
	for _, selector := range global.Spec.Services {
		selecting := map[string]bool{}
		for name, cluster := range c.all {
			for _, other := range cluster.objects {
				service, ok := other.value.(*core.Service)
				byName := selector.Name != "" && other.key.Name == selector.Name
				byLabels := len(selector.Labels) > 0 && labels.SelectorFromSet(selector.Labels).Matches(labels.Set(other.meta.GetLabels()))
				if ok && service.Namespace == cmp.Or(selector.Namespace, global.Namespace) && (byName || byLabels) {
					selecting[name] = true
				}
			}
		}
		for _, cluster := range selector.Clusters {
			if !selecting[cluster] {
				c.problem(o, "selects nothing in %s", cluster)
			}
		}
		if len(selecting) == 0 {
			c.problem(o, "selects nothing")
		}
	}
}

// home returns the cluster that the object is in: a GlobalService counts in all clusters, wherever it is written.
func (c *checks) home(key resource.Key) *checks {
	for _, cluster := range c.all {
		if _, ok := cluster.byKey[key]; ok {
			return cluster
		}
	}
	return nil
}

func namespaceOr(namespace *gateway.Namespace, fallback string) string {
	if namespace == nil {
		return fallback
	}
	return string(*namespace)
}
