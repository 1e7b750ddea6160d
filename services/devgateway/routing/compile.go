package routing

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	corev1 "k8s.io/api/core/v1"

	"github.com/meshweir/meshweir/schemas/istio"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/devgateway/limit"
)

// Config is what a cluster is compiled with.
type Config struct {
	// Log hears of failures of guards.
	Log *slog.Logger
	// Cluster is the name of the cluster.
	Cluster string
	// Reach says which endpoints may be called. Default: none, every backend is answered for.
	Reach Reach
	// Dial makes what asks the rate limit service of a name, "outbound|PORT||HOST", whose endpoints in reach are at addresses.
	Dial func(name string, addresses []string) limit.Ask
}

// compiler is at work on one cluster.
type compiler struct {
	cfg       Config
	notes     notes
	endpoints *endpoints
	objects   []Object
}

// Compile compiles the objects of a cluster.
func Compile(cfg Config, objects []Object) *Cluster {
	objects = slices.Clone(objects)
	slices.SortFunc(objects, func(a, b Object) int { return a.Key.Compare(b.Key) })
	c := &compiler{cfg: cfg, endpoints: newEndpoints(cfg.Reach, objects), objects: objects}
	compiled := &Cluster{Name: cfg.Cluster}
	proxies := map[string]*proxy{}
	for _, o := range objects {
		spec, is := o.Spec.(*networking.Gateway)
		if !is {
			continue
		}
		text := selectorText(spec.GetSelector())
		p := proxies[text]
		if p == nil {
			p = &proxy{
				selector: spec.GetSelector(), namespace: c.namespaceOf(spec.GetSelector(), o.Key.Namespace),
				plain: map[uint32]hosts{}, secure: map[uint32][]*chain{}, gateways: map[uint32][]string{},
			}
			proxies[text] = p
			compiled.proxies = append(compiled.proxies, p)
		}
		if servers := c.addGateway(p, o.Key, spec); len(servers) > 0 {
			compiled.Gateways = append(compiled.Gateways, Gateway{o.Key.String(), servers})
		}
	}
	for _, p := range compiled.proxies {
		p.sortRoutes()
		c.applyFilters(p)
	}
	c.noteOthers()
	compiled.Notes = c.notes.all
	return compiled
}

// noteOthers says which objects are not executed at all, or in part.
func (c *compiler) noteOthers() {
	for _, o := range c.objects {
		switch {
		case o.Err != nil && o.Spec != nil:
			c.notes.add(o.Key.String(), "", o.Err.Error()+"; the last one that could be read stays in force")
		case o.Err != nil:
			c.notes.add(o.Key.String(), "", o.Err.Error())
		}
		switch spec := o.Spec.(type) {
		case *networking.DestinationRule:
			c.notes.refuse(o.Key.String(), "spec", notExecuted, spec, "host", "export_to")
		case *networking.VirtualService:
			c.notes.refuse(o.Key.String(), "spec", notExecuted, spec, "hosts", "gateways", "http", "export_to")
			if len(spec.GetGateways()) == 0 || slices.Contains(spec.GetGateways(), istio.Mesh) {
				c.notes.add(o.Key.String(), "spec.gateways", "sidecars are not executed, Gateways alone")
			}
		}
	}
}

func selectorText(labels map[string]string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		fmt.Fprintf(&text, "%s=%s,", name, labels[name])
	}
	return text.String()
}

// namespaceOf returns the namespace of the proxies with these labels: that of the first Service that selects them, or else their Gateway's.
func (c *compiler) namespaceOf(labels map[string]string, otherwise string) string {
	for _, o := range c.objects { // sorted
		if s, is := o.Spec.(*corev1.Service); is && len(labels) > 0 && resource.Selects(labels, s.Spec.Selector) {
			return o.Key.Namespace
		}
	}
	return otherwise
}

