package routing

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"

	networking "istio.io/api/networking/v1alpha3"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/meshweir/meshweir/schemas/resource"
)

// Destination is where requests are sent.
type Destination struct {
	// Host and Port are those of the service.
	Host string `json:"host"`
	Port uint32 `json:"port"`
	// Addresses are the endpoints that the gateway may call, "host:port".
	Addresses []string `json:"addresses,omitempty"`
}

// Cluster returns Envoy's name of the cluster.
func (d Destination) Cluster() string { return fmt.Sprintf("outbound|%d||%s", d.Port, d.Host) }

// Reach says which endpoints the gateway may call.
type Reach []netip.Prefix

// Loopback are the endpoints of this machine.
func Loopback() Reach {
	return Reach{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

func (r Reach) includes(address string) bool {
	if address == "localhost" {
		address = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(r, func(p netip.Prefix) bool { return p.Contains(ip.Unmap()) })
}

// endpoints finds the endpoints of hosts.
type endpoints struct {
	reach    Reach
	services map[string]*corev1.Service
	slices   map[string][]*discoveryv1.EndpointSlice // by namespace/service
	entries  map[string][]*networking.ServiceEntry   // by host
}

func newEndpoints(reach Reach, objects []Object) *endpoints {
	e := &endpoints{reach, map[string]*corev1.Service{}, map[string][]*discoveryv1.EndpointSlice{}, map[string][]*networking.ServiceEntry{}}
	for _, o := range objects {
		switch spec := o.Spec.(type) {
		case *corev1.Service:
			e.services[resource.ServiceHost(o.Key.Namespace, o.Key.Name)] = spec
		case *discoveryv1.EndpointSlice:
			service := o.Key.Namespace + "/" + spec.Labels[discoveryv1.LabelServiceName]
			e.slices[service] = append(e.slices[service], spec)
		case *networking.ServiceEntry:
			for _, host := range spec.GetHosts() {
				e.entries[host] = append(e.entries[host], spec)
			}
		}
	}
	return e
}

// of returns the addresses of a host's endpoints that may be called, sorted.
func (e *endpoints) of(host string, port uint32) []string {
	found := e.ofService(host, port)
	for _, entry := range e.entries[host] {
		i := slices.IndexFunc(entry.GetPorts(), func(p *networking.ServicePort) bool { return p.GetNumber() == port })
		if i < 0 {
			continue
		}
		p := entry.GetPorts()[i]
		to := port
		if p.GetTargetPort() != 0 {
			to = p.GetTargetPort()
		}
		for _, endpoint := range entry.GetEndpoints() {
			target := to
			if own := endpoint.GetPorts()[p.GetName()]; own != 0 {
				target = own
			}
			found = append(found, e.ofService(endpoint.GetAddress(), target)...)
			found = e.add(found, endpoint.GetAddress(), target)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func (e *endpoints) ofService(host string, port uint32) (found []string) {
	service := e.services[host]
	if service == nil {
		return nil
	}
	i := slices.IndexFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return uint32(p.Port) == port }) //nolint:gosec // a port
	if i < 0 {
		return nil
	}
	namespace, name, _ := resource.ServiceOf(host)
	for _, slice := range e.slices[namespace+"/"+name] {
		for _, p := range slice.Ports {
			if p.Port == nil || p.Name != nil && *p.Name != service.Spec.Ports[i].Name || p.Name == nil && service.Spec.Ports[i].Name != "" {
				continue
			}
			for _, endpoint := range slice.Endpoints {
				if endpoint.Conditions.Ready != nil && !*endpoint.Conditions.Ready {
					continue
				}
				for _, address := range endpoint.Addresses {
					found = e.add(found, address, uint32(*p.Port)) //nolint:gosec // a port
				}
			}
		}
	}
	return found
}

func (e *endpoints) add(to []string, address string, port uint32) []string {
	if !e.reach.includes(address) {
		return to
	}
	return append(to, net.JoinHostPort(address, strconv.FormatUint(uint64(port), 10)))
}

// destination reads a Destination.
func (c *compiler) destination(key resource.Key, at string, from *networking.Destination, listener uint32) Destination {
	if from.GetSubset() != "" {
		c.notes.add(key.String(), at+".subset", "all endpoints of the host count, whatever the subset")
	}
	d := Destination{Host: resource.FullHost(from.GetHost(), key.Namespace), Port: from.GetPort().GetNumber()}
	if d.Port == 0 {
		d.Port = c.endpoints.onlyPort(d.Host, listener)
	}
	d.Addresses = c.endpoints.of(d.Host, d.Port)
	return d
}

// onlyPort returns the port of a host that has one alone, and that of the listener otherwise, as Istio does.
func (e *endpoints) onlyPort(host string, listener uint32) uint32 {
	var ports []uint32
	if s := e.services[host]; s != nil {
		for _, p := range s.Spec.Ports {
			ports = append(ports, uint32(p.Port)) //nolint:gosec // a port
		}
	}
	for _, entry := range e.entries[host] {
		for _, p := range entry.GetPorts() {
			ports = append(ports, p.GetNumber())
		}
	}
	slices.Sort(ports)
	if ports = slices.Compact(ports); len(ports) == 1 {
		return ports[0]
	}
	return listener
}
