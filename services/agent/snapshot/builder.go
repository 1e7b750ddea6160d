package snapshot

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/meshweir/meshweir/schemas/istio"
	"github.com/meshweir/meshweir/schemas/resource"
)

// Builder makes a cluster's snapshot from its reduced objects. It applies the
// rules that concern several objects at once, and says after each update what
// of the snapshot changed. It is not safe for concurrent use.
type Builder struct {
	objects map[resource.Key][]byte
	// byNamespace indexes the keys of objects.
	byNamespace map[string]map[resource.Key]struct{}
	// shown is the snapshot; kinds counts it.
	shown map[resource.Key][]byte
	kinds map[string]int

	namespaces map[string]labels.Set
	// dropped are the namespaces that Istio ignores.
	dropped map[string]bool
	meshes  map[resource.Key]mesh
	// parameters holds the ConfigMap that each Gateway takes parameters from; named counts the Gateways of each ConfigMap.
	parameters map[resource.Key]resource.Key
	named      map[resource.Key]int
	nodes      map[string]map[string]string
	// eastWest holds the Services at which other networks reach this cluster.
	eastWest map[resource.Key]*corev1.Service
	// computed holds the keys of the internal objects in the snapshot that are computed from several others.
	computed map[resource.Key]struct{}
}

// NewBuilder returns the Builder of a cluster of which nothing is known.
func NewBuilder() *Builder {
	return &Builder{
		objects: map[resource.Key][]byte{}, byNamespace: map[string]map[resource.Key]struct{}{}, shown: map[resource.Key][]byte{}, kinds: map[string]int{},
		namespaces: map[string]labels.Set{}, dropped: map[string]bool{}, meshes: map[resource.Key]mesh{},
		parameters: map[resource.Key]resource.Key{}, named: map[resource.Key]int{},
		nodes: map[string]map[string]string{}, eastWest: map[resource.Key]*corev1.Service{}, computed: map[resource.Key]struct{}{},
	}
}

// Changes is what an update did to the snapshot, sorted by key.
type Changes struct {
	Set     []Object
	Deleted []resource.Key
}

// Update takes objects that were deleted, and then objects that were set.
func (b *Builder) Update(set []Object, deleted []resource.Key) Changes {
	touched := map[resource.Key]struct{}{}
	for _, key := range deleted {
		b.forget(key, touched)
	}
	for _, object := range set {
		b.learn(object, touched)
	}
	b.reselect(touched)

	var changes Changes
	for key := range touched {
		changes.add(b, key, b.visible(key))
	}
	for key, value := range b.compute() {
		changes.add(b, key, value)
	}
	slices.SortFunc(changes.Set, func(x, y Object) int { return cmp.Compare(x.Key.String(), y.Key.String()) })
	slices.SortFunc(changes.Deleted, func(x, y resource.Key) int { return cmp.Compare(x.String(), y.String()) })
	return changes
}

// add notes that a key of the snapshot should have a value, nil meaning none.
func (c *Changes) add(b *Builder, key resource.Key, value []byte) {
	old, was := b.shown[key]
	switch {
	case value == nil && was:
		delete(b.shown, key)
		b.count(key, -1)
		c.Deleted = append(c.Deleted, key)
	case value != nil && !bytes.Equal(old, value):
		b.shown[key] = value
		if !was {
			b.count(key, 1)
		}
		c.Set = append(c.Set, Object{Key: key, Value: value})
	}
}

// Len returns the number of objects in the snapshot.
func (b *Builder) Len() int { return len(b.shown) }

// Kinds counts the snapshot's objects by "Kind[.group]".
func (b *Builder) Kinds() map[string]int { return maps.Clone(b.kinds) }

func (b *Builder) count(key resource.Key, n int) {
	kind := key.Kind
	if key.Group != "" {
		kind += "." + key.Group
	}
	b.kinds[kind] += n
	if b.kinds[kind] == 0 {
		delete(b.kinds, kind)
	}
}

func (b *Builder) forget(key resource.Key, touched map[resource.Key]struct{}) {
	delete(b.objects, key)
	delete(b.byNamespace[key.Namespace], key)
	if len(b.byNamespace[key.Namespace]) == 0 {
		delete(b.byNamespace, key.Namespace)
	}
	touched[key] = struct{}{}
	b.relate(Object{Key: key}, touched)
}

func (b *Builder) learn(object Object, touched map[resource.Key]struct{}) {
	key := object.Key
	if bytes.Equal(b.objects[key], object.Value) {
		return
	}
	b.objects[key] = object.Value
	if b.byNamespace[key.Namespace] == nil {
		b.byNamespace[key.Namespace] = map[resource.Key]struct{}{}
	}
	b.byNamespace[key.Namespace][key] = struct{}{}
	touched[key] = struct{}{}
	b.relate(object, touched)
}

