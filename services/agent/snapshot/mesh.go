package snapshot

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/schemas/istio"
	"github.com/meshweir/meshweir/schemas/resource"
)

// Names of Istio's that decide what is taken.
const (
	rootCertificates = "istio-ca-root-cert"
	networkLabel     = "topology.istio.io/network"
)

// mesh is what one revision of Istio says about the namespaces it looks at.
type mesh struct {
	rootNamespace string // empty for the default
	// selectors are Istio's discoverySelectors: a namespace that one of them matches is looked at. None means all.
	selectors []labels.Selector
}

// reduceConfigMap leaves Istio's mesh configuration to a ConfigMap that holds one, once it can be read.
func reduceConfigMap(object map[string]any, key resource.Key) error {
	data, _ := object["data"].(map[string]any)
	if !istio.IsMeshConfig(key.Name, data) {
		return nil
	}
	if _, err := parseMesh(data); err != nil {
		return err
	}
	object["data"] = newTree([]string{istio.MeshConfigField, "meshNetworks"}).keep(data)
	return nil
}

func parseMesh(data map[string]any) (mesh, error) {
	text, _ := data[istio.MeshConfigField].(string)
	var config struct {
		RootNamespace      string                  `json:"rootNamespace"`
		DiscoverySelectors []*metav1.LabelSelector `json:"discoverySelectors"`
	}
	if yaml.Unmarshal([]byte(text), &config) != nil { // its error quotes what it read
		return mesh{}, errors.New("data.mesh, Istio's mesh configuration, is not valid: correct it, Istio cannot read it either")
	}
	m := mesh{rootNamespace: config.RootNamespace}
	for i, s := range config.DiscoverySelectors {
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil {
			return mesh{}, fmt.Errorf("discoverySelectors[%d] of data.mesh is not a valid label selector: correct it, Istio cannot read it either", i)
		}
		m.selectors = append(m.selectors, selector)
	}
	return m, nil
}

// selects reports whether Istio looks at a namespace. Its root namespace always counts.
func (m mesh) selects(namespace string, of labels.Set) bool {
	return len(m.selectors) == 0 || namespace == cmp.Or(m.rootNamespace, istio.DefaultRootNamespace) ||
		slices.ContainsFunc(m.selectors, func(s labels.Selector) bool { return s.Matches(of) })
}

// selected reports whether any revision of Istio looks at a namespace. A
// cluster without Istio, or whose configuration is not known, drops nothing.
func selected(meshes map[resource.Key]mesh, namespace string, of labels.Set) bool {
	for _, m := range meshes {
		if m.selects(namespace, of) {
			return true
		}
	}
	return len(meshes) == 0
}
