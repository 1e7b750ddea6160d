// Package globalservice translates GlobalServices: one host for Services in
// many clusters.
//
// In each cluster that needs the host, a ServiceEntry names its endpoints: the
// cluster's own Services by their DNS names, and for the Services of another
// cluster the addresses of that cluster's east-west gateway. A DestinationRule
// beside it asks for mutual TLS, leaves out endpoints that fail, and prefers
// the client's own cluster, then clusters of its zone and of its region.
//
// In each cluster that others reach over its east-west gateway, a second
// ServiceEntry, which only the gateway sees, holds the cluster's own Services
// under a name of their own, and an Istio Gateway of the mode AUTO_PASSTHROUGH
// lets that name in. Clients put the name into the SNI. So a request never
// crosses two gateways, the Services behind a host may have different names in
// different clusters, and a cluster may have several.
//
// The Pods behind a GlobalService must be in the mesh, since they are called
// with mutual TLS. Any identity of the mesh may serve: the ServiceEntry names
// no subjects.
package globalservice

import (
	"slices"

	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/hold"
	"github.com/meshweir/meshweir/services/translator/inventory"
	"github.com/meshweir/meshweir/services/translator/output"
	"github.com/meshweir/meshweir/services/translator/workspace"
)

// Name names a GlobalService in the fleet.
type Name struct{ Namespace, Name string }

// String returns "namespace/name".
func (n Name) String() string { return n.Namespace + "/" + n.Name }

// Translator translates GlobalServices.
type Translator struct {
	inv        *inventory.Inventory
	hold       *hold.Hold
	effective  *graph.Query[Name, election]
	owners     *graph.Query[string, Name]
	plans      *graph.Query[Name, plan]
	clients    *graph.Query[Name, []string]
	gateways   *graph.Query[string, []eastWest]
	namespaces *graph.Query[at, string]
	reach      *graph.Query[at, Reach]
	names      *graph.Query[struct{}, []Name]
	needs      *graph.Query[string, []string]
	spaces     *workspace.Spaces
	audiences  *graph.Query[at, audience]
	ingress    func(r *graph.Reader, cluster string) []string
}

// at is a GlobalService in one of the clusters that use it.
type at struct {
	Name
	Cluster string
}

// New returns a Translator.
func New(g *graph.Graph, inv *inventory.Inventory, h *hold.Hold, spaces *workspace.Spaces) *Translator {
	t := &Translator{inv: inv, hold: h, spaces: spaces, ingress: func(*graph.Reader, string) []string { return nil }}
	t.audiences = graph.NewQuery(g, "audience of a global service", t.findAudience, graph.DeepEqual[audience])
	t.effective = graph.NewQuery(g, "global service in force", t.elect, graph.DeepEqual[election])
	t.owners = graph.NewQuery(g, "owner of a global host", t.findOwner, func(a, b Name) bool { return a == b })
	t.plans = graph.NewQuery(g, "global service plan", t.makePlan, graph.DeepEqual[plan])
	t.clients = graph.NewQuery(g, "global service clients", t.findClients, slices.Equal[[]string])
	t.gateways = graph.NewQuery(g, "east-west gateways", t.findGateways, graph.DeepEqual[[]eastWest])
	t.namespaces = graph.NewQuery(g, "global service namespace", t.findNamespace, func(a, b string) bool { return a == b })
	t.reach = graph.NewQuery(g, "global service reach", t.findReach, graph.DeepEqual[Reach])
	t.names = graph.NewQuery(g, "global service names", t.listNames, slices.Equal[[]Name])
	t.needs = graph.NewQuery(g, "east-west needs", t.findNeeds, slices.Equal[[]string])
	return t
}

// Reach says what a GlobalService is to the routes of one cluster.
type Reach struct {
	// Home is the object in force; its cluster is empty when there is none.
	Home inventory.Ref
	// Guards keep older objects from having the host.
	Guards Guards
	// Host is the host to send requests to; empty when it does not exist in the cluster.
	Host string
	// Ports are the ports of the host.
	Ports []v1alpha1.GlobalServicePort
	// Problem says why Host is empty.
	Problem string
}

// Reach says what a GlobalService is to the routes of a cluster.
func (t *Translator) Reach(r *graph.Reader, cluster string, name Name) Reach {
	return t.reach.Get(r, at{name, cluster})
}

func (t *Translator) findReach(r *graph.Reader, a at) Reach {
	p := t.plans.Get(r, a.Name)
	if p.Home.Cluster == "" {
		return Reach{Problem: t.whyNone(r, a.Name)}
	}
	if p.Reason != "" {
		return Reach{Home: p.Home, Problem: "is not accepted: " + p.Message}
	}
	reach := Reach{Home: p.Home, Guards: p.Guards, Ports: p.Spec.Ports}
	// While a cluster behind it is missing, what is held serves the host.
	if len(t.endpoints(r, p, a.Cluster)) == 0 && len(t.heldIn(r, a)) == 0 {
		reach.Problem = "has no Service that " + a.Cluster + " can reach"
		return reach
	}
	reach.Host = p.Spec.Host
	return reach
}

// whyNone says why no GlobalService of a name is in force.
func (t *Translator) whyNone(r *graph.Reader, name Name) string {
	e := t.effective.Get(r, name)
	switch {
	case e.Unseen != "":
		return "is in cluster " + e.Unseen + ", which is not seen now"
	case len(e.All) > 0:
		ref := e.All[0]
		_, problem := t.inv.GlobalService(r, ref.Cluster, name.Namespace, name.Name)
		return "in cluster " + ref.Cluster + " cannot be read: " + problem
	}
	return "does not exist in any cluster"
}

// heldIn returns the namespaces of a cluster in which a ServiceEntry of the GlobalService is held.
func (t *Translator) heldIn(r *graph.Reader, a at) []string {
	return t.hold.Namespaces(r, a.Cluster, kindEntry, entryName(a))
}

// Translate returns what a GlobalService makes of itself: the objects of all
// clusters, and the status of every object of that namespace and name.
func (t *Translator) Translate(r *graph.Reader, name Name) (objects, statuses output.Set) {
	objects, statuses = output.Set{}, output.Set{}
	p := t.plans.Get(r, name)
	if p.Home.Cluster != "" && p.Reason == "" {
		for _, cluster := range t.clients.Get(r, name) {
			t.addClientSide(r, objects, p, at{name, cluster})
		}
		for _, provider := range p.Providers {
			t.addServerSide(r, objects, p, provider)
		}
	}
	t.addStatuses(r, statuses, p, name, objects)
	return objects, statuses
}
