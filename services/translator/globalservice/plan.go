package globalservice

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/inventory"
	"github.com/meshweir/meshweir/services/translator/output"
	"github.com/meshweir/meshweir/services/translator/workspace"
)

// plan is what a GlobalService comes to, before it is written down for a cluster.
type plan struct {
	// Home is the object in force; its cluster is empty when there is none.
	Home inventory.Ref
	Spec v1alpha1.GlobalServiceSpec
	// Reason and Message say why it is not accepted; empty when it is.
	Reason, Message string
	// Guards keep older objects from having the host.
	Guards Guards
	// Providers are the clusters that have Services behind the host, sorted.
	Providers []provider
	// Unusable says which Services are selected and cannot serve, and why.
	Unusable []string
	// Hidden says which Services are selected and belong to workspaces that the GlobalService does not see.
	Hidden []string
	// Absent says which clusters are named and are not there, or have nothing of what is selected in them.
	Absent []string
}

// provider is a cluster with Services behind a host.
type provider struct {
	Cluster  string
	Backends []backend
}

// backend is a Service, with the port to call for each port of the host by its name.
type backend struct {
	Namespace, Name string
	Ports           map[string]uint32
}

// Guards are why a GlobalService has its host though older ones name it too: for
// each of those, another object of its name is in force.
type Guards struct {
	// InForce are the objects without which an older one would have the host.
	InForce []inventory.Ref
	// Against are the clusters of the older ones.
	Against []string
}

// AddTo adds them to what an output was made from.
func (g Guards) AddTo(sources *output.Sources) {
	sources.Add(g.InForce...)
	sources.AddClusters(g.Against...)
}

// election is the outcome among the objects of one namespace and name.
type election struct {
	// Winner is the object in force; its cluster is empty when there is none.
	Winner inventory.Ref
	// All are all the objects, sorted.
	All []inventory.Ref
	// Unseen is the missing cluster that the object in force is in; empty when it is not in one.
	Unseen string
}

func (t *Translator) elect(r *graph.Reader, name Name) election {
	e := election{All: t.inv.GlobalServicesByName(r, name.Namespace, name.Name)}
	if e.Unseen = t.hold.Claims(r).Clusters[name.String()]; e.Unseen != "" {
		return e
	}
	var oldest inventory.Age
	for _, ref := range e.All {
		service, problem := t.inv.GlobalService(r, ref.Cluster, name.Namespace, name.Name)
		if problem != "" {
			continue
		}
		if a := inventory.AgeOf(ref, service.ObjectMeta); e.Winner.Cluster == "" || a.Before(oldest) {
			oldest, e.Winner = a, ref
		}
	}
	return e
}

// findOwner returns which of the GlobalServices with a host has it.
func (t *Translator) findOwner(r *graph.Reader, host string) Name {
	if unseen, ok := t.hold.Claims(r).Hosts[host]; ok {
		namespace, name, _ := strings.Cut(unseen, "/")
		return Name{namespace, name}
	}
	var oldest inventory.Age
	var owner Name
	for _, ref := range t.inv.GlobalServicesByHost(r, host) {
		name := Name{ref.Key.Namespace, ref.Key.Name}
		service, _ := t.inv.GlobalService(r, ref.Cluster, name.Namespace, name.Name)
		if t.effective.Get(r, name).Winner != ref || invalid(service.Spec) != "" {
			continue
		}
		if a := inventory.AgeOf(ref, service.ObjectMeta); owner == (Name{}) || a.Before(oldest) {
			oldest, owner = a, name
		}
	}
	return owner
}

func (t *Translator) makePlan(r *graph.Reader, name Name) plan {
	p := plan{Home: t.effective.Get(r, name).Winner}
	if p.Home.Cluster == "" {
		return p
	}
	service, _ := t.inv.GlobalService(r, p.Home.Cluster, name.Namespace, name.Name)
	p.Spec = service.Spec
	if p.Message = invalid(p.Spec); p.Message != "" {
		p.Reason = reasonInvalid
		return p
	}
	if owner := t.owners.Get(r, p.Spec.Host); owner != name {
		p.Reason = v1alpha1.ReasonHostConflict
		p.Message = fmt.Sprintf("spec.host: %s belongs to the older GlobalService %s", p.Spec.Host, owner)
		return p
	}
	p.Guards = t.guards(r, p.Home, inventory.AgeOf(p.Home, service.ObjectMeta), p.Spec.Host)
	clusters := t.inv.Clusters(r)
	p.Absent = unknownClusters(p.Spec, clusters)
	for _, cluster := range clusters {
		found := provider{Cluster: cluster}
		selections := t.selected(r, cluster, name.Namespace, p.Spec.Services)
		p.Absent = append(p.Absent, emptySelectors(p.Spec.Services, cluster, selections)...)
		for _, s := range selections {
			if hidden := t.hidden(r, p.Home, cluster, s.service); hidden != "" {
				p.Hidden = append(p.Hidden, hidden)
				continue
			}
			b, problem := resolveBackend(s, p.Spec)
			if problem != "" {
				p.Unusable = append(p.Unusable, fmt.Sprintf("%s: Service %s/%s %s", cluster, s.service.Namespace, s.service.Name, problem))
				continue
			}
			found.Backends = append(found.Backends, b)
		}
		if len(found.Backends) > 0 {
			p.Providers = append(p.Providers, found)
		}
	}
	return p
}

