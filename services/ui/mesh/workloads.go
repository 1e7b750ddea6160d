package mesh

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/schemas/istio"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/ui/view"
)

// gatewayName is the label by which Istio knows the proxies of a Gateway of Gateway API.
const gatewayName = "gateway.networking.k8s.io/gateway-name"

// Namespaces in which something can look for Pods.
const everywhere = "*"

// podsOf returns what runs in a namespace, or everywhere in the cluster, and has the labels of a selector, sorted.
func (c *cluster) podsOf(namespace string, selector map[string]string) []*Pods {
	return c.podsThat(namespace, func(p *Pods) bool { return resource.Selects(selector, p.Labels) })
}

// podsThat returns what runs in a namespace, or everywhere in the cluster, and is meant, sorted.
func (c *cluster) podsThat(namespace string, meant func(*Pods) bool) []*Pods {
	var found []*Pods
	collect := func(pods []*Pods) {
		for _, p := range pods {
			if meant(p) {
				found = append(found, p)
			}
		}
	}
	if namespace == everywhere {
		for _, pods := range c.pods {
			collect(pods)
		}
	} else {
		collect(c.pods[namespace])
	}
	slices.SortFunc(found, func(a, b *Pods) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
	})
	return found
}

// Proxies returns the Pods in which the proxies of a Gateway run. Istio looks for those
// of its own Gateways in all namespaces; those of a Gateway of Gateway API are
// those of the Gateways that were made from it, or have its name as a label.
func (ix *Index) Proxies(gateway *Object) []*Pods {
	c := ix.byName[gateway.Ref.Cluster]
	if c == nil {
		return nil
	}
	if gateway.Is(GroupNetworking, "Gateway") {
		if len(gateway.Wiring.Selector) == 0 {
			return nil // it would be all workloads; Istio warns of it
		}
		return c.podsOf(everywhere, gateway.Wiring.Selector)
	}
	found := c.podsOf(gateway.Key.Namespace, map[string]string{gatewayName: gateway.Key.Name})
	for _, ref := range gateway.Outputs {
		made := ix.Object(ref)
		if made == nil || !made.Is(GroupNetworking, "Gateway") || made.Ref.Cluster != gateway.Ref.Cluster {
			continue
		}
		for _, p := range ix.Proxies(made) {
			if !slices.Contains(found, p) {
				found = append(found, p)
			}
		}
	}
	return found
}

// Backing returns the Pods behind a Service.
func (ix *Index) Backing(service *Object) []*Pods {
	c := ix.byName[service.Ref.Cluster]
	if c == nil || service.Wiring == nil || len(service.Wiring.Selector) == 0 {
		return nil
	}
	return c.podsOf(service.Key.Namespace, service.Wiring.Selector)
}

// Scope says how widely a policy applies.
type Scope string

// The scopes, widest first.
const (
	ScopeMesh      Scope = "mesh"
	ScopeNamespace Scope = "namespace"
	ScopeWorkload  Scope = "workload"
)

// ScopeOf returns the scope of a policy that selects Pods.
func (ix *Index) ScopeOf(policy *Object) Scope {
	switch {
	case len(policy.Wiring.Selector) > 0 || len(policy.Wiring.Targets) > 0:
		return ScopeWorkload
	case policy.Key.Namespace == ix.RootNamespace(policy.Ref.Cluster):
		return ScopeMesh
	default:
		return ScopeNamespace
	}
}

// Selects returns the Pods that a policy of Istio is for, sorted.
func (ix *Index) Selects(policy *Object) []*Pods {
	c := ix.byName[policy.Ref.Cluster]
	if c == nil {
		return nil
	}
	namespace := policy.Key.Namespace
	if namespace == c.root {
		namespace = everywhere
	}
	return c.podsThat(namespace, func(p *Pods) bool { return ix.Covers(policy, p) })
}

// Covers reports whether a policy of Istio is for Pods: those of its namespace, or of all where it stands in the root
// namespace, that have the labels that it asks for or are the proxies that see to what it names: those of a Gateway. Services are
// seen to by waypoints only.
func (ix *Index) Covers(policy *Object, p *Pods) bool {
	if p.Cluster != policy.Ref.Cluster || ix.Ignored(policy) {
		return false
	}
	own := p.Namespace == policy.Key.Namespace
	if len(policy.Wiring.Targets) > 0 {
		return own && slices.ContainsFunc(policy.Wiring.Targets, func(t view.Target) bool {
			return t.Group == resource.GatewayGroup && t.Kind == "Gateway" && p.Labels[gatewayName] == t.Name
		})
	}
	whole := policy.Key.Namespace == ix.RootNamespace(policy.Ref.Cluster) && (len(policy.Wiring.Selector) == 0 || !ownLabels(policy))
	return (own || whole) && resource.Selects(policy.Wiring.Selector, p.Labels)
}

// ownLabels reports whether a policy of the root namespace that asks for labels is for Pods of that namespace alone: Istio
// looks for a Telemetry or Sidecar with labels in the workload's namespace, and for one of the mesh among those without.
func ownLabels(policy *Object) bool {
	return policy.Is(GroupTelemetry, "Telemetry") || policy.Is(GroupNetworking, "Sidecar")
}

// Ignored reports whether Istio takes no notice of a policy where it stands: of a PeerAuthentication in the root namespace
// that asks for labels (Istio's ComposePeerAuthentication).
func (ix *Index) Ignored(policy *Object) bool {
	return policy.Is(GroupSecurity, "PeerAuthentication") && len(policy.Wiring.Selector) > 0 &&
		policy.Key.Namespace == ix.RootNamespace(policy.Ref.Cluster)
}

// BehindOf returns the Services behind a GlobalService; none for any other object.
func (ix *Index) BehindOf(o *Object) []*Object {
	if len(o.Wiring.Services) == 0 {
		return nil
	}
	return ix.Behind(o)
}

// Called returns what the host of a DestinationRule names, as "Kind namespace/name", sorted.
func (ix *Index) Called(rule *Object) []string {
	c := ix.byName[rule.Ref.Cluster]
	var called []string
	for _, host := range rule.Wiring.Hosts {
		host = resource.FullHost(host, rule.Key.Namespace)
		if suffix, wild := strings.CutPrefix(host, "*"); wild {
			for _, o := range c.objects {
				if (o.Is("", "Service") || o.Is(GroupNetworking, "ServiceEntry")) && strings.HasSuffix(HostOf(o), suffix) {
					called = append(called, named(o))
				}
			}
			continue
		}
		switch found := istio.Resolve(hosts{ix, c, rule.Key.Namespace}, c.name, host, istio.Audience{All: true}); found.Verdict {
		case istio.Exists:
			called = append(called, named(found.To.Object))
		case istio.Hidden:
			called = append(called, named(found.Others[0].Object))
		default:
		}
	}
	slices.Sort(called)
	return slices.Compact(called)
}

// In yields the objects of a cluster, sorted by kind, namespace and name.
func (ix *Index) In(name string) iter.Seq[*Object] {
	c := ix.byName[name]
	if c == nil {
		return func(func(*Object) bool) {}
	}
	return slices.Values(c.objects)
}
