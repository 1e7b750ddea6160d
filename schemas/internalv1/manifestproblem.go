package internalv1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ManifestProblem reports what is wrong with a manifest in a cluster that is a folder of files, or with an object of a real one.
type ManifestProblem struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              ManifestProblemSpec `json:"spec"`
}

// ManifestProblemSpec says what is wrong, where, and how to mend it.
type ManifestProblemSpec struct {
	// File is the path of the manifest within the cluster's folder, with slashes; of a real cluster, the key of the object.
	File string `json:"file"`
	// Line is the line in the file, from 1; 0 means that the line is unknown.
	Line int `json:"line,omitempty"`
	// Document is the index of the YAML document in the file, from 0.
	Document int `json:"document"`
	// Message says what is wrong and how to mend it.
	Message string `json:"message"`
	// LastGood says that the file's last good state is still in force.
	LastGood bool `json:"lastGood"`
}
