// Package crds holds the CustomResourceDefinitions of meshweir.io, which
// controller-gen makes of schemas/v1alpha1, and judges objects by them as an
// API server does.
package crds

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

//go:embed meshweir.io_*.yaml
var files embed.FS

// Files returns the manifests.
func Files() fs.FS { return files }

// Judge judges objects of the kinds of meshweir.io. It is safe for concurrent use.
type Judge struct {
	kinds map[schema.GroupKind]rules
}

// rules are those of one kind.
type rules struct {
	structural *structuralschema.Structural
	schema     validation.SchemaValidator
	cel        *cel.Validator
}

// NewJudge compiles the rules of the manifests.
func NewJudge() (*Judge, error) {
	definitions, err := Definitions()
	if err != nil {
		return nil, err
	}
	j := &Judge{map[schema.GroupKind]rules{}}
	for _, definition := range definitions {
		version := definition.Spec.Versions[0]
		var internal apiextensions.CustomResourceValidation
		if err := apiextensionsv1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(version.Schema, &internal, nil); err != nil {
			return nil, fmt.Errorf("converting the schema of %s: %w", definition.Name, err)
		}
		var r rules
		if r.structural, err = structuralschema.NewStructural(internal.OpenAPIV3Schema); err != nil {
			return nil, fmt.Errorf("reading the schema of %s: %w", definition.Name, err)
		}
		if r.schema, _, err = validation.NewSchemaValidator(internal.OpenAPIV3Schema); err != nil {
			return nil, fmt.Errorf("compiling the schema of %s: %w", definition.Name, err)
		}
		r.cel = cel.NewValidator(r.structural, true, celconfig.PerCallLimit)
		j.kinds[schema.GroupKind{Group: definition.Spec.Group, Kind: definition.Spec.Names.Kind}] = r
	}
	return j, nil
}

// Definitions returns the manifests, parsed.
func Definitions() ([]*apiextensionsv1.CustomResourceDefinition, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, err
	}
	var definitions []*apiextensionsv1.CustomResourceDefinition
	for _, name := range names {
		data, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		definition := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(data, definition); err != nil {
			return nil, fmt.Errorf("parsing %s: %w", name, err)
		}
		definitions = append(definitions, definition)
	}
	return definitions, nil
}

// Check returns what an API server says when the object is created with strict
// field validation. A status counts as absent. A kind that has no definition here passes.
func (j *Judge) Check(kind schema.GroupKind, object map[string]any) field.ErrorList {
	r, ok := j.kinds[kind]
	if !ok {
		return nil
	}
	object, err := written(object)
	if err != nil {
		return field.ErrorList{field.InternalError(nil, err)}
	}
	var errs field.ErrorList
	for _, unknown := range pruning.PruneWithOptions(object, r.structural, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}) {
		errs = append(errs, field.Forbidden(field.NewPath(unknown), "unknown field"))
	}
	defaulting.PruneNonNullableNullsWithoutDefaults(object, r.structural)
	defaulting.Default(object, r.structural)
	errs = append(errs, validation.ValidateCustomResource(nil, object, r.schema)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, r.structural, object)...)
	if blocks(errs) {
		return errs
	}
	broken, _ := r.cel.Validate(context.Background(), nil, r.structural, object, nil, celconfig.RuntimeCELCostBudget)
	return append(errs, broken...)
}

// written returns a copy as it comes over the wire, where whole numbers are int64, without the status.
func written(object map[string]any) (map[string]any, error) {
	data, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("writing the object: %w", err)
	}
	var copied map[string]any
	if err := json.Unmarshal(data, &copied); err != nil {
		return nil, fmt.Errorf("reading the object: %w", err)
	}
	delete(copied, "status")
	return copied, nil
}

// blocks says whether the rules cannot be evaluated, because what they read has another shape.
func blocks(errs field.ErrorList) bool {
	for _, err := range errs {
		switch err.Type {
		case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid:
			return true
		default:
		}
	}
	return false
}
