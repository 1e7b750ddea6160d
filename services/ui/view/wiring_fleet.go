package view

import (
	"encoding/json"

	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/schemas/istio"
)

func readGlobalService(spec []byte) (*Wiring, error) {
	g, err := read[struct {
		Host     string          `json:"host"`
		Services []ServiceChoice `json:"services"`
	}](spec)
	if err != nil {
		return nil, err
	}
	return &Wiring{Hosts: []string{g.Host}, Services: g.Services}, nil
}

func readWorkspace(spec []byte) (*Wiring, error) {
	w, err := read[Workspace](spec)
	if err != nil {
		return nil, err
	}
	return &Wiring{Workspace: &w}, nil
}

// readService reads a Service. One without a selector takes requests, too.
func readService(spec []byte) (*Wiring, error) {
	s, err := read[struct {
		Selector map[string]string `json:"selector"`
	}](spec)
	if err != nil {
		return nil, err
	}
	return &Wiring{Selector: s.Selector}, nil
}

func readWorkload(spec []byte) (*Wiring, error) {
	w, err := read[struct {
		Template struct {
			Metadata struct {
				Labels map[string]string `json:"labels"`
			} `json:"metadata"`
		} `json:"template"`
	}](spec)
	if err != nil {
		return nil, err
	}
	return &Wiring{Pods: w.Template.Metadata.Labels}, nil
}

// meshWiring reads the mesh configuration of a cluster out of its ConfigMap; nil for any other ConfigMap.
func meshWiring(name string, raw []byte) *Wiring {
	var data map[string]string
	if json.Unmarshal(raw, &data) != nil || !istio.IsMeshConfig(name, data) {
		return nil
	}
	var mesh istio.MeshConfig
	if yaml.Unmarshal([]byte(data[istio.MeshConfigField]), &mesh) != nil {
		return nil
	}
	return &Wiring{Mesh: &mesh}
}
