package globalservice

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/output"
)

// addStatuses adds the status of every object of a namespace and name: the one in force, and those that are not.
func (t *Translator) addStatuses(r *graph.Reader, statuses output.Set, p plan, name Name, objects output.Set) {
	elected := t.effective.Get(r, name)
	for _, ref := range elected.All {
		service, problem := t.inv.GlobalService(r, ref.Cluster, name.Namespace, name.Name)
		generation := service.Generation
		var status v1alpha1.GlobalServiceStatus
		switch {
		case problem != "":
			status = refused(reasonInvalid, problem, generation)
		case ref != p.Home:
			message := "An older GlobalService of the same namespace and name is in cluster " + p.Home.Cluster + elected.Unseen
			status = refused(v1alpha1.ReasonHostConflict, message, generation)
		case p.Reason != "":
			status = refused(p.Reason, p.Message, generation)
		default:
			status = t.accepted(r, p, name, len(objects) > 0, generation)
		}
		status.Conditions = append(status.Conditions, t.hold.Conditions(r, ref, generation)...)
		statuses.Put(ref.Cluster, ref.Key, output.Status(generation, status))
	}
}

func refused(reason, message string, generation int64) v1alpha1.GlobalServiceStatus {
	return v1alpha1.GlobalServiceStatus{Conditions: []metav1.Condition{
		output.Condition(v1alpha1.ConditionAccepted, false, reason, message, generation),
		output.Condition(v1alpha1.ConditionProgrammed, false, reason, "Nothing is made of a GlobalService that is not accepted", generation),
	}}
}

func (t *Translator) accepted(r *graph.Reader, p plan, name Name, programmed bool, generation int64) v1alpha1.GlobalServiceStatus {
	status := v1alpha1.GlobalServiceStatus{Conditions: []metav1.Condition{
		output.Condition(v1alpha1.ConditionAccepted, true, v1alpha1.ConditionAccepted, "", generation),
		t.resolved(r, p, name, generation),
	}}
	if programmed {
		status.Conditions = append(status.Conditions, output.Condition(v1alpha1.ConditionProgrammed, true, v1alpha1.ConditionProgrammed, "", generation))
	} else {
		status.Conditions = append(status.Conditions,
			output.Condition(v1alpha1.ConditionProgrammed, false, v1alpha1.ReasonNoServices, "There is no Service to send requests to", generation))
	}
	status.Conditions = append(status.Conditions, t.trust(r, p, name, generation)...)
	for _, provider := range p.Providers {
		cluster := v1alpha1.GlobalServiceCluster{Name: provider.Cluster}
		for _, b := range provider.Backends {
			cluster.Services = append(cluster.Services, b.Namespace+"/"+b.Name)
		}
		status.Clusters = append(status.Clusters, cluster)
	}
	return status
}

func (t *Translator) resolved(r *graph.Reader, p plan, name Name, generation int64) metav1.Condition {
	unresolved := func(reason, message string) metav1.Condition {
		return output.Condition(v1alpha1.ConditionResolvedRefs, false, reason, message, generation)
	}
	if len(p.Hidden) > 0 {
		return unresolved(string(gatewayv1.RouteReasonRefNotPermitted), strings.Join(p.Hidden, "; "))
	}
	if len(p.Unusable) > 0 {
		return unresolved(v1alpha1.ReasonPortNotFound, strings.Join(p.Unusable, "; "))
	}
	if len(p.Providers) == 0 {
		return unresolved(v1alpha1.ReasonNoServices, "No cluster has a Service that spec.services selects")
	}
	if clusters := t.unreachable(r, p, name); len(clusters) > 0 {
		message := "No east-west gateway with an address, so other clusters cannot reach the Services in: " + strings.Join(clusters, ", ") +
			". It is a Service with the label istio=eastwestgateway and an address that others reach"
		return unresolved(v1alpha1.ReasonNoGateway, message)
	}
	if len(p.Absent) > 0 {
		return unresolved(v1alpha1.ReasonClusterNotFound, strings.Join(p.Absent, "; "))
	}
	return output.Condition(v1alpha1.ConditionResolvedRefs, true, v1alpha1.ConditionResolvedRefs, "", generation)
}
