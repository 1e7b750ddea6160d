package check

import (
	"fmt"
	"strings"

	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/schemas/istio"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/insights/fleet"
)

// hostMissing is CFG0101, and CFG0102 on its way. What Meshweir wrote is judged by the routes that it was made from.
func hostMissing(r *fleet.Reader, subject fleet.Ref, _ Settings) Result {
	var result Result
	for _, d := range destinations(r, subject) {
		finding, doubt := d.judge(r, subject)
		switch {
		case doubt != "":
			result.Doubts = append(result.Doubts, Doubt{Target: subject, Detail: d.detail(), Why: doubt})
			if len(result.Doubts) == 1 {
				result.Found = append(result.Found, unjudged(subject, d, doubt))
			}
		case finding != nil:
			result.Found = append(result.Found, *finding)
		}
	}
	return result
}

// destination is a host, or a GlobalService, that a subject leads to, at one or more fields.
type destination struct {
	// name is what a text calls it.
	name string
	// host is the full host; empty for a GlobalService, whose namespace/name is global.
	host, global string
	fields       []field
	// clients are who must see the host.
	clients istio.Audience
}

// field is one field that names a destination, and what stands there.
type field struct{ path, value string }

// detail tells the destinations of a subject apart.
func (d *destination) detail() string {
	if d.global != "" {
		return "GlobalService/" + d.global
	}
	return d.host
}

func (d *destination) isService() bool {
	_, _, ok := resource.ServiceOf(d.host)
	return ok
}

// destinations returns where the subject leads, each once, in the order of its fields.
func destinations(r *fleet.Reader, subject fleet.Ref) []*destination {
	var all []*destination
	byName := map[string]*destination{}
	add := func(d destination, at field) {
		known := byName[d.detail()]
		if known == nil {
			known = &d
			byName[d.detail()] = known
			all = append(all, known)
		}
		known.fields = append(known.fields, at)
	}
	if subject.Key.Kind == "VirtualService" {
		v := fleet.Get[fleet.VirtualService](r, subject)
		if v == nil || v.Managed() {
			return nil
		}
		legs(v, func(host, path string) {
			add(destination{name: host, host: resource.FullHost(host, subject.Key.Namespace)}, field{path, host})
		})
		if len(all) > 0 {
			to := clients(r, subject, v, defaultsOf(r, subject.Cluster))
			for _, d := range all {
				d.clients = to
			}
		}
		return all
	}
	if route := fleet.Get[fleet.Route](r, subject); route != nil {
		backends(route, func(b fleet.Backend, path string) {
			if d, ok := backend(b, subject.Key.Namespace); ok {
				add(d, field{path, b.Name})
			}
		})
	}
	return all
}

// legs calls add for each destination of a VirtualService.
func legs(v *fleet.VirtualService, add func(host, path string)) {
	named := func(host, path string) {
		if host != "" { // which Istio refuses
			add(host, path)
		}
	}
	each := func(kind string, i int, legs []fleet.Leg) {
		for j, leg := range legs {
			named(leg.Destination.Host, fmt.Sprintf("spec.%s[%d].route[%d].destination.host", kind, i, j))
		}
	}
	for i, h := range v.Spec.HTTP {
		each("http", i, h.Route)
		if h.Mirror != nil {
			named(h.Mirror.Host, fmt.Sprintf("spec.http[%d].mirror.host", i))
		}
		for j, m := range h.Mirrors {
			named(m.Destination.Host, fmt.Sprintf("spec.http[%d].mirrors[%d].destination.host", i, j))
		}
	}
	for i, t := range v.Spec.TLS {
		each("tls", i, t.Route)
	}
	for i, t := range v.Spec.TCP {
		each("tcp", i, t.Route)
	}
}

func backends(route *fleet.Route, add func(b fleet.Backend, path string)) {
	for i, rule := range route.Spec.Rules {
		for j, b := range rule.BackendRefs {
			add(b, fmt.Sprintf("spec.rules[%d].backendRefs[%d].name", i, j))
		}
		for j, f := range rule.Filters {
			if f.RequestMirror != nil {
				add(f.RequestMirror.BackendRef, fmt.Sprintf("spec.rules[%d].filters[%d].requestMirror.backendRef.name", i, j))
			}
		}
	}
}

// backend reads a backendRef. ok is false for kinds of which a snapshot does not tell whether they exist.
func backend(b fleet.Backend, namespace string) (d destination, ok bool) {
	group, kind := "", "Service"
	if b.Group != nil {
		group = *b.Group
	}
	if b.Kind != nil {
		kind = *b.Kind
	}
	if b.Namespace != nil {
		namespace = *b.Namespace
	}
	anybody := istio.Audience{All: true}
	switch {
	case group == "" && kind == "Service":
		return destination{name: serviceName(namespace, b.Name), host: resource.ServiceHost(namespace, b.Name), clients: anybody}, true
	case group == "networking.istio.io" && kind == "Hostname":
		return destination{name: b.Name, host: b.Name, clients: anybody}, true
	case group == resource.Group && kind == "GlobalService":
		return destination{name: "GlobalService " + namespace + "/" + b.Name, global: namespace + "/" + b.Name}, true
	default:
		return destination{}, false
	}
}

