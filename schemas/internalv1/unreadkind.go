package internalv1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// UnreadKind says that an agent cannot read the objects of a kind. What the
// snapshot holds of the kind is what was last known; what it lacks is unknown,
// not absent. Its name is the kind in lower case, with its group: "secret", "httproute.gateway.networking.k8s.io".
type UnreadKind struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              UnreadKindSpec `json:"spec"`
}

// UnreadKindSpec says which kind, and why.
type UnreadKindSpec struct {
	// Group is the kind's API group; empty is the core group.
	Group string `json:"group,omitempty"`
	// Kind is the kind as a manifest has it. "Secret" means that Certificates are unknown.
	Kind string `json:"kind"`
	// Message says why the kind cannot be read and how to mend it.
	Message string `json:"message"`
}
