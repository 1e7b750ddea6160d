package istio

import (
	"slices"
	"strings"
)

// ExportToAnnotation says on a Service, separated by commas, what spec.exportTo says on others.
const ExportToAnnotation = "networking.istio.io/exportTo"

// AnnotatedExportTo returns the exportTo of a Service with annotations; nil for one that says nothing.
func AnnotatedExportTo(annotations map[string]string) []string {
	if annotations[ExportToAnnotation] == "" {
		return nil
	}
	return strings.Split(annotations[ExportToAnnotation], ",")
}

// Audience is a set of namespaces.
type Audience struct {
	// All says that it is every namespace.
	All bool
	// Names are the namespaces, where it is not every one.
	Names []string
	// Sidecars says that it is of sidecars, not of gateways alone.
	Sidecars bool
}

// Exported reads an exportTo of an object in a namespace; fallback is used where it is empty.
func Exported(exportTo, fallback []string, namespace string) Audience {
	if len(exportTo) == 0 {
		exportTo = fallback
	}
	if len(exportTo) == 0 {
		return Audience{All: true}
	}
	var a Audience
	for _, to := range exportTo {
		switch to = strings.TrimSpace(to); to {
		case "*":
			a.All = true
		case ".":
			a.Names = append(a.Names, namespace)
		case "~":
		default:
			a.Names = append(a.Names, to)
		}
	}
	return a
}

// Meets reports whether some namespace is in both.
func (a Audience) Meets(o Audience) bool {
	switch {
	case a.All:
		return o.All || len(o.Names) > 0
	case o.All:
		return len(a.Names) > 0
	default:
		return slices.ContainsFunc(a.Names, func(name string) bool { return slices.Contains(o.Names, name) })
	}
}

// String lists the namespaces.
func (a Audience) String() string {
	switch {
	case a.All:
		return "every namespace"
	case len(a.Names) == 0:
		return "no namespace"
	default:
		return "namespace " + strings.Join(a.Names, ", ")
	}
}

// Clients are the namespaces of the proxies that a VirtualService of a namespace is for: those of sidecars that see it, or those of the
// Gateways that it names and of their proxies. It sees to sidecars where it names them, or no Gateway.
func Clients(gateways []string, exported Audience, namespace string, proxies func(namespace, gateway string) []string) Audience {
	if len(gateways) == 0 || slices.Contains(gateways, Mesh) {
		exported.Sidecars = true
		return exported
	}
	var a Audience
	for _, written := range gateways {
		in, name, _ := Gateway(written, namespace)
		a.Names = append(append(a.Names, in), proxies(in, name)...)
	}
	return a
}
