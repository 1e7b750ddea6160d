// Package routing compiles the Istio objects of a cluster into a table that does not change, and finds in it what becomes of a
// request, by the rules by which istiod and Envoy would: the servers of Gateways on common proxies share their ports, the
// host that fits best decides, and of its routes the first one that matches. What it cannot execute, it says in notes.
package routing

import (
	"maps"
	"slices"
)

// Cluster is what the proxies of one cluster do. It does not change.
type Cluster struct {
	// Name is the cluster's.
	Name string
	// Gateways are the Istio Gateways that are served.
	Gateways []Gateway
	// Notes say what is not executed.
	Notes []Note

	proxies []*proxy
}

// Gateway is an Istio Gateway, for people.
type Gateway struct {
	Object  string   `json:"object"`
	Servers []Server `json:"servers"`
}

// Server is a server of a Gateway that is served.
type Server struct {
	Port  uint32   `json:"port"`
	TLS   bool     `json:"tls"`
	Hosts []string `json:"hosts"`
}

// Host is a host that is served, for people.
type Host struct {
	Host   string   `json:"host"`
	Port   uint32   `json:"port"`
	TLS    bool     `json:"tls"`
	Routes []string `json:"routes"`
}

// proxy stands for the proxies that a selector selects.
type proxy struct {
	selector  map[string]string
	namespace string
	plain     map[uint32]hosts
	secure    map[uint32][]*chain
	// gateways are the names, "namespace/name", of the Gateways on each port.
	gateways map[uint32][]string
}

// hosts are routes by domain.
type hosts map[string][]*Route

// chain is what connections for some names lead to.
type chain struct {
	names []string
	hosts hosts
}

// Hosts returns all hosts that are served, sorted by host and port.
func (c *Cluster) Hosts() []Host {
	var all []Host
	add := func(h hosts, port uint32, tls bool) {
		for _, host := range slices.Sorted(maps.Keys(h)) {
			found := Host{Host: host, Port: port, TLS: tls}
			for _, r := range h[host] {
				found.Routes = append(found.Routes, r.Name)
			}
			all = append(all, found)
		}
	}
	for _, p := range c.proxies {
		for _, port := range slices.Sorted(maps.Keys(p.plain)) {
			add(p.plain[port], port, false)
		}
		for _, port := range slices.Sorted(maps.Keys(p.secure)) {
			for _, chain := range p.secure[port] {
				add(chain.hosts, port, true)
			}
		}
	}
	return all
}

// Found is where a request was found to lead.
type Found struct {
	Cluster *Cluster
	// Host is the host of the table that took it; Route is nil where none of its routes matches.
	Host  string
	Route *Route
}

// Find returns what becomes of a request. Of several clusters, and several kinds of proxies, that serve its host, the one whose host
// fits best answers, and of equals the first.
//
// The gateway has one port for all ports of all Gateways. The one that is meant is that of the Host header; where it has
// none, or one on which nobody listens, it is that of the scheme, 80 or 443, or else the lowest.
func Find(clusters []*Cluster, r *Request) (found Found, ok bool) {
	asked := *r
	if !slices.ContainsFunc(clusters, func(c *Cluster) bool { return c.listens(r.TLS, r.Port) }) {
		asked.Port = 0
	}
	top := -1
	for _, c := range clusters {
		for _, p := range c.proxies {
			host, routes, is := p.find(&asked)
			if !is || rank(host) <= top {
				continue
			}
			top, ok = rank(host), true
			found = Found{Cluster: c, Host: host}
			if i := slices.IndexFunc(routes, func(route *Route) bool { return route.match.takes(r) }); i >= 0 {
				found.Route = routes[i]
			}
		}
	}
	return found, ok
}

func (c *Cluster) listens(tls bool, port uint32) bool {
	return slices.ContainsFunc(c.proxies, func(p *proxy) bool {
		if tls {
			return p.secure[port] != nil
		}
		return p.plain[port] != nil
	})
}

func (p *proxy) find(r *Request) (host string, routes []*Route, ok bool) {
	var h hosts
	if r.TLS {
		chains := p.secure[portOf(p.secure, r.Port, 443)]
		top := -1
		for _, c := range chains {
			if name, is := best(slices.Values(c.names), r.ServerName); is && rank(name) > top {
				top, h = rank(name), c.hosts
			}
		}
	} else {
		h = p.plain[portOf(p.plain, r.Port, 80)]
	}
	host, ok = best(maps.Keys(h), r.Host)
	return host, h[host], ok
}

// portOf returns the port that is meant.
func portOf[T any](ports map[uint32]T, asked, usual uint32) uint32 {
	if asked != 0 {
		return asked
	}
	if _, is := ports[usual]; is || len(ports) == 0 {
		return usual
	}
	return slices.Min(slices.Collect(maps.Keys(ports)))
}
