package envoy

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pkg/config/xds"
)

// CheckFilter checks the patches of an EnvoyFilter as Envoy would what comes of
// them: each reads as the object that it is for, without fields that this lacks;
// each object that is added, and each Any within it, keeps the rules of Envoy's
// protos; and each Any is of a type that Envoy has. What is merged into another
// object may lack what that has.
func CheckFilter(filter *networking.EnvoyFilter) error {
	var errs []error
	for i, patch := range filter.ConfigPatches {
		object, err := xds.BuildXDSObjectFromStruct(patch.ApplyTo, patch.GetPatch().GetValue(), true)
		if err == nil && object != nil {
			if patch.Patch.Operation != networking.EnvoyFilter_Patch_MERGE {
				err = validate(object)
			}
			err = errors.Join(err, checkAnys(object.ProtoReflect()))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("checking configPatches[%d]: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// validate runs the rules that Envoy's protos state in their fields' options.
func validate(message proto.Message) error {
	rules, ok := message.(interface{ ValidateAll() error })
	if !ok {
		return fmt.Errorf("%s has no rules to judge it by: give its own type", message.ProtoReflect().Descriptor().FullName())
	}
	return rules.ValidateAll()
}

// checkAnys unpacks and validates each Any in a message, and those within.
func checkAnys(message protoreflect.Message) error {
	if packed, ok := message.Interface().(*anypb.Any); ok {
		inner, err := packed.UnmarshalNew()
		if err != nil {
			return fmt.Errorf("unpacking %s: %w", packed.TypeUrl, err)
		}
		if err := validate(inner); err != nil {
			return err
		}
		return checkAnys(inner.ProtoReflect())
	}
	var errs []error
	check := func(value protoreflect.Value) { errs = append(errs, checkAnys(value.Message())) }
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap():
			if field.MapValue().Message() != nil {
				value.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool { check(v); return true })
			}
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				check(value.List().Get(i))
			}
		default:
			check(value)
		}
		return true
	})
	return errors.Join(errs...)
}
