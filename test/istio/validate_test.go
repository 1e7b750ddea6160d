package istio_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pkg/config"
	crdschema "istio.io/istio/pkg/config/crd"
	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/test/env"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// TestGoldenOutputsAreValid puts each object of each golden output through
// Istio's semantic validation and through the schemas and rules of its custom
// resources, as istiod's webhook and an API server would, and an EnvoyFilter
// through Envoy's protos.
func TestGoldenOutputsAreValid(t *testing.T) {
	schemas := crdValidator(t)
	for _, name := range goldenCases(t) {
		t.Run(name, func(t *testing.T) {
			g := readGolden(t, name)
			for cluster := range g.out {
				for _, o := range g.written(cluster) {
					at := cluster + " " + o.head().key()
					if err := schemas.ValidateCustomResource(asServed(t, o)); err != nil {
						t.Errorf("%s: the custom resource's schema refuses it: %v", at, err)
					}
					if err := checkFilter(o); err != nil {
						t.Errorf("%s: Envoy refuses it: %v", at, err)
					}
					warnings, err := validate(o)
					if err != nil {
						t.Errorf("%s: Istio refuses it: %v", at, err)
					}
					if warnings != "" {
						t.Logf("%s: Istio warns: %s", at, warnings)
					}
				}
			}
		})
	}
}

// TestJudgesRefuseNonsense proves that the two judges look.
func TestJudgesRefuseNonsense(t *testing.T) {
	schemas := crdValidator(t)
	meta := map[string]any{"name": "x", "namespace": "y"}
	for name, spec := range map[string]map[string]any{
		"unknown field":   {"hosts": []any{"a.example.com"}, "http": []any{map[string]any{"nonsense": true}}},
		"negative weight": {"hosts": []any{"a.example.com"}, "http": []any{map[string]any{"route": []any{map[string]any{"destination": map[string]any{"host": "a"}, "weight": -1}}}}},
	} {
		o := object{"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": meta, "spec": spec}
		bySchema := schemas.ValidateCustomResource(asServed(t, o))
		_, bySense := validate(o)
		if name == "unknown field" && bySchema == nil || name == "negative weight" && bySense == nil {
			t.Errorf("%s: schema says %v, validation says %v, want an error", name, bySchema, bySense)
		}
	}
}

func crdValidator(t *testing.T) *crdschema.Validator {
	t.Helper()
	files := []string{filepath.Join(env.IstioSrc, "manifests/charts/base/files/crd-all.gen.yaml")}
	validator, err := crdschema.NewValidatorFromFilesWithOptions(files, crdschema.WithoutCRDValidation())
	if err != nil {
		t.Fatal(err)
	}
	return validator
}

// asServed reads an object as an API server does: with whole numbers where there are some.
func asServed(t *testing.T, o object) *unstructured.Unstructured {
	t.Helper()
	read := &unstructured.Unstructured{}
	if err := read.UnmarshalJSON(o.json()); err != nil {
		t.Fatal(err)
	}
	return read
}

// validate runs Istio's own validation of an object.
func validate(o object) (warnings string, err error) {
	cfg, err := toConfig(o)
	if err != nil {
		return "", err
	}
	found, _ := collections.All.FindByGroupVersionAliasesKind(cfg.GroupVersionKind)
	warning, err := found.ValidateConfig(*cfg)
	if warning != nil {
		warnings = warning.Error()
	}
	return warnings, err
}

// toConfig reads an object as istiod does.
func toConfig(o object) (*config.Config, error) {
	var kind crd.IstioKind
	if err := json.Unmarshal(o.json(), &kind); err != nil {
		return nil, err
	}
	gv, err := schema.ParseGroupVersion(kind.APIVersion)
	if err != nil {
		return nil, err
	}
	found, ok := collections.All.FindByGroupVersionAliasesKind(config.GroupVersionKind{Group: gv.Group, Version: gv.Version, Kind: kind.Kind})
	if !ok {
		return nil, fmt.Errorf("reading %s %s: Istio knows no such kind", kind.APIVersion, kind.Kind)
	}
	return crd.ConvertObject(found, &kind, "cluster.local")
}
