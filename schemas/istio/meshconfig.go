package istio

import (
	"cmp"
	"slices"
	"strings"
)

// DefaultRootNamespace is the root namespace of a mesh whose configuration names none.
const DefaultRootNamespace = "istio-system"

// MeshConfigField is the field of a ConfigMap's data that holds a mesh configuration, as YAML.
const MeshConfigField = "mesh"

// meshConfigName is what the ConfigMap is called that holds the configuration of Istio's default revision.
const meshConfigName = "istio"

// MeshConfig is what the mesh configuration of one revision of Istio says to the rules of this package.
type MeshConfig struct {
	// Namespace and Name are those of the ConfigMap.
	Namespace string `json:"-"`
	Name      string `json:"-"`
	// RootNamespace is where policies are for the whole mesh; empty for [DefaultRootNamespace].
	RootNamespace string `json:"rootNamespace,omitempty"`
	// The defaults say who sees objects without an exportTo; none means every namespace.
	DefaultServiceExportTo         []string `json:"defaultServiceExportTo,omitempty"`
	DefaultVirtualServiceExportTo  []string `json:"defaultVirtualServiceExportTo,omitempty"`
	DefaultDestinationRuleExportTo []string `json:"defaultDestinationRuleExportTo,omitempty"`
}

// IsMeshConfig reports whether a ConfigMap holds the mesh configuration of a revision: "istio", or "istio-<revision>", with a text
// in its [MeshConfigField]. Any other may have that field, and parameters of a Gateway may have that name.
func IsMeshConfig[V any](name string, data map[string]V) bool {
	value, there := data[MeshConfigField]
	_, text := any(value).(string)
	return there && text && (name == meshConfigName || strings.HasPrefix(name, meshConfigName+"-"))
}

// RootNamespace returns the root namespace of a cluster with these mesh configurations. Istio's revisions share one; where they do not, that
// counts which is named by the default revision, or by the first by name.
func RootNamespace(configs []MeshConfig) string {
	named := slices.DeleteFunc(slices.Clone(configs), func(c MeshConfig) bool { return c.RootNamespace == "" })
	if len(named) == 0 {
		return DefaultRootNamespace
	}
	return slices.MinFunc(named, func(a, b MeshConfig) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Namespace, b.Namespace))
	}).RootNamespace
}

// DefaultExportTo returns what mesh configurations say of objects without an exportTo, by a field of them. Of several revisions, the widest counts.
func DefaultExportTo(configs []MeshConfig, field func(MeshConfig) []string) []string {
	var all []string
	for _, c := range configs {
		list := field(c)
		if len(list) == 0 {
			return nil
		}
		all = append(all, list...)
	}
	return all
}
