package internalv1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Unapplied says that an object of a cluster's output does not stand there as it is wanted. It has the object's
// namespace; its name is the object's kind in lower case, with its group, and the object's name:
// "virtualservice.networking.istio.io.web". The translator tells the sources of the object, in whatever cluster they are.
type Unapplied struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              UnappliedSpec `json:"spec"`
}

// UnappliedSpec says what became of the object, and why.
type UnappliedSpec struct {
	// Object is the object's key, "Kind[.group]/namespace/name".
	Object string `json:"object"`
	// Sources are the objects that it was made from, "cluster:key", sorted. None means that they are not known.
	Sources []string `json:"sources,omitempty"`
	// Result is [ResultError], [ResultConflict] or [ResultRefused].
	Result Result `json:"result"`
	// Message is that of the report in applied/<cluster>.
	Message string `json:"message"`
}
