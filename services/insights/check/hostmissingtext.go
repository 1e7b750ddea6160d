package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/schemas/istio"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/insights/fleet"
)

// What CFG0101 says of what it finds.

func (d *destination) sayHidden(f *Finding, hidden []istio.Claim[fleet.Ref]) {
	f.Summary = fmt.Sprintf("%s leads to %s, which its clients do not see: it is exported to other namespaces only", f.Target.Text(), d.name)
	for _, c := range hidden {
		path := "spec.exportTo"
		if c.Kind == istio.Service {
			path = "metadata.annotations[" + istio.ExportToAnnotation + "]"
		}
		f.Evidence = append(f.Evidence, insight.Evidence{
			Says: fmt.Sprintf("%s has the host, for %s", c.Object.Text(), c.Audience), Source: c.Object.Insight(), Field: path,
		})
		f.Also = append(f.Also, c.Object)
	}
	f.Evidence = append(f.Evidence, insight.Evidence{Says: "the proxies that use the route are those of " + d.clients.String(), Source: f.Target.Insight()})
	first := hidden[0].Object
	f.Remedy = []insight.Step{
		{Do: "Export " + first.Text() + " to the namespaces of the route's proxies.", Commands: []string{edit(first)}},
		{Do: "Or lead the route elsewhere.", Commands: []string{edit(f.Target)}},
	}
}

func (d *destination) sayElsewhere(f *Finding, elsewhere []istio.Claim[fleet.Ref]) {
	f.Severity = insight.Warning
	f.Summary = fmt.Sprintf("%s leads to %s, which only ServiceEntries of other clusters have", f.Target.Text(), d.name)
	for _, c := range elsewhere {
		f.Also = append(f.Also, c.Object)
		f.Evidence = append(f.Evidence, insight.Evidence{
			Says: c.Object.Text() + " has the host, for its own cluster alone", Source: c.Object.Insight(), Field: "spec.hosts", Value: d.host,
		})
	}
	first := elsewhere[0].Object
	f.Remedy = []insight.Step{
		{
			Do:       fmt.Sprintf("Make the ServiceEntry in %s too: look at that of %s.", f.Target.Cluster, first.Cluster),
			Commands: []string{kubectl(first, "get "+plural(first)+" "+first.Key.Name) + " -o yaml"},
		},
		{Do: "Or make a GlobalService with this host, which every cluster gets that calls it."},
	}
}

func (d *destination) sayCovered(f *Finding, covering []istio.Claim[fleet.Ref]) {
	first := covering[0]
	f.Summary = fmt.Sprintf("%s leads to %s, which only the wildcard %s of %s covers: Istio has no cluster for a host below a wildcard",
		f.Target.Text(), d.name, first.Host, first.Object.Text())
	for _, c := range covering {
		f.Also = append(f.Also, c.Object)
		f.Evidence = append(f.Evidence, insight.Evidence{
			Says: c.Object.Text() + " covers the host, without naming it", Source: c.Object.Insight(), Field: "spec.hosts", Value: c.Host,
		})
	}
	slices.SortFunc(f.Also, fleet.Ref.Compare)
	f.Also = slices.Compact(f.Also)
	f.Remedy = []insight.Step{
		{Do: "Name the host itself in a ServiceEntry, beside the wildcard.", Commands: []string{edit(first.Object)}},
		{Do: "Or lead the route elsewhere.", Commands: []string{edit(f.Target)}},
	}
}

func (d *destination) sayNowhere(r *fleet.Reader, f *Finding) {
	f.Summary = fmt.Sprintf("%s leads to %s, which no cluster of the fleet has", f.Target.Text(), d.name)
	says, instead := "no Service and no GlobalService of these clusters, and no ServiceEntry of "+f.Target.Cluster+", has this host", d.host
	switch {
	case d.global != "":
		says, instead = "none of these clusters has this GlobalService", d.global
	case d.isService():
		says = "no Service of these clusters, and no ServiceEntry of " + f.Target.Cluster + ", has this host"
	}
	f.Evidence = append(f.Evidence, insight.Evidence{
		Says: says + ": " + instead, Source: insight.Ref{Cluster: f.Target.Cluster}, Value: strings.Join(r.Expected(), ", "),
	})
	if full, ref, ok := d.meant(r); ok {
		f.Evidence = append(f.Evidence, insight.Evidence{
			Says: "a name with a dot counts as a whole host; that of " + ref.Text() + " is " + full, Source: ref.Insight(),
		})
		f.Also = []fleet.Ref{ref}
		f.Remedy = append(f.Remedy, insight.Step{Do: "Write the host in full: " + full + ".", Commands: []string{edit(f.Target)}})
		return
	}
	look := insight.Step{Do: "See whether the name is misspelt, or was removed with its application, and correct the route or take it away.", Commands: []string{edit(f.Target)}}
	if namespace, name, ok := resource.ServiceOf(d.host); ok {
		of := fleet.Ref{Cluster: f.Target.Cluster, Key: fleet.KeyOf(fleet.Services, namespace, name)}
		look.Commands = append([]string{kubectl(of, "get services")}, look.Commands...)
	}
	f.Remedy = append(f.Remedy, look, insight.Step{Do: "Or make what the route leads to: a Service, a ServiceEntry for a host outside of the mesh, or a GlobalService for one in other clusters."})
}

// meant finds the Service that somebody meant who wrote "name.namespace" or "name.namespace.svc".
func (d *destination) meant(r *fleet.Reader) (full string, ref fleet.Ref, ok bool) {
	parts := strings.Split(strings.TrimSuffix(d.host, ".svc"), ".")
	if d.global != "" || len(parts) != 2 {
		return "", fleet.Ref{}, false
	}
	full = resource.ServiceHost(parts[1], parts[0])
	found := slices.DeleteFunc(r.Find(fleet.ByFleetHost, "", full), func(ref fleet.Ref) bool { return ref.Key.Kind != "Service" })
	if len(found) == 0 {
		return "", fleet.Ref{}, false
	}
	return full, found[0], true
}

// unjudged is CFG0102: a route that leads to a host of which nobody can tell whether it exists. Those of a cluster are one finding.
func unjudged(subject fleet.Ref, d *destination, why string) Finding {
	cluster := fleet.Ref{Cluster: subject.Cluster}
	return Finding{
		Code: "CFG0102", Target: cluster,
		Summary: "routes of " + subject.Cluster + " lead to hosts that are nowhere to be seen, and may be where nobody can look at the moment",
		Case:    &insight.Evidence{Says: fmt.Sprintf("%s leads to %s: %s", subject.Text(), d.name, why), Source: subject.Insight()}, CasesSay: "cannot be judged",
		Remedy: []insight.Step{{
			Do:       "Let the agents of the clusters that are named run and read these kinds. Take a cluster that is gone for good out of the fleet.",
			Commands: []string{"meshweir cluster ls"},
		}},
	}
}
