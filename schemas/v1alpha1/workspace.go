package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// KindWorkspace is the kind of a [Workspace].
const KindWorkspace = "Workspace"

// DefaultWorkspace is the workspace of every namespace that no Workspace
// claims. A Workspace of that name gives it imports and exports.
const DefaultWorkspace = "default"

// Conditions and reasons of a Workspace.
const (
	// ConditionConflicted is True when older Workspaces have namespaces that the Workspace claims too. It is absent otherwise.
	ConditionConflicted = "Conflicted"
	// ReasonNamespacesTaken is the reason of Conflicted: the message names the namespaces and who has them.
	ReasonNamespacesTaken = "NamespacesTaken"
	// ReasonNameConflict is the reason of Accepted=False when an older Workspace of the same name is in another cluster.
	ReasonNameConflict = "NameConflict"
)

// Workspace says which namespaces of which clusters belong together. What is in
// one workspace refers to what is in the same one, and to what another exports
// to it and it imports; everything else is invisible to it.
//
// It counts in the whole fleet, whichever cluster it is written in. As soon as
// there is one, every namespace is in a workspace: that of the oldest Workspace
// that claims it, or the workspace "default".
//
// +kubebuilder:validation:XValidation:message="spec.members must be set, and for the Workspace default, which has what no other has, it must not",rule="has(self.spec.members) == (self.metadata.name != 'default')"
// +kubebuilder:validation:XValidation:message="metadata.name must be a DNS label of at most 63 characters",rule="size(self.metadata.name) <= 63 && !self.metadata.name.contains('.')"
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=ws,categories=meshweir
// +kubebuilder:printcolumn:name="Namespaces",type=integer,JSONPath=`.status.namespaces`
// +kubebuilder:printcolumn:name="Clusters",type=integer,JSONPath=`.status.clusters`
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name="Conflicted",type=string,JSONPath=`.status.conditions[?(@.type=="Conflicted")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Workspace struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what the user wants.
	Spec WorkspaceSpec `json:"spec"`
	// Status is what the translator found. Read only.
	// +optional
	Status WorkspaceStatus `json:"status,omitzero"`
}

// WorkspaceSpec says what belongs to a workspace, and what it shares with others.
type WorkspaceSpec struct {
	// Members are the namespaces; one that any member matches belongs to the workspace. Not allowed for the workspace "default".
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Members []WorkspaceMember `json:"members,omitempty"`
	// Exports say what others may import. Default: nothing.
	// +optional
	// +listType=map
	// +listMapKey=workspace
	// +kubebuilder:validation:MaxItems=64
	Exports []WorkspaceShare `json:"exports,omitempty"`
	// Imports say what of others, which must export it, is used. Default: nothing.
	// +optional
	// +listType=map
	// +listMapKey=workspace
	// +kubebuilder:validation:MaxItems=64
	Imports []WorkspaceShare `json:"imports,omitempty"`
}

// WorkspaceMember is a set of namespaces, by name or by labels.
// +kubebuilder:validation:XValidation:message="exactly one of namespaces and labels must be set",rule="has(self.namespaces) != has(self.labels)"
type WorkspaceMember struct {
	// Clusters are the clusters of the namespaces. Default (none): every cluster.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=128
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$`
	Clusters []string `json:"clusters,omitempty"`
	// Namespaces are names of namespaces; "*" means every one.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:Pattern=`^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$`
	Namespaces []string `json:"namespaces,omitempty"`
	// Labels are labels that the namespaces have, all of them.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=16
	Labels map[string]string `json:"labels,omitempty"`
}

// WorkspaceShare names another workspace, and what passes between the two.
type WorkspaceShare struct {
	// Workspace is the other's name; "*" means every other one.
	// +required
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$`
	Workspace string `json:"workspace"`
	// Kinds are the kinds of objects that pass. Default (none): all of GlobalService, Service and Gateway.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=3
	Kinds []SharedKind `json:"kinds,omitempty"`
}

// SharedKind is a kind of objects that one workspace has and others may refer to.
// +kubebuilder:validation:Enum=GlobalService;Service;Gateway
type SharedKind string

// The kinds that pass between workspaces.
const (
	// ShareGlobalService lets others call the hosts of GlobalServices, and name them as backends.
	ShareGlobalService SharedKind = "GlobalService"
	// ShareService lets others name Services as backends, and put them behind GlobalServices.
	ShareService SharedKind = "Service"
	// ShareGateway lets routes of others attach to Gateways.
	ShareGateway SharedKind = "Gateway"
)

// WorkspaceStatus is what the translator found.
type WorkspaceStatus struct {
	// Conditions are Accepted, and where it holds Conflicted.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Namespaces is the number of namespaces that the workspace has.
	// +optional
	Namespaces int32 `json:"namespaces"`
	// Clusters is the number of clusters that these namespaces are in.
	// +optional
	Clusters int32 `json:"clusters"`
}

// WorkspaceList is a list of Workspaces.
// +kubebuilder:object:root=true
type WorkspaceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	// Items are the Workspaces.
	Items []Workspace `json:"items"`
}
