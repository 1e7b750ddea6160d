package routing

import (
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/meshweir/meshweir/schemas/resource"
)

// NetworkingGroup is the API group of Istio's routing.
const NetworkingGroup = "networking.istio.io"

// Object is an object of an output or a snapshot. One that the gateway has no use for has no Spec.
type Object struct {
	Key resource.Key
	// Spec is a *networking.Gateway, VirtualService, DestinationRule, ServiceEntry or EnvoyFilter, a *corev1.Service, or a
	// *discoveryv1.EndpointSlice.
	Spec any
	// Err says why the object cannot be read; Spec may then be that of an earlier one.
	Err error
}

// Decode reads an object; one that cannot be read says so itself. So does one with a field that is not known: what it asks for
// could neither be executed nor told.
func Decode(text string, value []byte) (Object, error) {
	key, err := resource.ParseKey(text)
	if err != nil {
		return Object{}, err
	}
	o := Object{Key: key}
	switch {
	case key.Group == "" && key.Kind == "Service":
		o.Spec, err = plain[corev1.Service](value)
	case key.Group == discoveryv1.GroupName && key.Kind == "EndpointSlice":
		o.Spec, err = plain[discoveryv1.EndpointSlice](value)
	case key.Group == NetworkingGroup:
		spec := specOf(key.Kind)
		if spec == nil {
			break
		}
		var object struct {
			Spec json.RawMessage `json:"spec"`
		}
		if err = json.Unmarshal(value, &object); err == nil && len(object.Spec) > 0 {
			err = protojson.Unmarshal(object.Spec, spec)
		}
		o.Spec = spec
	}
	if err != nil {
		o.Spec, o.Err = nil, fmt.Errorf("reading the object: %w", err)
	}
	return o, nil
}

func plain[T any](value []byte) (*T, error) {
	object := new(T)
	return object, json.Unmarshal(value, object)
}

func specOf(kind string) proto.Message {
	switch kind {
	case "Gateway":
		return &networking.Gateway{}
	case "VirtualService":
		return &networking.VirtualService{}
	case "DestinationRule":
		return &networking.DestinationRule{}
	case "ServiceEntry":
		return &networking.ServiceEntry{}
	case "EnvoyFilter":
		return &networking.EnvoyFilter{}
	}
	return nil
}
