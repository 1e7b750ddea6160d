package snapshot

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	validate "k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/meshweir/meshweir/schemas/resource"
)

var (
	// ErrUnknownKind says that no reader uses objects of this kind.
	ErrUnknownKind = errors.New("the kind is not part of a snapshot")
	// ErrNotTaken says that the kind is taken, but not this object: a Secret that is no certificate, a webhook that is not Istio's.
	ErrNotTaken = errors.New("the object is not part of a snapshot")
)

// Object is one object as it stands in a snapshot.
type Object struct {
	Key resource.Key
	// Value is the object's JSON, reduced.
	Value []byte
}

// Reducer takes from objects what readers use. It is safe for concurrent use.
type Reducer struct {
	contents map[schema.GroupKind]content
	trees    map[schema.GroupKind]tree
	maxBytes int
}

// NewReducer returns a Reducer that refuses objects which are larger than
// maxBytes after reduction; 0 means 1 MiB.
func NewReducer(maxBytes int) *Reducer {
	r := &Reducer{contents: contents(), trees: map[schema.GroupKind]tree{}, maxBytes: cmp.Or(maxBytes, 1<<20)}
	for kind, c := range r.contents {
		if c.fields != nil {
			r.trees[kind] = newTree(append(c.fields, "apiVersion", "kind", "metadata"))
		}
	}
	return r
}

// lookup returns the kind's entry in the table of contents, or its group's.
func (r *Reducer) lookup(kind schema.GroupKind) (content, tree, bool) {
	if _, ok := r.contents[kind]; !ok {
		kind.Kind = ""
	}
	c, ok := r.contents[kind]
	return c, r.trees[kind], ok && kind != schema.GroupKind{}
}

// Takes reports whether objects of a kind are part of a snapshot.
func (r *Reducer) Takes(kind schema.GroupKind) bool {
	_, _, ok := r.lookup(kind)
	return ok && kind.Group != resource.InternalGroup
}

// TakesGroup reports whether some kind of a group is part of a snapshot.
func (r *Reducer) TakesGroup(group string) bool {
	for kind := range r.contents {
		if kind.Group == group {
			return true
		}
	}
	return false
}

// Reduce returns what of an object goes into a snapshot, marked with the file
// that it is in unless that is empty. It may change the object. [ErrUnknownKind] and [ErrNotTaken] say that nothing does; every other error
// is written for the author of the object.
func (r *Reducer) Reduce(object *unstructured.Unstructured, file string) (Object, error) {
	kind := object.GroupVersionKind().GroupKind()
	if kind.Group == resource.InternalGroup {
		return Object{}, fmt.Errorf("objects of %s are computed by Meshweir and cannot be given: remove this one", resource.InternalGroup)
	}
	content, tree, ok := r.lookup(kind)
	if !ok {
		return Object{}, ErrUnknownKind
	}
	key, err := r.name(object, content)
	if err == nil {
		err = textOnly(object)
	}
	if err != nil {
		return Object{}, err
	}
	switch {
	case kind == schema.GroupKind{Kind: "Secret"}:
		return certificate(object, key, file)
	case strings.HasSuffix(kind.Kind, "WebhookConfiguration") && !istioWebhook(object.Object):
		return Object{}, ErrNotTaken
	case kind == schema.GroupKind{Kind: "ConfigMap"}:
		if err := reduceConfigMap(object.Object, key); err != nil {
			return Object{}, err
		}
	case kind == schema.GroupKind{Kind: "Service"}:
		portTargets(object.Object)
	}
	for _, d := range content.defaults {
		d.apply(object.Object)
	}
	object.Object["metadata"] = metadata(object, content, file)
	if tree == nil {
		delete(object.Object, "status")
	} else {
		object.Object, _ = tree.keep(object.Object).(map[string]any)
		templateAnnotations(object.Object)
	}
	return r.seal(key, object.Object)
}

func (r *Reducer) seal(key resource.Key, value any) (Object, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return Object{}, fmt.Errorf("encoding the object: %w", err)
	}
	if len(data) > r.maxBytes {
		return Object{}, fmt.Errorf("the object has %d bytes after pruning, more than the %d that are taken: split it up", len(data), r.maxBytes)
	}
	return Object{Key: key, Value: data}, nil
}

// name checks the object's name and gives it the namespace that an API server would.
func (r *Reducer) name(object *unstructured.Unstructured, content content) (resource.Key, error) {
	if _, ok := object.Object["metadata"].(map[string]any); !ok {
		object.Object["metadata"] = map[string]any{}
	}
	kind := object.GroupVersionKind()
	name, namespace := object.GetName(), object.GetNamespace()
	switch {
	case content.clusterScoped:
		namespace = ""
	case namespace == "":
		namespace = "default"
	}
	switch {
	case name == "" && object.GetGenerateName() != "":
		return resource.Key{}, fmt.Errorf("the %s has a generateName but no name: give it a metadata.name, since nothing here makes one", kind.Kind)
	case name == "":
		return resource.Key{}, fmt.Errorf("the %s has no name: add metadata.name", kind.Kind)
	}
	for _, part := range []struct{ field, text string }{{"kind", kind.Kind}, {"metadata.namespace", namespace}, {"metadata.name", name}} {
		if err := nameable(part.field, part.text); err != nil {
			return resource.Key{}, err
		}
	}
	object.SetNamespace(namespace)
	return resource.Key{Group: kind.Group, Kind: kind.Kind, Namespace: namespace, Name: name}, nil
}

