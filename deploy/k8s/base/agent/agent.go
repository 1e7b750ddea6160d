// Package agent holds the manifests of the agent of a workload cluster. What
// differs from cluster to cluster stands in a Secret, which its reader adds.
package agent

import (
	"bytes"
	"embed"
	"fmt"

	"sigs.k8s.io/yaml"
)

//go:embed *.yaml
var files embed.FS

// The Secret that the Deployment reads.
const (
	// SecretName is its name, and Namespace that of all manifests.
	SecretName, Namespace = "meshweir-agent", "meshweir"
	// ClusterKey holds the name of the cluster, URLKey the address of its Redis.
	ClusterKey, URLKey = "cluster", "url"
	// SecretDir is the folder that the agent finds the Secret in, a file for each key.
	SecretDir = "/etc/meshweir/redis"
)

// Manifests returns all manifests that kustomize would list, in their order, as a stream of YAML documents.
func Manifests() ([]byte, error) {
	var list struct{ Resources []string }
	text, err := files.ReadFile("kustomization.yaml")
	if err == nil {
		err = yaml.Unmarshal(text, &list)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the kustomization of the agent: %w", err)
	}
	var all [][]byte
	for _, name := range list.Resources {
		if text, err = files.ReadFile(name); err != nil {
			return nil, fmt.Errorf("reading the manifests of the agent: %w", err)
		}
		all = append(all, text)
	}
	return bytes.Join(all, []byte("---\n")), nil
}
