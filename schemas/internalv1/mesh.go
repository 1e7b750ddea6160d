package internalv1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Mesh says what the mesh of a cluster is to other clusters. It has the
// namespace and name of the ConfigMap with the root certificates of the mesh,
// and is absent while they are unknown.
type Mesh struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              MeshSpec `json:"spec"`
}

// MeshSpec is read by the translator, which compares clusters by it.
type MeshSpec struct {
	// TrustRoots are the SHA-256 fingerprints, in lower-case hexadecimal and sorted, of the root certificates that the mesh trusts.
	TrustRoots []string `json:"trustRoots"`
}