// serviceName names a Service in a text.
func serviceName(namespace, name string) string { return "Service " + namespace + "/" + name }

// judge returns a finding, or why it cannot be made or denied, or neither: the destination exists.
func (d *destination) judge(r *fleet.Reader, subject fleet.Ref) (finding *Finding, doubt string) {
	var hidden, elsewhere []fleet.Ref
	if d.global != "" {
		if len(r.Find(fleet.ByFleetName, "", d.global)) > 0 {
			return nil, ""
		}
	} else {
		var exists bool
		if hidden, exists = d.here(r, subject.Cluster); exists {
			return nil, ""
		}
		for _, ref := range r.Find(fleet.ByFleetHost, "", d.host) {
			switch {
			case ref.Key.Kind == "ServiceEntry" && ref.Cluster != subject.Cluster:
				elsewhere = append(elsewhere, ref)
			case ref.Key.Kind == "GlobalService", ref.Key.Kind == "Service" && ref.Cluster != subject.Cluster:
				return nil, ""
			}
		}
	}
	kind := fleet.GlobalServices
	if d.isService() {
		kind = fleet.Services
	}
	if d.global == "" {
		if why := r.Unknown(subject.Cluster, fleet.Services, fleet.ServiceEntries); why != "" {
			return nil, why
		}
	}
	looked := r.Expected()
	for _, cluster := range looked {
		if why := r.Unknown(cluster, kind); why != "" {
			return nil, why
		}
	}
	f := &Finding{Target: subject, Detail: d.detail()}
	for _, at := range d.fields {
		f.Evidence = append(f.Evidence, insight.Evidence{Says: "the route leads there", Source: subject.Insight(), Field: at.path, Value: at.value})
	}
	switch {
	case len(hidden) > 0:
		d.sayHidden(r, f, hidden)
	case len(elsewhere) > 0:
		d.sayElsewhere(f, elsewhere)
	default:
		if covering := d.wildcards(r, subject.Cluster); len(covering) > 0 {
			d.sayCovered(f, covering)
		} else {
			d.sayNowhere(r, f, looked)
		}
	}
	return f, ""
}

// here looks for the host in the cluster of the route: whether it is there to be seen, or what hides it. From a sidecar of its own namespace that
// a route leads there, nothing hides it (pilot/pkg/model/sidecar.go).
func (d *destination) here(r *fleet.Reader, cluster string) (hidden []fleet.Ref, exists bool) {
	for _, ref := range r.Find(fleet.ByHost, cluster, d.host) {
		own := istio.Audience{Names: []string{ref.Key.Namespace}}
		if audienceOf(r, ref).Meets(d.clients) || d.clients.Sidecars && own.Meets(d.clients) {
			return nil, true
		}
		hidden = append(hidden, ref)
	}
	return hidden, false
}

// wildcard is a host of a ServiceEntry.
type wildcard struct {
	ref  fleet.Ref
	host string
}

// wildcards are those in the cluster of the route that cover the host, to be seen. Istio names the cluster of a route after the route's host, and makes one
// for the wildcard alone (pilot/pkg/networking/core/route, GetDestinationCluster): so they do not make it exist.
func (d *destination) wildcards(r *fleet.Reader, cluster string) []wildcard {
	var found []wildcard
	for rest := strings.TrimPrefix(d.host, "*."); ; {
		_, parent, ok := strings.Cut(rest, ".")
		if !ok {
			return found
		}
		for _, ref := range r.Find(fleet.ByHost, cluster, "*."+parent) {
			if audienceOf(r, ref).Meets(d.clients) {
				found = append(found, wildcard{ref, "*." + parent})
			}
		}
		rest = parent
	}
}

// audienceOf says where a Service or ServiceEntry is visible.
func audienceOf(r *fleet.Reader, ref fleet.Ref) istio.Audience {
	var exportTo []string
	if s := fleet.Get[fleet.ServiceEntry](r, ref); s != nil {
		exportTo = s.Spec.ExportTo
	} else if s := fleet.Get[fleet.Plain](r, ref); s != nil && s.Annotations[istio.ExportToAnnotation] != "" {
		exportTo = strings.Split(s.Annotations[istio.ExportToAnnotation], ",")
	}
	return istio.Exported(exportTo, defaultsOf(r, ref.Cluster).services, ref.Key.Namespace)
}
