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

const (
	// Namespace is that of all manifests.
	Namespace = "meshweir"
	// SecretName is the name of the Secret that the Deployment reads.
	SecretName = "meshweir-agent"
	// ClusterKey is the Secret's key of the cluster's name.
	ClusterKey = "cluster"
	// URLKey is the Secret's key of the address of its Redis.
	URLKey = "url"
	// Mount is the folder that the agent finds the Secret in, a file for each key.
	Mount = "/etc/meshweir/redis"
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
