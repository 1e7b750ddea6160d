package mesh

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/schemas/istio"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/ui/view"
)

// Lead is a way from one object to another.
type Lead struct {
	// To is nil when the name leads nowhere, or outside of what is known.
	To *Object
	// Name is what people call the other end, where To is nil.
	Name string
	// Kind is the kind that is named.
	Kind string
	// Unknown says, where To is nil, why nobody can tell whether the other end is there; empty for what is not there.
	Unknown string
	// Missing says, where To is nil, what keeps clients from it, where there is more to say than that it is not there.
	Missing string
	// Sidecars says that the other end is the sidecars of all workloads, and no object.
	Sidecars bool
	// Backend is the backend that leads there, Rule the number of its rule, from 0.
	Backend *view.Backend
	Rule    int
}

// Gateways returns what a route attaches to, in the order in which it is written.
func (ix *Index) Gateways(route *Object) []Lead {
	var leads []Lead
	for _, p := range route.Wiring.Parents {
		if p.Kind == view.KindMesh || p.Group == "" && p.Kind == "Service" {
			leads = append(leads, Lead{Kind: p.Kind, Name: cmp.Or(p.Name, "sidecars"), Sidecars: true})
			continue
		}
		leads = append(leads, ix.lead(route, p))
	}
	return leads
}

// lead resolves a reference within the cluster, or for a GlobalService the fleet.
func (ix *Index) lead(from *Object, t view.Target) Lead {
	namespace := cmp.Or(t.Namespace, from.Key.Namespace)
	key := resource.Key{Group: t.Group, Kind: t.Kind, Namespace: namespace, Name: t.Name}
	l := Lead{Kind: t.Kind, Name: namespace + "/" + t.Name}
	if t.Group == resource.Group && t.Kind == v1alpha1.KindGlobalService {
		if all := ix.global[l.Name]; len(all) > 0 {
			l.To = all[0]
		} else {
			l.Unknown = ix.mayBe(everywhere, key)
		}
		return l
	}
	if l.To = ix.Object(view.Ref{Cluster: from.Ref.Cluster, Key: key.String()}); l.To == nil {
		l.Unknown = ix.mayBe(from.Ref.Cluster, key)
		if !view.Wired(t.Group, t.Kind) {
			l.Unknown = "Not a kind that is looked for: it may be there"
		}
	}
	return l
}

// mayBe says why an object may be there, in a cluster or any of them, that is not; empty where it is told that it is not.
func (ix *Index) mayBe(clusterName string, key resource.Key) string {
	if why := ix.unknown(clusterName, strings.TrimSuffix(key.Kind+"."+key.Group, ".")); why != "" {
		return "It may be there: " + why
	}
	return ""
}

// Backends returns where the rules of a route lead, in the order in which they are written.
func (ix *Index) Backends(route *Object) []Lead {
	var leads []Lead
	clients, anybody := ix.clients(route), istio.Audience{All: true}
	for i := range route.Wiring.Rules {
		rule := &route.Wiring.Rules[i]
		for j := range rule.Backends {
			b := &rule.Backends[j]
			var l Lead
			switch {
			case b.Host != "":
				l = ix.host(route, b.Host, clients)
			case b.Group == "" && b.Kind == "Service":
				l = ix.host(route, resource.ServiceHost(cmp.Or(b.Namespace, route.Key.Namespace), b.Name), anybody)
			case b.Group == GroupNetworking && b.Kind == "Hostname":
				l = ix.host(route, b.Name, anybody)
			default:
				l = ix.lead(route, b.Target)
			}
			l.Backend, l.Rule = b, i
			leads = append(leads, l)
		}
	}
	return leads
}

// HostOf is the host by which Istio knows an object that routes lead to.
func HostOf(o *Object) string {
	switch {
	case o.Is("", "Service"):
		return resource.ServiceHost(o.Key.Namespace, o.Key.Name)
	case len(o.Wiring.Hosts) > 0:
		return o.Wiring.Hosts[0]
	default:
		return ""
	}
}

// Behind returns the Services behind a GlobalService, in all clusters.
func (ix *Index) Behind(global *Object) []*Object {
	var services []*Object
	for _, c := range ix.clusters {
		for _, choice := range global.Wiring.Services {
			if len(choice.Clusters) > 0 && !slices.Contains(choice.Clusters, c.name) {
				continue
			}
			namespace := cmp.Or(choice.Namespace, global.Key.Namespace)
			if choice.Name != "" {
				if o := c.byKey[resource.Key{Kind: "Service", Namespace: namespace, Name: choice.Name}.String()]; o != nil {
					services = append(services, o)
				}
				continue
			}
			for _, o := range c.servicesOf(namespace) {
				if resource.Selects(choice.Labels, o.Labels) {
					services = append(services, o)
				}
			}
		}
	}
	slices.SortFunc(services, func(a, b *Object) int { return a.Ref.Compare(b.Ref) })
	return slices.Compact(services)
}

// servicesOf returns the Services of a namespace that people wrote.
func (c *cluster) servicesOf(namespace string) []*Object {
	prefix := "Service/" + namespace + "/"
	from, _ := slices.BinarySearchFunc(c.objects, resource.Key{Kind: "Service", Namespace: namespace}, func(o *Object, k resource.Key) int {
		return cmp.Or(strings.Compare(o.Key.Kind, k.Kind), strings.Compare(o.Key.Group, k.Group), strings.Compare(o.Key.Namespace, k.Namespace))
	})
	var services []*Object
	for _, o := range c.objects[from:] {
		if !strings.HasPrefix(o.Ref.Key, prefix) {
			break
		}
		if !o.Managed {
			services = append(services, o)
		}
	}
	return services
}

// String names the other end.
func (l Lead) String() string {
	if l.To != nil {
		return l.To.Ref.String()
	}
	return fmt.Sprintf("%s %s", l.Kind, l.Name)
}