func (c *compiler) addGateway(p *proxy, key resource.Key, spec *networking.Gateway) (served []Server) {
	for i, server := range spec.GetServers() {
		at := fmt.Sprintf("spec.servers[%d]", i)
		port, tls := server.GetPort().GetNumber(), false
		switch protocol := strings.ToUpper(server.GetPort().GetProtocol()); protocol {
		case "HTTP", "HTTP2", "GRPC", "GRPC-WEB":
			if server.GetTls() != nil {
				c.notes.add(key.String(), at+".tls", notExecuted+leftOut)
				continue
			}
		case "HTTPS":
			tls = true
			if mode := server.GetTls().GetMode(); mode != networking.ServerTLSSettings_SIMPLE {
				c.notes.add(key.String(), at+".tls.mode", mode.String()+": "+notExecuted+leftOut)
				continue
			}
			c.notes.refuse(key.String(), at+".tls", notExecuted, server.GetTls(), "mode", "credential_name", "credential_names", "server_certificate", "private_key")
		default:
			c.notes.add(key.String(), at+".port.protocol", protocol+": "+notExecuted+leftOut)
			continue
		}
		h := hosts{}
		if tls {
			names := make([]string, 0, len(server.GetHosts()))
			for _, host := range server.GetHosts() {
				_, name := splitHost(host, key.Namespace)
				names = append(names, name)
			}
			p.secure[port] = append(p.secure[port], &chain{names, h})
		} else {
			if p.plain[port] == nil {
				p.plain[port] = hosts{}
			}
			h = p.plain[port]
		}
		p.gateways[port] = append(p.gateways[port], key.Namespace+"/"+key.Name)
		c.bind(h, key, server, port)
		served = append(served, Server{port, tls, server.GetHosts()})
	}
	return served
}

// bind adds the routes of the VirtualServices that are bound to a server.
func (c *compiler) bind(to hosts, gateway resource.Key, server *networking.Server, port uint32) {
	for _, o := range c.objects {
		vs, is := o.Spec.(*networking.VirtualService)
		if !is || len(vs.GetGateways()) == 0 || !c.onGateway(o.Key.Namespace, vs.GetGateways(), gateway) {
			continue
		}
		var routes []*Route
		seen := map[string]bool{}
		for _, of := range server.GetHosts() {
			namespace, pattern := splitHost(of, gateway.Namespace)
			if namespace != "*" && namespace != o.Key.Namespace {
				continue
			}
			for _, host := range vs.GetHosts() {
				common, any := intersect(pattern, strings.ToLower(resource.FullHost(host, o.Key.Namespace)))
				if !any || seen[common] {
					continue
				}
				seen[common] = true
				if routes == nil {
					routes = c.routesOf(o, vs, gateway, port)
				}
				for _, r := range routes {
					own := *r // a filter may be for one host alone
					to[common] = append(to[common], &own)
				}
				if len(routes) == 0 {
					to[common] = slices.Clip(to[common]) // known, and without routes
				}
			}
		}
	}
}

// onGateway reports whether a Gateway is among those that a VirtualService of a namespace names; none means all.
func (c *compiler) onGateway(namespace string, names []string, gateway resource.Key) bool {
	return len(names) == 0 || slices.ContainsFunc(names, func(written string) bool {
		in, name, mesh := istio.Gateway(written, namespace)
		return !mesh && in == gateway.Namespace && name == gateway.Name
	})
}

// splitHost reads a host of a server, "namespace/host": whose VirtualServices it is for, "*" for all, and the host.
func splitHost(written, own string) (namespace, host string) {
	namespace, host, both := strings.Cut(written, "/")
	switch {
	case !both:
		return "*", strings.ToLower(written)
	case namespace == ".":
		namespace = own
	}
	return namespace, strings.ToLower(host)
}

// sortRoutes puts routes that take everything last, as istiod does where several VirtualServices share a host.
func (p *proxy) sortRoutes() {
	all := func(h hosts) {
		for host, routes := range h {
			var last []*Route
			first := make([]*Route, 0, len(routes))
			for _, r := range routes {
				if r.match.all() {
					last = append(last, r)
				} else {
					first = append(first, r)
				}
			}
			h[host] = append(first, last...)
		}
	}
	p.each(func(_ uint32, h hosts) { all(h) })
}

func (p *proxy) each(visit func(port uint32, h hosts)) {
	for port, h := range p.plain {
		visit(port, h)
	}
	for port, chains := range p.secure {
		for _, c := range chains {
			visit(port, c.hosts)
		}
	}
}
