package view

import (
	"encoding/json"

	"sigs.k8s.io/yaml"
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
func meshWiring(data []byte) *Wiring {
	var c struct {
		Mesh string `json:"mesh"`
	}
	if json.Unmarshal(data, &c) != nil || c.Mesh == "" {
		return nil
	}
	var mesh struct {
		RootNamespace string `json:"rootNamespace"`
	}
	if yaml.Unmarshal([]byte(c.Mesh), &mesh) != nil {
		return nil
	}
	return &Wiring{RootNamespace: mesh.RootNamespace}
}