// nameable refuses what cannot be a part of a key or of a file's name. Whether
// Kubernetes would take the name is not asked: only what could do harm is refused.
func nameable(field, text string) error {
	reasons := validate.IsPathSegmentName(text)
	if len(text) > 253 {
		reasons = append(reasons, "may have 253 characters at most")
	}
	if text == "" || len(reasons) == 0 {
		return nil
	}
	return fmt.Errorf("%s cannot be used: it %s", field, strings.Join(reasons, ", "))
}

// textOnly refuses labels and annotations that YAML reads as numbers and the like.
func textOnly(object *unstructured.Unstructured) error {
	for _, field := range []string{"labels", "annotations"} {
		value, found, err := unstructured.NestedFieldNoCopy(object.Object, "metadata", field)
		if err != nil || !found || value == nil {
			continue
		}
		entries, ok := value.(map[string]any)
		if !ok {
			return fmt.Errorf("metadata.%s is not a map of names to texts: correct it", field)
		}
		for _, name := range slices.Sorted(maps.Keys(entries)) {
			if _, ok := entries[name].(string); !ok {
				if object.GetKind() == "Secret" {
					name = "…" // indentation that slipped makes names of what was secret
				}
				return fmt.Errorf("metadata.%s[%s] is not text: put its value in quotes", field, name)
			}
		}
	}
	return nil
}

// metadata returns what readers use of an object's metadata.
func metadata(object *unstructured.Unstructured, content content, file string) map[string]any {
	full, _ := object.Object["metadata"].(map[string]any)
	meta, _ := newTree([]string{
		"name", "namespace", "uid", "generation", "creationTimestamp", "deletionTimestamp", "labels", "annotations",
		"ownerReferences.apiVersion", "ownerReferences.kind", "ownerReferences.name", "ownerReferences.controller",
	}).keep(full).(map[string]any)
	if meta["creationTimestamp"] == nil {
		delete(meta, "creationTimestamp") // "null", as old clients print it
	}
	if meta["generation"] == nil {
		// A file has no history. Readers compare observedGeneration with this for equality.
		meta["generation"] = int64(1)
	}
	annotations, _ := meta["annotations"].(map[string]any)
	maps.DeleteFunc(annotations, func(name string, _ any) bool { return noise(name) })
	filter(annotations, content.annotations)
	if file != "" {
		if annotations == nil {
			annotations = map[string]any{}
			meta["annotations"] = annotations
		}
		annotations[resource.FileAnnotation] = file
	}
	labels, _ := meta["labels"].(map[string]any)
	filter(labels, content.labels)
	if object.GetKind() == "Namespace" {
		if labels == nil {
			labels = map[string]any{}
			meta["labels"] = labels
		}
		labels["kubernetes.io/metadata.name"] = object.GetName() // as every API server sets it
	}
	for _, field := range []string{"annotations", "labels"} {
		if entries, ok := meta[field].(map[string]any); !ok || len(entries) == 0 {
			delete(meta, field)
		}
	}
	return meta
}

// noise reports whether an annotation changes or repeats what no reader uses.
func noise(annotation string) bool {
	switch annotation {
	case "kubectl.kubernetes.io/last-applied-configuration",
		"deployment.kubernetes.io/revision", "deployment.kubernetes.io/desired-replicas", "deployment.kubernetes.io/max-replicas",
		"deployment.kubernetes.io/revision-history", "deprecated.daemonset.template.generation",
		"endpoints.kubernetes.io/last-change-trigger-time", "control-plane.alpha.kubernetes.io/leader":
		return true
	default:
		return strings.HasPrefix(annotation, "autoscaling.alpha.kubernetes.io/")
	}
}

// templateAnnotations leaves to Pod templates the annotations that concern Istio.
func templateAnnotations(object map[string]any) {
	annotations, found, err := unstructured.NestedFieldNoCopy(object, "spec", "template", "metadata", "annotations")
	if entries, ok := annotations.(map[string]any); found && err == nil && ok {
		filter(entries, []string{"istio.io/"})
	}
}

// istioWebhook reports whether one of the configuration's webhooks is Istio's injection or validation.
func istioWebhook(object map[string]any) bool {
	webhooks, _ := object["webhooks"].([]any)
	for _, w := range webhooks {
		webhook, _ := w.(map[string]any)
		if name, _ := webhook["name"].(string); strings.HasSuffix(name, ".istio.io") {
			return true
		}
	}
	return false
}