// relate keeps what the objects of some kinds say about others. An object
// without a value is gone; one that does not decode says nothing.
func (b *Builder) relate(object Object, touched map[resource.Key]struct{}) {
	key := object.Key
	switch (resource.Key{Group: key.Group, Kind: key.Kind}) {
	case resource.Key{Kind: "Namespace"}:
		delete(b.namespaces, key.Name)
		if of, ok := labelsOf(object.Value); ok {
			b.namespaces[key.Name] = of
		}
	case resource.Key{Kind: "Node"}:
		delete(b.nodes, key.Name)
		if of, ok := labelsOf(object.Value); ok {
			b.nodes[key.Name] = of
		}
	case resource.Key{Kind: "ConfigMap"}:
		delete(b.meshes, key)
		if data := configMapData(object.Value); istio.IsMeshConfig(key.Name, data) {
			if m, err := parseMesh(data); err == nil {
				b.meshes[key] = m
			}
		}
	case resource.Key{Kind: "Service"}:
		delete(b.eastWest, key)
		var service corev1.Service
		if json.Unmarshal(object.Value, &service) == nil && isEastWest(&service) {
			b.eastWest[key] = &service
		}
	case resource.Key{Group: resource.GatewayGroup, Kind: "Gateway"}:
		if old, ok := b.parameters[key]; ok {
			delete(b.parameters, key)
			b.named[old]--
			touched[old] = struct{}{}
		}
		if now, ok := parametersOf(object); ok {
			b.parameters[key] = now
			b.named[now]++
			touched[now] = struct{}{}
		}
	}
}

func labelsOf(value []byte) (map[string]string, bool) {
	var object struct {
		Metadata struct {
			Labels map[string]string `json:"labels"`
		} `json:"metadata"`
	}
	err := json.Unmarshal(value, &object)
	return object.Metadata.Labels, err == nil
}

func configMapData(value []byte) map[string]any {
	var object struct {
		Data map[string]any `json:"data"`
	}
	if json.Unmarshal(value, &object) != nil {
		return nil
	}
	return object.Data
}

// parametersOf returns the ConfigMap that a Gateway's infrastructure.parametersRef names.
func parametersOf(gateway Object) (resource.Key, bool) {
	var object struct {
		Spec struct {
			Infrastructure struct {
				ParametersRef struct{ Group, Kind, Name string } `json:"parametersRef"`
			} `json:"infrastructure"`
		} `json:"spec"`
	}
	if json.Unmarshal(gateway.Value, &object) != nil {
		return resource.Key{}, false
	}
	ref := object.Spec.Infrastructure.ParametersRef
	return resource.Key{Kind: "ConfigMap", Namespace: gateway.Key.Namespace, Name: ref.Name},
		ref.Group == "" && ref.Kind == "ConfigMap" && ref.Name != ""
}

// reselect finds the namespaces that Istio ignores, and touches the objects of those that changed sides.
func (b *Builder) reselect(touched map[resource.Key]struct{}) {
	names := maps.Clone(b.dropped)
	for namespace := range b.byNamespace {
		names[namespace] = true
	}
	for namespace := range names {
		drop := namespace != "" && !selected(b.meshes, namespace, b.labelsOf(namespace))
		if drop == b.dropped[namespace] {
			continue
		}
		if drop {
			b.dropped[namespace] = true
		} else {
			delete(b.dropped, namespace)
		}
		for key := range b.byNamespace[namespace] {
			touched[key] = struct{}{}
		}
	}
}

// labelsOf returns the labels of a namespace. One that is only spoken of has the label that every namespace has.
func (b *Builder) labelsOf(namespace string) labels.Set {
	if of, ok := b.namespaces[namespace]; ok {
		return of
	}
	return labels.Set{"kubernetes.io/metadata.name": namespace}
}

// visible returns the value that a key has in the snapshot, or nil.
func (b *Builder) visible(key resource.Key) []byte {
	if b.dropped[key.Namespace] {
		return nil
	}
	if key.Kind == "ConfigMap" && key.Group == "" && b.named[key] == 0 && !istio.IsMeshConfig(key.Name, configMapData(b.objects[key])) {
		return nil
	}
	return b.objects[key]
}

// compute returns the gateway endpoints and the mesh that should be in the snapshot, and nil for those that should not.
func (b *Builder) compute() map[resource.Key][]byte {
	found := map[resource.Key][]byte{}
	for key := range b.computed {
		found[key] = nil
	}
	clear(b.computed)
	root := b.rootNamespace()
	config := resource.Key{Kind: "ConfigMap", Namespace: root, Name: rootCertificates}
	if object, ok := meshObject(config, configMapData(b.objects[config])); ok {
		found[object.Key] = object.Value
		b.computed[object.Key] = struct{}{}
	}
	if len(b.eastWest) == 0 {
		return found
	}
	around := surroundings{network: b.namespaces[root][networkLabel], locality: locality(b.nodes)}
	for key, service := range b.eastWest {
		if b.dropped[key.Namespace] {
			continue
		}
		if object, err := gatewayEndpoint(service, around); err == nil {
			found[object.Key] = object.Value
			b.computed[object.Key] = struct{}{}
		}
	}
	return found
}

// rootNamespace returns Istio's root namespace.
func (b *Builder) rootNamespace() string {
	var configs []istio.MeshConfig
	for key, m := range b.meshes {
		configs = append(configs, istio.MeshConfig{Namespace: key.Namespace, Name: key.Name, RootNamespace: m.rootNamespace})
	}
	return istio.RootNamespace(configs)
}
