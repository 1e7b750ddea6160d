// Package v1alpha1 holds the custom resources of the group meshweir.io.
//
// Routing is the standard Gateway API with the class "meshweir"; these
// resources add what it does not have. They report Gateway API-style conditions
// in their status.
//
// +groupName=meshweir.io
// +kubebuilder:object:generate=false
package v1alpha1

//go:generate go tool controller-gen crd paths=. output:crd:dir=../../deploy/k8s/crds

import "github.com/meshweir/meshweir/schemas/resource"

// APIVersion is the apiVersion of every resource of this package.
const APIVersion = resource.Group + "/v1alpha1"

// Conditions that resources of several kinds report.
const (
	// ConditionAccepted says whether the resource is valid and in force.
	ConditionAccepted = "Accepted"
	// ConditionResolvedRefs says whether everything that the resource refers to exists.
	ConditionResolvedRefs = "ResolvedRefs"
	// ConditionProgrammed says whether Istio configuration was made for the resource.
	ConditionProgrammed = "Programmed"
	// ConditionInputMissing is True while a cluster that the resource's configuration was made from
	// has not been seen: what stands in the clusters is held as it is. It is absent otherwise.
	ConditionInputMissing = "InputMissing"
	// ConditionTrustMismatch is True when clusters that should reach one another have no root certificate in common, and Unknown when their roots are. It is absent otherwise.
	ConditionTrustMismatch = "TrustMismatch"
	// ConditionConflict is True while an object that was made from the resource, for whatever cluster, has the name of one that a
	// user made there, which is left alone. It is absent otherwise.
	ConditionConflict = "Conflict"
	// ConditionNotApplied is True while a cluster does not take an object that was made from the resource. It is absent otherwise.
	ConditionNotApplied = "NotApplied"
)

// Reasons of the conditions, beside those of the Gateway API.
const (
	// ReasonCluster is the reason of Conflict and NotApplied: the message says which cluster has what against it.
	ReasonCluster = "Cluster"
	// ReasonClusterMissing is the reason of InputMissing: the message names the clusters.
	ReasonClusterMissing = "ClusterMissing"
	// ReasonRootsDiffer is the reason of TrustMismatch: the message names the clusters.
	ReasonRootsDiffer = "RootsDiffer"
	// ReasonRootsUnknown is the reason of TrustMismatch when it is Unknown: the message names the clusters.
	ReasonRootsUnknown = "RootsUnknown"
	// ReasonClusterNotFound is the reason of ResolvedRefs=False when a cluster that is named is not there, or has nothing of what is selected in it.
	ReasonClusterNotFound = "ClusterNotFound"
	// ReasonHostConflict is the reason of Accepted=False when an older resource has the host, or the namespace and name in another cluster.
	ReasonHostConflict = "HostConflict"
	// ReasonNoServices is the reason of ResolvedRefs=False when no cluster has a Service that is selected.
	ReasonNoServices = "NoServices"
	// ReasonNoGateway is the reason of ResolvedRefs=False when clusters have Services that others cannot reach, because they have no east-west gateway with an address.
	ReasonNoGateway = "NoGateway"
	// ReasonPortNotFound is the reason of ResolvedRefs=False when a selected Service lacks a port.
	ReasonPortNotFound = "PortNotFound"
)
