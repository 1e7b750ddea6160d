package istio

import (
	"cmp"
	"strings"

	"github.com/meshweir/meshweir/schemas/resource"
)

// Peer is a PeerAuthentication, as far as it says for whom it is and how it ranks.
type Peer struct {
	Namespace, Name string
	// Created is its creationTimestamp; empty counts as the oldest.
	Created string
	// Selector is its matchLabels; empty for a whole namespace, or in the root namespace for the mesh.
	Selector map[string]string
	// Mode is spec.mtls.mode, as it is written.
	Mode string
}

// The levels of PeerAuthentications, from the widest to the most specific.
const (
	LevelMesh = iota
	LevelNamespace
	LevelWorkload
)

// SetsMode reports whether a mode decides; one that does not leaves it to the next wider level, and at last to PERMISSIVE.
func SetsMode(mode string) bool { return mode != "" && mode != "UNSET" }

// Older orders policies by age, as Istio does where one of several counts (pilot/pkg/model/config.go, configCompareByCreationTime).
func (p Peer) Older(o Peer) int {
	return older(p.Created, o.Created, p.Name, o.Name, p.Namespace, o.Namespace)
}

func older(created, otherCreated, name, otherName, namespace, otherNamespace string) int {
	return cmp.Or(strings.Compare(created, otherCreated), strings.Compare(name, otherName), strings.Compare(namespace, otherNamespace))
}

// Levels returns which of the policies are in force at each level for a workload with labels in a namespace: the oldest of each; -1 for none. A
// selector in the root namespace does nothing (pilot/pkg/security/authn, ComposePeerAuthentication).
func Levels(root, namespace string, labels map[string]string, policies []Peer) [3]int {
	found := [3]int{-1, -1, -1}
	for i, p := range policies {
		level := LevelNamespace
		switch selects := len(p.Selector) > 0; {
		case p.Namespace == root && selects, p.Namespace != root && p.Namespace != namespace, !resource.Selects(p.Selector, labels):
			continue
		case p.Namespace == root:
			level = LevelMesh
		case selects:
			level = LevelWorkload
		}
		if at := found[level]; at < 0 || p.Older(policies[at]) < 0 {
			found[level] = i
		}
	}
	return found
}
