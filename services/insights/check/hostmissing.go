package check

import (
	"fmt"

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
		legs(v, func(to fleet.Destination, path string) {
			add(destination{name: to.Host, host: resource.FullHost(to.Host, subject.Key.Namespace)}, field{path + ".host", to.Host})
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
		backends(route, func(b fleet.Reference, path string) {
			if d, ok := backend(b, subject.Key.Namespace); ok {
				add(d, field{path, b.Name})
			}
		})
	}
	return all
}

// legs calls add for each destination of a VirtualService, and its field.
func legs(v *fleet.VirtualService, add func(to fleet.Destination, path string)) {
	named := func(to fleet.Destination, path string) {
		if to.Host != "" { // which Istio refuses
			add(to, path)
		}
	}
	each := func(kind string, i int, legs []fleet.Leg) {
		for j, leg := range legs {
			named(leg.Destination, fmt.Sprintf("spec.%s[%d].route[%d].destination", kind, i, j))
		}
	}
	for i, h := range v.Spec.HTTP {
		each("http", i, h.Route)
		if h.Mirror != nil {
			named(*h.Mirror, fmt.Sprintf("spec.http[%d].mirror", i))
		}
		for j, m := range h.Mirrors {
			named(m.Destination, fmt.Sprintf("spec.http[%d].mirrors[%d].destination", i, j))
		}
	}
	for i, t := range v.Spec.TLS {
		each("tls", i, t.Route)
	}
	for i, t := range v.Spec.TCP {
		each("tcp", i, t.Route)
	}
}

func backends(route *fleet.Route, add func(b fleet.Reference, path string)) {
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
func backend(b fleet.Reference, namespace string) (d destination, ok bool) {
	key := b.Key(resource.Key{Kind: "Service", Namespace: namespace})
	anybody := istio.Audience{All: true}
	switch fleet.KindOf(key) {
	case fleet.Services:
		return destination{name: serviceName(key.Namespace, key.Name), host: resource.ServiceHost(key.Namespace, key.Name), clients: anybody}, true
	case "Hostname.networking.istio.io":
		return destination{name: key.Name, host: key.Name, clients: anybody}, true
	case fleet.GlobalServices:
		return destination{name: "GlobalService " + fleet.Path(key), global: fleet.Path(key)}, true
	default:
		return destination{}, false
	}
}

// serviceName names a Service in a text.
func serviceName(namespace, name string) string { return "Service " + namespace + "/" + name }

// judge returns a finding, or why it cannot be made or denied, or neither: the destination exists.
func (d *destination) judge(r *fleet.Reader, subject fleet.Ref) (finding *Finding, doubt string) {
	hosts := hosts{r, subject.Cluster}
	var found istio.Resolution[fleet.Ref]
	if d.global == "" {
		found = istio.Resolve(hosts, subject.Cluster, d.host, d.clients)
	} else if len(r.Find(fleet.ByFleetName, "", d.global)) == 0 {
		found.Verdict = istio.Nowhere
		if found.Why = hosts.Unknown("", istio.GlobalService); found.Why != "" {
			found.Verdict = istio.Unknown
		}
	}
	if found.Verdict == istio.Exists || found.Verdict == istio.Unknown {
		return nil, found.Why
	}
	f := &Finding{Target: subject, Detail: d.detail()}
	for _, at := range d.fields {
		f.Evidence = append(f.Evidence, insight.Evidence{Says: "the route leads there", Source: subject.Insight(), Field: at.path, Value: at.value})
	}
	switch found.Verdict {
	case istio.Hidden:
		d.sayHidden(f, found.Others)
	case istio.Elsewhere:
		d.sayElsewhere(f, found.Others)
	case istio.Covered:
		d.sayCovered(f, found.Others)
	default:
		d.sayNowhere(r, f)
	}
	return f, ""
}

// hosts are the hosts of a fleet, as they are looked for from a cluster.
type hosts struct {
	r       *fleet.Reader
	cluster string
}

// Here implements istio.Fleet.
func (h hosts) Here(host string) []istio.Claim[fleet.Ref] {
	var claims []istio.Claim[fleet.Ref]
	for _, ref := range h.r.Find(fleet.ByHost, h.cluster, host) {
		c := claim(ref)
		c.Audience = audienceOf(h.r, ref)
		claims = append(claims, c)
	}
	return claims
}

// Everywhere implements istio.Fleet.
func (h hosts) Everywhere(host string) []istio.Claim[fleet.Ref] {
	var claims []istio.Claim[fleet.Ref]
	for _, ref := range h.r.Find(fleet.ByFleetHost, "", host) {
		claims = append(claims, claim(ref))
	}
	return claims
}

func claim(ref fleet.Ref) istio.Claim[fleet.Ref] {
	return istio.Claim[fleet.Ref]{Object: ref, Kind: istio.Kind(fleet.KindOf(ref.Key)), Cluster: ref.Cluster, Namespace: ref.Key.Namespace}
}

// Unknown implements istio.Fleet.
func (h hosts) Unknown(cluster string, kinds ...istio.Kind) string {
	inputs := make([]fleet.Input, len(kinds))
	for i, kind := range kinds {
		inputs[i] = fleet.Input(kind)
	}
	if cluster != "" {
		return h.r.Unknown(cluster, inputs...)
	}
	for _, expected := range h.r.Expected() {
		if why := h.r.Unknown(expected, inputs...); why != "" {
			return why
		}
	}
	return ""
}

// audienceOf says where a Service or ServiceEntry is visible.
func audienceOf(r *fleet.Reader, ref fleet.Ref) istio.Audience {
	var exportTo []string
	if s := fleet.Get[fleet.ServiceEntry](r, ref); s != nil {
		exportTo = s.Spec.ExportTo
	} else if s := fleet.Get[fleet.Plain](r, ref); s != nil {
		exportTo = istio.AnnotatedExportTo(s.Annotations)
	}
	return istio.Exported(exportTo, defaultsOf(r, ref.Cluster).services, ref.Key.Namespace)
}
