package globalservice

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/inventory"
	"github.com/meshweir/meshweir/services/translator/output"
)

// rootNamespace holds what belongs in no namespace that the cluster has.
const rootNamespace = "istio-system"

func serviceRef(cluster, namespace, name string) inventory.Ref {
	return inventory.Ref{Cluster: cluster, Key: resource.Key{Kind: "Service", Namespace: namespace, Name: name}}
}

// basis is what everything that is made of a GlobalService depends on: the object, what keeps its host for it, and
// whether there are Workspaces.
func (t *Translator) basis(r *graph.Reader, p plan) *output.Sources {
	sources := output.NewSources(p.Home)
	sources.Add(t.spaces.Witnesses(r)...)
	p.Guards.AddTo(sources)
	return sources
}

// endpoint is one endpoint of a host in one cluster, with what it is made from.
type endpoint struct {
	entry   *networking.WorkloadEntry
	sources []inventory.Ref
}

// endpoints returns what a cluster calls when it calls the host.
func (t *Translator) endpoints(r *graph.Reader, p plan, cluster string) []endpoint {
	var found []endpoint
	for _, provider := range p.Providers {
		if provider.Cluster == cluster {
			found = append(found, localEndpoints(provider, t.place(r, cluster))...)
			continue
		}
		found = append(found, t.remoteEndpoints(r, p, provider)...)
	}
	return found
}

func localEndpoints(provider provider, labels map[string]string) []endpoint {
	found := make([]endpoint, 0, len(provider.Backends))
	for _, b := range provider.Backends {
		found = append(found, endpoint{
			&networking.WorkloadEntry{Address: resource.ServiceHost(b.Namespace, b.Name), Ports: b.Ports, Labels: labels},
			[]inventory.Ref{serviceRef(provider.Cluster, b.Namespace, b.Name)},
		})
	}
	return found
}

func (t *Translator) remoteEndpoints(r *graph.Reader, p plan, provider provider) []endpoint {
	var found []endpoint
	for _, gateway := range t.gateways.Get(r, provider.Cluster) {
		ports := map[string]uint32{}
		for _, port := range p.Spec.Ports {
			ports[port.Name] = gateway.Spec.Port
		}
		sources := []inventory.Ref{gateway.Ref}
		for _, b := range provider.Backends {
			sources = append(sources, serviceRef(provider.Cluster, b.Namespace, b.Name))
		}
		for _, address := range gateway.Spec.Addresses {
			found = append(found, endpoint{
				&networking.WorkloadEntry{Address: address, Ports: ports, Labels: endpointLabels(provider.Cluster, gateway.Spec.Locality)},
				sources,
			})
		}
	}
	return found
}

func (t *Translator) entryMeta(r *graph.Reader, a at) output.Meta {
	return output.Meta{Kind: kindEntry, Namespace: t.namespaces.Get(r, a), Name: entryName(a)}
}

const kindEntry = "ServiceEntry"

func entryName(a at) string { return output.Name(a.Namespace, a.Name.Name) }

// findNamespace returns the namespace in a cluster for the objects of a
// GlobalService: the one where they are held, its own one where the cluster has it, otherwise one that
// surely exists.
func (t *Translator) findNamespace(r *graph.Reader, a at) string {
	if held := t.heldIn(r, a); len(held) > 0 {
		return slices.Min(held)
	}
	var others []string
	for _, provider := range t.plans.Get(r, a.Name).Providers {
		if provider.Cluster == a.Cluster {
			for _, b := range provider.Backends {
				others = append(others, b.Namespace)
			}
		}
	}
	for _, route := range t.callingRoutes(r, a) {
		others = append(others, route.Key.Namespace)
	}
	if len(others) == 0 {
		others = []string{rootNamespace}
	}
	if slices.Contains(others, a.Namespace) || t.inv.HasNamespace(r, a.Cluster, a.Namespace) {
		return a.Namespace
	}
	return slices.Min(others)
}

