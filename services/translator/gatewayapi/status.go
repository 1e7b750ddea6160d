package gatewayapi

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/inventory"
	"github.com/meshweir/meshweir/services/translator/output"
)

func (t *Translator) gatewayStatus(r *graph.Reader, g gateway, programmed []bool) gatewayv1.GatewayStatus {
	status := gatewayv1.GatewayStatus{Addresses: g.Proxies.Addresses}
	conflicts := t.neighbours.Get(r, g.Ref)
	attached := t.attachments.Get(r, g.Ref)
	var invalid, unresolved []string
	for i, l := range g.Listeners {
		conflict := conflicts.Conflicts[i]
		if !l.Refused.none() || !conflict.none() {
			invalid = append(invalid, l.Name)
		}
		if !l.unresolved().none() {
			unresolved = append(unresolved, l.Name)
		}
		status.Listeners = append(status.Listeners, listenerStatus(g, l, conflict, conflicts.Overlaps[i], programmed[i], len(attached.Listeners[i])))
	}
	status.Conditions = append(status.Conditions, acceptedGateway(g, invalid), programmedGateway(g, programmed), resolvedGateway(g, unresolved))
	status.Conditions = append(status.Conditions, t.hold.Conditions(r, g.Ref, g.Generation)...)
	return status
}

// acceptedGateway is True as long as one listener is valid, as the Gateway API demands.
func acceptedGateway(g gateway, invalid []string) metav1.Condition {
	if len(invalid) == 0 || !g.Refused.none() {
		return condition(gatewayv1.GatewayConditionAccepted, g.Refused, gatewayv1.GatewayReasonAccepted, g.Generation)
	}
	return output.Condition(gatewayv1.GatewayConditionAccepted, len(invalid) < len(g.Listeners), gatewayv1.GatewayReasonListenersNotValid,
		"Listeners not accepted: "+strings.Join(invalid, ", "), g.Generation)
}

func programmedGateway(g gateway, programmed []bool) metav1.Condition {
	var f refusal
	switch {
	case !slices.Contains(programmed, true):
		f = refuse(gatewayv1.GatewayReasonInvalid, "No listener can be served")
	case len(g.Proxies.Namespaces) == 0:
		f = refuse(gatewayv1.GatewayReasonNoResources, "No Service selects proxies with the labels "+metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: g.Selector}))
	case len(g.Proxies.Addresses) == 0 && g.Proxies.Pending:
		f = refuse(gatewayv1.GatewayReasonAddressNotAssigned, "The Service of the proxies waits for its address")
	}
	return condition(gatewayv1.GatewayConditionProgrammed, f, gatewayv1.GatewayReasonProgrammed, g.Generation)
}

func resolvedGateway(g gateway, unresolved []string) metav1.Condition {
	var f refusal
	if len(unresolved) > 0 {
		f = refuse(gatewayv1.GatewayReasonListenersNotResolved, "Listeners with unresolved references: "+strings.Join(unresolved, ", "))
	}
	return condition(gatewayv1.GatewayConditionResolvedRefs, f, gatewayv1.GatewayReasonResolvedRefs, g.Generation)
}

func listenerStatus(g gateway, l listener, conflict refusal, overlaps []string, programmed bool, attached int) gatewayv1.ListenerStatus {
	generation := g.Generation
	accepted := l.Refused
	if accepted.none() {
		accepted = conflict
	}
	status := gatewayv1.ListenerStatus{
		Name: gatewayv1.SectionName(l.Name), SupportedKinds: l.Kinds, AttachedRoutes: int32(attached),
		Conditions: []metav1.Condition{condition(gatewayv1.ListenerConditionAccepted, accepted, gatewayv1.ListenerReasonAccepted, generation)},
	}
	var unprogrammed refusal
	if !programmed {
		unprogrammed = refuse(gatewayv1.ListenerReasonInvalid, "The listener or its Gateway is not accepted, or a reference is not resolved")
	}
	conflicted := output.Condition(gatewayv1.ListenerConditionConflicted, false, gatewayv1.ListenerReasonNoConflicts, "", generation)
	if !conflict.none() {
		conflicted = output.Condition(gatewayv1.ListenerConditionConflicted, true, conflict.Reason, conflict.Message, generation)
	}
	status.Conditions = append(status.Conditions,
		condition(gatewayv1.ListenerConditionProgrammed, unprogrammed, gatewayv1.ListenerReasonProgrammed, generation),
		condition(gatewayv1.ListenerConditionResolvedRefs, l.unresolved(), gatewayv1.ListenerReasonResolvedRefs, generation),
		conflicted)
	if len(overlaps) > 0 {
		message := fmt.Sprintf("Host names overlap with: %s. A client that reuses a connection may get the other's certificate", strings.Join(overlaps, ", "))
		status.Conditions = append(status.Conditions,
			output.Condition(gatewayv1.ListenerConditionOverlappingTLSConfig, true, gatewayv1.ListenerReasonOverlappingHostnames, message, generation))
	}
	return status
}

// TranslateRoute returns the status of a route for the parents that are ours.
func (t *Translator) TranslateRoute(r *graph.Reader, ref inventory.Ref) output.Set {
	statuses := output.Set{}
	source := t.source(r, ref)
	if source == nil {
		return statuses
	}
	var status gatewayv1.RouteStatus
	for i, parent := range source.Parents {
		came := t.outcomes.Get(r, parentOf{ref, i})
		if !came.Ours {
			continue
		}
		conditions := []metav1.Condition{
			condition(gatewayv1.RouteConditionAccepted, came.Refused, gatewayv1.RouteReasonAccepted, source.Generation),
			condition(gatewayv1.RouteConditionResolvedRefs, t.routes.Get(r, ref).Unresolved, gatewayv1.RouteReasonResolvedRefs, source.Generation),
		}
		status.Parents = append(status.Parents, gatewayv1.RouteParentStatus{
			ParentRef:      parent,
			ControllerName: resource.ControllerName,
			Conditions:     append(conditions, t.hold.Conditions(r, ref, source.Generation)...),
		})
	}
	if len(status.Parents) > 0 {
		statuses.Put(ref.Cluster, ref.Key, output.Status(source.Generation, status))
	}
	return statuses
}
