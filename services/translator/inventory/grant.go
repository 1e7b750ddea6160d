package inventory

import (
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/translator/graph"
)

// Granted reports whether an object of a kind and namespace may refer to
// another: both are of one namespace, or a ReferenceGrant beside the other, in
// the other's cluster, allows it.
func (inv *Inventory) Granted(r *graph.Reader, fromGroup, fromKind, fromNamespace, cluster string, to resource.Key) bool {
	if fromNamespace == to.Namespace {
		return true
	}
	for _, grant := range inv.ReferenceGrants(r, cluster, to.Namespace) {
		if grantsFrom(grant, fromGroup, fromKind, fromNamespace) && grantsTo(grant, to) {
			return true
		}
	}
	return false
}

func grantsFrom(grant *gatewayv1.ReferenceGrant, group, kind, namespace string) bool {
	for _, from := range grant.Spec.From {
		if string(from.Group) == group && string(from.Kind) == kind && string(from.Namespace) == namespace {
			return true
		}
	}
	return false
}

func grantsTo(grant *gatewayv1.ReferenceGrant, to resource.Key) bool {
	for _, t := range grant.Spec.To {
		if string(t.Group) == to.Group && string(t.Kind) == to.Kind && (t.Name == nil || string(*t.Name) == to.Name) {
			return true
		}
	}
	return false
}
