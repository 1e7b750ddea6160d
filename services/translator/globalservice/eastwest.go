package globalservice

import (
	"slices"
	"strings"

	networking "istio.io/api/networking/v1"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/output"
)

// eastWestDomain is the domain of the names under which east-west gateways know the GlobalServices of their cluster.
const eastWestDomain = "east-west.meshweir.internal"

// tlsModeLabel says "istio" of an endpoint that takes Istio's mutual TLS. At a
// gateway that passes TLS through, istiod leaves out all others.
const tlsModeLabel = "security.istio.io/tlsMode"

// eastWestHost returns the name of a GlobalService at an east-west gateway.
func eastWestHost(name Name) string {
	return name.Name + "." + name.Namespace + "." + eastWestDomain
}

// addServerSide adds what the east-west gateways of a cluster need to take requests for the host.
func (t *Translator) addServerSide(r *graph.Reader, objects output.Set, p plan, provider provider) {
	name := Name{p.Home.Key.Namespace, p.Home.Key.Name}
	callers := t.callers(r, name, provider.Cluster)
	if len(callers) == 0 {
		return
	}
	for _, namespace := range gatewayNamespaces(t.gateways.Get(r, provider.Cluster)) {
		meta := output.Meta{
			Kind: "ServiceEntry", Namespace: namespace, Name: output.Name(name.Namespace, name.Name, "east-west"),
			Sources: t.basis(r, p),
		}
		meta.Sources.AddClusters(callers...)
		entry := serviceEntry(eastWestHost(name), p.Spec.Ports)
		entry.ExportTo = []string{"."}
		for _, e := range localEndpoints(provider, map[string]string{tlsModeLabel: "istio"}) {
			entry.Endpoints = append(entry.Endpoints, e.entry)
			meta.Sources.Add(e.sources...)
		}
		objects.Put(provider.Cluster, meta.Key(), output.Object(meta, entry))
	}
}

// callers returns the clusters other than the provider that call the host.
func (t *Translator) callers(r *graph.Reader, name Name, provider string) []string {
	return slices.DeleteFunc(slices.Clone(t.clients.Get(r, name)), func(client string) bool { return client == provider })
}

func gatewayNamespaces(gateways []eastWest) []string {
	var namespaces []string
	for _, gateway := range gateways {
		namespaces = append(namespaces, gateway.Ref.Key.Namespace)
	}
	slices.Sort(namespaces)
	return slices.Compact(namespaces)
}

// TranslateEastWest returns what opens the east-west gateways of a cluster to the GlobalServices that it provides.
func (t *Translator) TranslateEastWest(r *graph.Reader, cluster string) output.Set {
	objects := output.Set{}
	gateways := t.gateways.Get(r, cluster)
	if len(gateways) == 0 {
		return objects
	}
	clusters := t.needs.Get(r, cluster)
	if len(clusters) == 0 {
		return objects
	}
	for _, gateway := range gateways {
		meta := output.Meta{
			Kind: "Gateway", Namespace: gateway.Ref.Key.Namespace, Name: output.Name("east-west", gateway.Ref.Key.Name),
			Sources: output.NewSources(gateway.Ref),
		}
		meta.Sources.AddClusters(clusters...)
		objects.Put(cluster, meta.Key(), output.Object(meta, &networking.Gateway{
			Selector: gateway.Spec.Selector,
			Servers: []*networking.Server{{
				Port: &networking.Port{Number: internalv1.EastWestPort, Name: "tls-meshweir", Protocol: "TLS"},
				Tls:  &networking.ServerTLSSettings{Mode: networking.ServerTLSSettings_AUTO_PASSTHROUGH},
				// No namespace before the host, which would limit nothing: by it istiod knows that two Gateways
				// of the same proxies ask for the same, where it would else make a listener that Envoy refuses.
				Hosts: []string{"*." + eastWestDomain},
			}},
		}))
	}
	return objects
}

// findNeeds returns the clusters because of which the east-west gateways of a
// cluster must be open: those of the first GlobalService that it provides to
// others. None means that they need not.
func (t *Translator) findNeeds(r *graph.Reader, cluster string) []string {
	for _, name := range t.names.Get(r, struct{}{}) {
		p := t.plans.Get(r, name)
		if !slices.ContainsFunc(p.Providers, providerOf(cluster)) {
			continue
		}
		if callers := t.callers(r, name, cluster); len(callers) > 0 {
			return append(callers, t.basis(r, p).Clusters()...)
		}
	}
	return nil
}

// listNames returns the names of all GlobalServices, sorted.
func (t *Translator) listNames(r *graph.Reader, _ struct{}) []Name {
	var names []Name
	for _, ref := range t.inv.GlobalServices(r) {
		names = append(names, Name{ref.Key.Namespace, ref.Key.Name})
	}
	slices.SortFunc(names, func(a, b Name) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(names)
}