// guards returns what keeps older objects from having the host of a home.
func (t *Translator) guards(r *graph.Reader, home inventory.Ref, age inventory.Age, host string) (found Guards) {
	for _, ref := range t.inv.GlobalServicesByHost(r, host) {
		name := Name{ref.Key.Namespace, ref.Key.Name}
		service, problem := t.inv.GlobalService(r, ref.Cluster, name.Namespace, name.Name)
		winner := t.effective.Get(r, name).Winner
		if problem == "" && ref != winner && winner != home && winner.Cluster != "" && inventory.AgeOf(ref, service.ObjectMeta).Before(age) {
			found.InForce = append(found.InForce, winner)
			found.Against = append(found.Against, ref.Cluster)
		}
	}
	return found
}

// unknownClusters says which clusters that a spec names are none of the clusters that can be seen.
func unknownClusters(spec v1alpha1.GlobalServiceSpec, clusters []string) (problems []string) {
	check := func(field string, names []string) {
		for i, name := range names {
			if name != "*" && !slices.Contains(clusters, name) {
				problems = append(problems, fmt.Sprintf("%s[%d]: there is no cluster %s, or it has not been seen", field, i, name))
			}
		}
	}
	for i, selector := range spec.Services {
		check(fmt.Sprintf("spec.services[%d].clusters", i), selector.Clusters)
	}
	check("spec.clientClusters", spec.ClientClusters)
	return problems
}

// emptySelectors says which selectors name a cluster and select nothing in it.
func emptySelectors(selectors []v1alpha1.ServiceSelector, cluster string, found []selection) (problems []string) {
	for i, selector := range selectors {
		if slices.Contains(selector.Clusters, cluster) && !slices.ContainsFunc(found, func(s selection) bool { return slices.Contains(s.selectors, i) }) {
			problems = append(problems, fmt.Sprintf("spec.services[%d]: selects no Service in %s, which its clusters name", i, cluster))
		}
	}
	return problems
}

// selection is a Service, and the indexes of the selectors that match it. It is subject to the first.
type selection struct {
	service   *corev1.Service
	selectors []int
}

// selected returns the Services of a cluster that any selector matches, sorted by namespace and name.
func (t *Translator) selected(r *graph.Reader, cluster, home string, selectors []v1alpha1.ServiceSelector) []selection {
	found := map[Name]selection{}
	add := func(service *corev1.Service, selector int) {
		if service == nil {
			return
		}
		name := Name{service.Namespace, service.Name}
		found[name] = selection{service, append(found[name].selectors, selector)}
	}
	for i, selector := range selectors {
		if len(selector.Clusters) > 0 && !slices.Contains(selector.Clusters, cluster) {
			continue
		}
		namespace := selector.Namespace
		if namespace == "" {
			namespace = home
		}
		if selector.Name != "" {
			add(t.inv.Service(r, cluster, namespace, selector.Name), i)
			continue
		}
		for _, ref := range t.inv.Services(r, cluster, namespace) {
			service := t.inv.Service(r, cluster, namespace, ref.Key.Name)
			if service != nil && resource.Selects(selector.Labels, service.Labels) {
				add(service, i)
			}
		}
	}
	services := slices.Collect(maps.Values(found))
	slices.SortFunc(services, func(a, b selection) int {
		return strings.Compare(a.service.Namespace+"/"+a.service.Name, b.service.Namespace+"/"+b.service.Name)
	})
	return services
}

// hidden says why a GlobalService does not see a Service; empty when it does.
func (t *Translator) hidden(r *graph.Reader, home inventory.Ref, cluster string, service *corev1.Service) string {
	place := workspace.Place{Cluster: cluster, Namespace: service.Namespace}
	verdict := t.spaces.Judge(r, workspace.Of(home), place, v1alpha1.ShareService)
	if verdict.Refused == "" {
		return ""
	}
	return fmt.Sprintf("Service %s: %s", service.Name, verdict.Refused)
}

// findClients returns the clusters that need the host, sorted.
func (t *Translator) findClients(r *graph.Reader, name Name) []string {
	p := t.plans.Get(r, name)
	needs := map[string]bool{}
	if p.Home.Cluster == "" {
		return nil
	}
	for _, provider := range p.Providers {
		needs[provider.Cluster] = true
	}
	for _, cluster := range t.inv.Clusters(r) {
		if slices.Contains(p.Spec.ClientClusters, cluster) || slices.Contains(p.Spec.ClientClusters, "*") ||
			!needs[cluster] && len(t.callingRoutes(r, at{name, cluster})) > 0 {
			needs[cluster] = true
		}
		if needs[cluster] && t.audiences.Get(r, at{name, cluster}).none() {
			delete(needs, cluster)
		}
	}
	return slices.Sorted(maps.Keys(needs))
}

// eastWest is one east-west gateway of a cluster.
type eastWest struct {
	Ref  inventory.Ref
	Spec internalv1.GatewayEndpointSpec
}

func (t *Translator) findGateways(r *graph.Reader, cluster string) []eastWest {
	var found []eastWest
	for _, endpoint := range t.inv.GatewayEndpoints(r, cluster) {
		spec := endpoint.Spec
		if spec.Port == 0 {
			spec.Port = internalv1.EastWestPort
		}
		if len(spec.Selector) == 0 {
			spec.Selector = map[string]string{"istio": "eastwestgateway"}
		}
		key := resource.Key{
			Group: resource.InternalGroup, Kind: internalv1.KindGatewayEndpoint,
			Namespace: endpoint.Namespace, Name: endpoint.Name,
		}
		found = append(found, eastWest{inventory.Ref{Cluster: cluster, Key: key}, spec})
	}
	return found
}
