package istio

import (
	"slices"
	"testing"
)

func TestKnowsAMeshConfigurationByNameAndField(t *testing.T) {
	mesh := map[string]any{"mesh": "rootNamespace: x"}
	tests := []struct {
		name string
		data map[string]any
		want bool
	}{
		{"istio", mesh, true},
		{"istio-canary", mesh, true},
		{"istio", map[string]any{"mesh": ""}, true},
		{"istio", map[string]any{"meshNetworks": "x"}, false},
		{"istio", map[string]any{"mesh": 1}, false},
		{"istio", nil, false},
		{"istiod", mesh, false},
		{"other", mesh, false},
	}
	for _, tt := range tests {
		if got := IsMeshConfig(tt.name, tt.data); got != tt.want {
			t.Errorf("the ConfigMap %s with %v is a mesh configuration: %t, want %t", tt.name, tt.data, got, tt.want)
		}
	}
	if IsMeshConfig("istio", map[string]string{}) || !IsMeshConfig("istio", map[string]string{"mesh": "x"}) {
		t.Error("data of texts alone is judged otherwise")
	}
}

func TestOneRootNamespaceCountsWhateverTheOrder(t *testing.T) {
	canary := MeshConfig{Namespace: "a", Name: "istio-canary", RootNamespace: "canary"}
	stable := MeshConfig{Namespace: "istio-system", Name: "istio", RootNamespace: "mesh-root"}
	silent := MeshConfig{Namespace: "istio-system", Name: "istio"}
	tests := []struct {
		name    string
		configs []MeshConfig
		want    string
	}{
		{"none", nil, "istio-system"},
		{"one that names none", []MeshConfig{silent}, "istio-system"},
		{"the default revision before others", []MeshConfig{canary, stable}, "mesh-root"},
		{"one that names it before one that does not", []MeshConfig{silent, canary}, "canary"},
	}
	for _, tt := range tests {
		for range 2 {
			if got := RootNamespace(tt.configs); got != tt.want {
				t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
			}
			slices.Reverse(tt.configs)
		}
	}
}

func TestTheWidestDefaultOfSeveralRevisionsCounts(t *testing.T) {
	services := func(c MeshConfig) []string { return c.DefaultServiceExportTo }
	own, pay, all := MeshConfig{DefaultServiceExportTo: []string{"."}}, MeshConfig{DefaultServiceExportTo: []string{"pay"}}, MeshConfig{}
	for _, tt := range []struct {
		configs []MeshConfig
		want    []string
	}{
		{nil, nil}, {[]MeshConfig{own}, []string{"."}}, {[]MeshConfig{own, pay}, []string{".", "pay"}}, {[]MeshConfig{own, all}, nil},
	} {
		if got := DefaultExportTo(tt.configs, services); !slices.Equal(got, tt.want) {
			t.Errorf("%v say %q, want %q", tt.configs, got, tt.want)
		}
	}
}
