package strict

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	extensionsv1alpha1 "istio.io/api/extensions/v1alpha1"
	networkingv1alpha3 "istio.io/api/networking/v1alpha3"
	networkingv1beta1 "istio.io/api/networking/v1beta1"
	securityv1beta1 "istio.io/api/security/v1beta1"
	telemetryv1alpha1 "istio.io/api/telemetry/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// istioObject is an object of Istio beside its spec.
type istioObject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              any `json:"spec"`
}

// specsOf returns the specs of Istio's kinds. Their definitions are made from the same messages.
func specsOf() map[schema.GroupKind]protoreflect.MessageDescriptor {
	specs := map[schema.GroupKind]protoreflect.MessageDescriptor{}
	for group, messages := range map[string][]proto.Message{
		"extensions.istio.io": {&extensionsv1alpha1.TrafficExtension{}, &extensionsv1alpha1.WasmPlugin{}},
		"networking.istio.io": {
			&networkingv1alpha3.DestinationRule{}, &networkingv1alpha3.EnvoyFilter{}, &networkingv1alpha3.Gateway{}, &networkingv1beta1.ProxyConfig{},
			&networkingv1alpha3.ServiceEntry{}, &networkingv1alpha3.Sidecar{}, &networkingv1alpha3.VirtualService{},
			&networkingv1alpha3.WorkloadEntry{}, &networkingv1alpha3.WorkloadGroup{},
		},
		"security.istio.io": {
			&securityv1beta1.AuthorizationPolicy{}, &securityv1beta1.PeerAuthentication{}, &securityv1beta1.RequestAuthentication{},
		},
		"telemetry.istio.io": {&telemetryv1alpha1.Telemetry{}},
	} {
		for _, m := range messages {
			d := m.ProtoReflect().Descriptor()
			specs[schema.GroupKind{Group: group, Kind: string(d.Name())}] = d
		}
	}
	return specs
}

// message looks for names that a message does not have, and for what is no object or no list and should be. What single values
// may be, Istio's definitions say in more detail than its messages, and is left to them.
func (w *walk) message(path []any, want protoreflect.MessageDescriptor, value any) {
	if value == nil || want.ParentFile().Package() == "google.protobuf" { // numbers, times, and what has any form
		return
	}
	object, _ := w.object(path, value)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		at := append(slices.Clone(path), name)
		field, value := want.Fields().ByJSONName(name), object[name]
		if name == "mirror_percent" || name == "jwks_uri" { // the definitions have these in both spellings
			field = want.Fields().ByTextName(name)
		}
		switch {
		case field == nil:
			w.unknown(at, name, func(yield func(string) bool) {
				for i := range want.Fields().Len() {
					if !yield(want.Fields().Get(i).JSONName()) {
						return
					}
				}
			})
		case value == nil:
		case field.IsMap():
			entries, _ := w.object(at, value)
			for _, key := range slices.Sorted(maps.Keys(entries)) {
				if m := field.MapValue().Message(); m != nil {
					w.message(append(slices.Clone(at), key), m, entries[key])
				}
			}
		case field.IsList():
			items, ok := value.([]any)
			if !ok {
				w.note(at, "%s must be a list: begin each item with '-'", text(at))
			}
			for i, item := range items {
				if field.Message() != nil {
					w.message(append(slices.Clone(at), i), field.Message(), item)
				}
			}
		case field.Message() != nil:
			w.message(at, field.Message(), value)
		}
	}
}
