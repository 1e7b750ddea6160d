// Package internalv1 holds what an agent computes about its cluster and what
// exists in no cluster: objects of the group internal.meshweir.io, which travel
// in a snapshot beside the real ones and have their shape (apiVersion, kind,
// metadata, spec), and [Applied], the record of what became of an output.
//
// The name of an internal object says where it comes from: a [Certificate] has
// the namespace and name of its Secret, a [GatewayEndpoint] those of its
// Service, a [Mesh] those of the ConfigMap with its root certificates, a
// [ManifestProblem] a slug of its file's path, an [UnreadKind] the kind that it speaks of,
// an [Unapplied] the object of the output.
package internalv1

import "github.com/meshweir/meshweir/schemas/resource"

// APIVersion is the apiVersion of every object of this package.
const APIVersion = resource.InternalGroup + "/v1"

// Kinds of the objects of this package.
const (
	// KindCertificate is the kind of a [Certificate].
	KindCertificate = "Certificate"
	// KindGatewayEndpoint is the kind of a [GatewayEndpoint].
	KindGatewayEndpoint = "GatewayEndpoint"
	// KindMesh is the kind of a [Mesh].
	KindMesh = "Mesh"
	// KindManifestProblem is the kind of a [ManifestProblem].
	KindManifestProblem = "ManifestProblem"
	// KindUnapplied is the kind of an [Unapplied].
	KindUnapplied = "Unapplied"
	// KindUnreadKind is the kind of an [UnreadKind].
	KindUnreadKind = "UnreadKind"
)