// addClientSide adds what a cluster needs to call the host.
func (t *Translator) addClientSide(r *graph.Reader, objects output.Set, p plan, a at) {
	endpoints := t.endpoints(r, p, a.Cluster)
	if len(endpoints) == 0 {
		return
	}
	meta := t.entryMeta(r, a)
	meta.Sources = t.basis(r, p)
	entry := serviceEntry(p.Spec.Host, p.Spec.Ports)
	entry.ExportTo = t.exportTo(r, a)
	for _, e := range endpoints {
		entry.Endpoints = append(entry.Endpoints, e.entry)
		meta.Sources.Add(e.sources...)
	}
	objects.Put(a.Cluster, meta.Key(), output.Object(meta, entry))
	meta.Kind = "DestinationRule"
	rule := destinationRule(a.Name, p.Spec, t.place(r, a.Cluster))
	rule.ExportTo = entry.ExportTo
	objects.Put(a.Cluster, meta.Key(), output.Object(meta, rule))
}

func serviceEntry(host string, ports []v1alpha1.GlobalServicePort) *networking.ServiceEntry {
	entry := &networking.ServiceEntry{
		Hosts:      []string{host},
		Location:   networking.ServiceEntry_MESH_INTERNAL,
		Resolution: networking.ServiceEntry_DNS,
	}
	for _, port := range ports {
		protocol := port.Protocol
		if protocol == "" {
			protocol = v1alpha1.ProtocolHTTP
		}
		entry.Ports = append(entry.Ports, &networking.ServicePort{
			Name: port.Name, Number: uint32(port.Port), Protocol: string(protocol),
		})
	}
	return entry
}

// destinationRule sets everything for each port, because what a port sets
// replaces what the rule sets for all. Endpoints whose labels are those of the
// client's place come first.
func destinationRule(name Name, spec v1alpha1.GlobalServiceSpec, place map[string]string) *networking.DestinationRule {
	policy := &networking.TrafficPolicy{}
	for _, port := range spec.Ports {
		policy.PortLevelSettings = append(policy.PortLevelSettings, &networking.TrafficPolicy_PortTrafficPolicy{
			Port: &networking.PortSelector{Number: uint32(port.Port)},
			Tls: &networking.ClientTLSSettings{
				Mode: networking.ClientTLSSettings_ISTIO_MUTUAL,
				// The form in which an east-west gateway of the mode AUTO_PASSTHROUGH expects host and port.
				Sni: fmt.Sprintf("outbound_.%d_._.%s", port.Port, eastWestHost(name)),
			},
			OutlierDetection: outlierDetection(spec.OutlierDetection),
			LoadBalancer: &networking.LoadBalancerSettings{
				LocalityLbSetting: &networking.LocalityLoadBalancerSetting{
					Enabled:          wrapperspb.Bool(true),
					FailoverPriority: failoverPriority(place),
				},
			},
		})
	}
	return &networking.DestinationRule{Host: spec.Host, TrafficPolicy: policy}
}

func outlierDetection(o *v1alpha1.OutlierDetection) *networking.OutlierDetection {
	if o == nil {
		o = &v1alpha1.OutlierDetection{}
	}
	or := func(d *metav1.Duration, otherwise time.Duration) *durationpb.Duration {
		if d == nil {
			return durationpb.New(otherwise)
		}
		return durationpb.New(d.Duration)
	}
	number := func(n, otherwise int32) int32 {
		if n == 0 {
			return otherwise
		}
		return n
	}
	return &networking.OutlierDetection{
		Consecutive_5XxErrors: wrapperspb.UInt32(uint32(number(o.ConsecutiveErrors, 5))),
		Interval:              or(o.Interval, 10*time.Second),
		BaseEjectionTime:      or(o.BaseEjectionTime, 30*time.Second),
		MaxEjectionPercent:    number(o.MaxEjectionPercent, 100),
	}
}
