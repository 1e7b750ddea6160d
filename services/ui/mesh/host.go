package mesh

import (
	"fmt"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/schemas/istio"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/ui/view"
)

// hosts are the hosts of a fleet, as an object of a namespace looks for them from its cluster.
type hosts struct {
	ix        *Index
	from      *cluster
	namespace string
}

// Here implements istio.Fleet. ServiceEntries of the namespace come first.
func (h hosts) Here(host string) []istio.Claim[*Object] {
	claims := h.from.services(host)
	entries := h.from.serviceEntries(host)
	slices.SortStableFunc(entries, func(a, b istio.Claim[*Object]) int {
		switch own := b.Namespace == h.namespace; {
		case own == (a.Namespace == h.namespace):
			return 0
		case own:
			return 1
		default:
			return -1
		}
	})
	claims = append(claims, entries...)
	for i, c := range claims {
		claims[i].Audience = istio.Exported(c.Object.Wiring.ExportTo, h.from.exportServices, c.Namespace)
	}
	return claims
}

// Everywhere implements istio.Fleet. GlobalServices come first, the one in force before others, and Services of clusters that are seen before those that are not.
func (h hosts) Everywhere(host string) []istio.Claim[*Object] {
	var claims, away, entries []istio.Claim[*Object]
	for _, o := range h.ix.hosts[host] {
		claims = append(claims, claim(o, istio.GlobalService))
	}
	for _, c := range h.ix.clusters {
		if c.seen {
			claims = append(claims, c.services(host)...)
		} else {
			away = append(away, c.services(host)...)
		}
		entries = append(entries, c.serviceEntries(host)...)
	}
	return append(append(claims, away...), entries...)
}

// Unknown implements istio.Fleet.
func (h hosts) Unknown(cluster string, kinds ...istio.Kind) string {
	if cluster == "" {
		cluster = everywhere
	}
	names := make([]string, len(kinds))
	for i, kind := range kinds {
		names[i] = string(kind)
	}
	return h.ix.unknown(cluster, names...)
}

func claim(o *Object, kind istio.Kind) istio.Claim[*Object] {
	return istio.Claim[*Object]{Object: o, Kind: kind, Cluster: o.Ref.Cluster, Namespace: o.Key.Namespace}
}

// services returns the Service that has a host; none or one.
func (c *cluster) services(host string) []istio.Claim[*Object] {
	namespace, name, ok := resource.ServiceOf(host)
	if !ok {
		return nil
	}
	return c.claims(istio.Service, c.byKey[resource.Key{Kind: "Service", Namespace: namespace, Name: name}.String()])
}

func (c *cluster) serviceEntries(host string) []istio.Claim[*Object] {
	return c.claims(istio.ServiceEntry, c.entries[host]...)
}

// claims are those of objects that the cluster holds, without their audiences.
func (c *cluster) claims(kind istio.Kind, objects ...*Object) []istio.Claim[*Object] {
	var claims []istio.Claim[*Object]
	for _, o := range objects {
		if o == nil || o.Place == view.PlaceWanted || o.Place == view.PlaceGone {
			continue
		}
		claims = append(claims, claim(o, kind))
	}
	return claims
}

// unknown says why nobody can tell what a cluster, or any of them, lacks of some kinds, "kind[.group]"; empty where it can be told.
func (ix *Index) unknown(clusterName string, kinds ...string) string {
	for _, c := range ix.clusters {
		if clusterName != everywhere && clusterName != c.name {
			continue
		}
		if !c.known {
			return "the cluster " + c.name + " is not seen at the moment"
		}
		for _, kind := range kinds {
			if c.unread[strings.ToLower(kind)] {
				name, _, _ := strings.Cut(kind, ".")
				return "the agent of " + c.name + " cannot read " + name + "s"
			}
		}
	}
	return ""
}

// host resolves a host that an object names, as CFG0101 judges it, for clients.
func (ix *Index) host(from *Object, host string, clients istio.Audience) Lead {
	l := Lead{Kind: "host", Name: host}
	c := ix.byName[from.Ref.Cluster]
	if c == nil {
		return l
	}
	host = resource.FullHost(host, from.Key.Namespace)
	if namespace, name, ok := resource.ServiceOf(host); ok {
		l.Kind, l.Name = "Service", namespace+"/"+name
	}
	found := istio.Resolve(hosts{ix, c, from.Key.Namespace}, c.name, host, clients)
	switch found.Verdict {
	case istio.Exists:
		l.To = found.To.Object
		if global := ix.hosts[host]; len(global) > 0 && found.To.Kind == istio.ServiceEntry {
			l.To = global[0] // which the ServiceEntry was made from
		}
	case istio.Unknown:
		l.Unknown = "It may be there: " + found.Why
	case istio.Hidden:
		by := found.Others[0]
		l.Missing = fmt.Sprintf("%s has the host for %s, where no client of the route is", named(by.Object), by.Audience)
	case istio.Elsewhere:
		by := found.Others[0]
		l.Missing = fmt.Sprintf("%s of %s has the host for its own cluster alone", named(by.Object), by.Cluster)
	case istio.Covered:
		by := found.Others[0]
		l.Missing = fmt.Sprintf("Only the wildcard %s of %s covers it, and Istio has no cluster for a host below a wildcard", by.Host, named(by.Object))
	case istio.Nowhere:
	}
	return l
}

func named(o *Object) string { return o.Key.Kind + " " + o.Key.Namespace + "/" + o.Key.Name }

// clients are who a route is for.
func (ix *Index) clients(route *Object) istio.Audience {
	c := ix.byName[route.Ref.Cluster]
	if c == nil || !route.Is(GroupNetworking, "VirtualService") {
		return istio.Audience{All: true}
	}
	var gateways []string
	for _, p := range route.Wiring.Parents {
		switch {
		case p.Kind == view.KindMesh:
			gateways = append(gateways, istio.Mesh)
		case p.Namespace == "":
			gateways = append(gateways, "./"+p.Name)
		default:
			gateways = append(gateways, p.Namespace+"/"+p.Name)
		}
	}
	exported := istio.Exported(route.Wiring.ExportTo, c.exportRoutes, route.Key.Namespace)
	return istio.Clients(gateways, exported, route.Key.Namespace, func(namespace, name string) []string { return ix.proxyNamespaces(c, namespace, name) })
}

// proxyNamespaces are those of the proxies of an Istio Gateway. What was found once stays: many routes name one Gateway.
func (ix *Index) proxyNamespaces(c *cluster, namespace, name string) []string {
	key := resource.Key{Group: GroupNetworking, Kind: "Gateway", Namespace: namespace, Name: name}.String()
	if found, ok := c.proxies.Load(key); ok {
		return found.([]string) //nolint:forcetypeassert // it is stored below
	}
	var namespaces []string
	if gateway := c.byKey[key]; gateway != nil {
		for _, p := range ix.Proxies(gateway) {
			namespaces = append(namespaces, p.Namespace)
		}
	}
	namespaces = slices.Compact(namespaces) // they are sorted
	c.proxies.Store(key, namespaces)
	return namespaces
}
