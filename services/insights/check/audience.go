package check

import (
	"cmp"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/services/insights/fleet"
)

// exportToAnnotation says on a Service what spec.exportTo says on others.
const exportToAnnotation = "networking.istio.io/exportTo"

// audience is a set of namespaces.
type audience struct {
	all   bool
	names []string
	// sidecars says that it is of sidecars, not of gateways alone.
	sidecars bool
}

// exported reads an exportTo of an object in a namespace; fallback is used where it is empty.
func exported(exportTo, fallback []string, namespace string) audience {
	if len(exportTo) == 0 {
		exportTo = fallback
	}
	if len(exportTo) == 0 {
		return audience{all: true}
	}
	var a audience
	for _, to := range exportTo {
		switch to = strings.TrimSpace(to); to {
		case "*":
			a.all = true
		case ".":
			a.names = append(a.names, namespace)
		case "~":
		default:
			a.names = append(a.names, to)
		}
	}
	return a
}

// meets reports whether some namespace is in both.
func (a audience) meets(o audience) bool {
	switch {
	case a.all:
		return o.all || len(o.names) > 0
	case o.all:
		return len(a.names) > 0
	default:
		return slices.ContainsFunc(a.names, func(name string) bool { return slices.Contains(o.names, name) })
	}
}

// String lists the namespaces.
func (a audience) String() string {
	switch {
	case a.all:
		return "every namespace"
	case len(a.names) == 0:
		return "no namespace"
	default:
		return "namespace " + strings.Join(a.names, ", ")
	}
}

// defaults are what the mesh configurations of a cluster say of objects without exportTo. Of several revisions, the widest counts.
type defaults struct {
	services, virtualServices []string
	root                      string
}

func defaultsOf(r *fleet.Reader, cluster string) defaults {
	d := defaults{}
	var services, virtualServices [][]string
	for _, ref := range r.Find(fleet.ByCluster, cluster, "") {
		if c := fleet.Get[fleet.MeshConfig](r, ref); c != nil {
			services, virtualServices = append(services, c.DefaultServiceExportTo), append(virtualServices, c.DefaultVirtualServiceExportTo)
			d.root = cmp.Or(d.root, c.RootNamespace)
		}
	}
	d.services, d.virtualServices, d.root = widest(services), widest(virtualServices), cmp.Or(d.root, "istio-system")
	return d
}

func widest(lists [][]string) []string {
	var all []string
	for _, list := range lists {
		if len(list) == 0 {
			return nil
		}
		all = append(all, list...)
	}
	return all
}

// clients are the namespaces of the proxies that a VirtualService is for.
func clients(r *fleet.Reader, ref fleet.Ref, v *fleet.VirtualService, d defaults) audience {
	to := exported(v.Spec.ExportTo, d.virtualServices, ref.Key.Namespace)
	if len(v.Spec.Gateways) == 0 || slices.Contains(v.Spec.Gateways, "mesh") {
		to.sidecars = true
		return to
	}
	var a audience
	for _, name := range v.Spec.Gateways {
		namespace, name, ok := strings.Cut(name, "/")
		if !ok {
			namespace, name = ref.Key.Namespace, namespace
		}
		at := ref.Ref(fleet.IstioGateways, namespace, name)
		a.names = append(a.names, namespace)
		if g := fleet.Get[fleet.Gateway](r, at); g != nil {
			for _, proxy := range proxies(r, ref.Cluster, g.Spec.Selector) {
				a.names = append(a.names, proxy.Key.Namespace)
			}
		}
	}
	return a
}

// proxies are the workloads of a cluster that a Gateway's selector selects; none for an empty selector.
func proxies(r *fleet.Reader, cluster string, selector map[string]string) []fleet.Ref {
	var found []fleet.Ref
	for _, k := range sortedKeys(selector) {
		found = r.Find(fleet.ByLabel, cluster, k+"="+selector[k])
		break
	}
	return slices.DeleteFunc(found, func(ref fleet.Ref) bool {
		w := fleet.Get[fleet.Workload](r, ref)
		return w == nil || !matches(selector, w.Spec.Template.Labels)
	})
}

func matches(selector, labels map[string]string) bool {
	for k, v := range selector {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}
