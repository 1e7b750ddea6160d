package mesh

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

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
			l.Unknown = ix.unread(everywhere, key)
		}
		return l
	}
	if l.To = ix.Object(view.Ref{Cluster: from.Ref.Cluster, Key: key.String()}); l.To == nil {
		l.Unknown = ix.unread(from.Ref.Cluster, key)
		if !view.Wired(t.Group, t.Kind) {
			l.Unknown = "Not a kind that is looked for: it may be there"
		}
	}
	return l
}

// unread says why nobody can tell that a cluster, or every one, has no object of the kinds of keys; empty where it can be told.
func (ix *Index) unread(clusterName string, kinds ...resource.Key) string {
	for _, c := range ix.clusters {
		for _, of := range kinds {
			name := strings.ToLower(strings.TrimSuffix(of.Kind+"."+of.Group, "."))
			if (clusterName == everywhere || clusterName == c.name) && c.unread[name] {
				return "It may be there: the agent of " + c.name + " cannot read " + of.Kind + "s"
			}
		}
	}
	return ""
}

// Backends returns where the rules of a route lead, in the order in which they are written.
func (ix *Index) Backends(route *Object) []Lead {
	var leads []Lead
	for i := range route.Wiring.Rules {
		rule := &route.Wiring.Rules[i]
		for j := range rule.Backends {
			b := &rule.Backends[j]
			var l Lead
			switch {
			case b.Host != "":
				l = ix.host(route.Ref.Cluster, route.Key.Namespace, b.Host)
			case b.Group == "" && b.Kind == "Service":
				l = ix.host(route.Ref.Cluster, route.Key.Namespace, resource.ServiceHost(cmp.Or(b.Namespace, route.Key.Namespace), b.Name))
			case b.Group == GroupNetworking && b.Kind == "Hostname":
				l = ix.host(route.Ref.Cluster, route.Key.Namespace, b.Name)
			default:
				l = ix.lead(route, b.Target)
			}
			l.Backend, l.Rule = b, i
			leads = append(leads, l)
		}
	}
	return leads
}

// host resolves a host that an object of a namespace names, as CFG0101 judges it: within the cluster, then as that of a
// GlobalService or of a Service of another cluster, which answers for its namesakes in all of them.
func (ix *Index) host(clusterName, namespace, host string) Lead {
	l := Lead{Kind: "host", Name: host}
	c := ix.byName[clusterName]
	if c == nil {
		return l
	}
	host = resource.FullHost(host, namespace)
	ns, name, isService := resource.ServiceOf(host)
	service := resource.Key{Kind: "Service", Namespace: ns, Name: name}
	if isService {
		l.Kind, l.Name = "Service", ns+"/"+name
		if l.To = c.byKey[service.String()]; l.To != nil {
			return l
		}
	}
	if all := ix.hosts[host]; len(all) > 0 {
		l.To = all[0]
		return l
	}
	if l.To = c.entry(host, namespace); l.To != nil {
		return l
	}
	asked := clusterName // who must be asked to say that it is nowhere
	if isService {
		asked = everywhere
		for _, other := range ix.clusters {
			if o := other.byKey[service.String()]; o != nil && (l.To == nil || other.seen) {
				l.To = o
				if other.seen {
					break
				}
			}
		}
	}
	if l.To == nil {
		l.Unknown = cmp.Or(
			ix.unread(asked, resource.Key{Kind: "Service"}),
			ix.unread(clusterName, resource.Key{Kind: "Service"}, resource.Key{Group: GroupNetworking, Kind: "ServiceEntry"}),
		)
	}
	return l
}

// entry returns the ServiceEntry for a host, the one with the most specific wildcard and of those the one of the namespace first.
func (c *cluster) entry(host, namespace string) *Object {
	entries := c.entries[host]
	for suffix := host; len(entries) == 0; {
		_, after, more := strings.Cut(suffix, ".")
		if !more {
			return nil
		}
		suffix = after
		entries = c.entries["*."+suffix]
	}
	if i := slices.IndexFunc(entries, func(e *Object) bool { return e.Key.Namespace == namespace }); i >= 0 {
		return entries[i]
	}
	return entries[0]
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
			for _, o := range c.services(namespace) {
				if includes(o.Labels, choice.Labels) {
					services = append(services, o)
				}
			}
		}
	}
	slices.SortFunc(services, func(a, b *Object) int { return a.Ref.Compare(b.Ref) })
	return slices.Compact(services)
}

// services returns the Services of a namespace that people wrote.
func (c *cluster) services(namespace string) []*Object {
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
