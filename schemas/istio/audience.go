package istio

import (
	"slices"
	"strings"
)

// ExportToAnnotation says on a Service, separated by commas, what spec.exportTo says on others.
const ExportToAnnotation = "networking.istio.io/exportTo"

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
