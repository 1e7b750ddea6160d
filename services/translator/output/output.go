// Package output makes what the translator writes: Istio objects with the marks
// of Meshweir, and the status of source objects, as JSON that is the same, byte
// for byte, whenever it says the same.
package output

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/translator/inventory"
)

// NetworkingGroup is the API group of the Istio objects that are written.
const NetworkingGroup = "networking.istio.io"

// Set holds values by cluster and key.
type Set map[string]map[resource.Key][]byte

// Put sets one value.
func (s Set) Put(cluster string, key resource.Key, value []byte) {
	if s[cluster] == nil {
		s[cluster] = map[resource.Key][]byte{}
	}
	s[cluster][key] = value
}

// Sources are what an output was made from.
type Sources struct {
	objects  map[inventory.Ref]struct{}
	clusters map[string]struct{}
}

// NewSources returns sources with these objects.
func NewSources(refs ...inventory.Ref) *Sources {
	s := &Sources{map[inventory.Ref]struct{}{}, map[string]struct{}{}}
	s.Add(refs...)
	return s
}

// Add adds objects.
func (s *Sources) Add(refs ...inventory.Ref) {
	for _, ref := range refs {
		s.objects[ref] = struct{}{}
		s.clusters[ref.Cluster] = struct{}{}
	}
}

// AddClusters adds clusters that the output depends on as a whole.
func (s *Sources) AddClusters(names ...string) {
	for _, name := range names {
		s.clusters[name] = struct{}{}
	}
}

// Objects returns the objects, in no particular order.
func (s *Sources) Objects() []inventory.Ref { return slices.Collect(maps.Keys(s.objects)) }

// Clusters returns the clusters of the objects, and those that the output depends on as a whole, sorted.
func (s *Sources) Clusters() []string { return slices.Sorted(maps.Keys(s.clusters)) }

func (s *Sources) annotate(annotations map[string]string) {
	list := make([]string, 0, len(s.objects))
	for ref := range s.objects {
		list = append(list, ref.String())
	}
	slices.Sort(list)
	annotations[resource.SourcesAnnotation] = strings.Join(list, ",")
	annotations[resource.SourceClustersAnnotation] = strings.Join(s.Clusters(), ",")
}

// Meta is what an Istio object carries beside its spec.
type Meta struct {
	// Kind is the kind, such as "VirtualService".
	Kind string
	// Namespace is the object's namespace.
	Namespace string
	// Name is the object's name.
	Name string
	// Labels are further labels; the marks of Meshweir win. Default: none.
	Labels map[string]string
	// Annotations are further annotations; the marks of Meshweir win. Default: none.
	Annotations map[string]string
	// Sources are the objects that it is made from.
	Sources *Sources
}

// Key returns the object's key.
func (m Meta) Key() resource.Key {
	return resource.Key{Group: NetworkingGroup, Kind: m.Kind, Namespace: m.Namespace, Name: m.Name}
}

// Object returns the JSON of an object of networking.istio.io/v1.
func Object(m Meta, spec proto.Message) []byte {
	labels := maps.Clone(m.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[resource.ManagedByLabel] = resource.ManagedBy
	annotations := maps.Clone(m.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	m.Sources.annotate(annotations)

	// Marshalling fails on text that is no UTF-8 only, and what was read as JSON is.
	body, _ := protojson.Marshal(spec)
	return JSON(map[string]any{
		"apiVersion": NetworkingGroup + "/v1",
		"kind":       m.Kind,
		"metadata":   map[string]any{"namespace": m.Namespace, "name": m.Name, "labels": labels, "annotations": annotations},
		"spec":       generic(body),
	})
}

// generic reads JSON into maps, whose keys are sorted when they are written; numbers stay as they are.
func generic(value []byte) any {
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	var v any
	_ = decoder.Decode(&v) // it was just marshalled
	return v
}

// JSON returns maps and lists as JSON with sorted keys, without spaces and escapes that it can do without.
func JSON(v any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v) // maps, lists, texts and numbers marshal
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
