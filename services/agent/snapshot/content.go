package snapshot

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
)

// content says what of a kind is taken.
type content struct {
	// clusterScoped kinds have no namespace.
	clusterScoped bool
	// fields are the paths, below the object, that are kept beside metadata; lists on the way are walked through.
	// None means everything but the status.
	fields []string
	// labels and annotations, when set, keep only what has one of these prefixes or, before the slash, suffixes.
	labels, annotations []string
	// defaults are what an API server would have filled in and readers rely on.
	defaults []fieldDefault
}

// contents is the content of a snapshot: every kind that is taken, and what of it readers use.
// A group with an empty kind stands for every kind of the group that is not named itself.
func contents() map[schema.GroupKind]content {
	const (
		apps      = "apps"
		admission = "admissionregistration.k8s.io"
	)
	istioOnly := []string{"istio.io/"}
	workload := func(fields ...string) content {
		return content{
			fields: append(fields,
				"spec.replicas", "spec.selector", "spec.template.metadata.labels", "spec.template.metadata.annotations",
				"spec.template.spec.serviceAccountName", "spec.template.spec.hostNetwork",
				"spec.template.spec.containers.name", "spec.template.spec.containers.image",
				"spec.template.spec.containers.ports", "spec.template.spec.containers.resources",
				"spec.template.spec.initContainers.name", "spec.template.spec.initContainers.image",
				"status.observedGeneration", "status.replicas", "status.readyReplicas", "status.updatedReplicas", "status.availableReplicas"),
			defaults: []fieldDefault{{"spec.replicas", int64(1)}},
		}
	}
	daemonSet := workload("status.desiredNumberScheduled", "status.currentNumberScheduled", "status.numberReady", "status.numberAvailable", "status.updatedNumberScheduled")
	daemonSet.defaults = nil
	webhooks := content{clusterScoped: true, fields: []string{
		"webhooks.name", "webhooks.clientConfig", "webhooks.failurePolicy", "webhooks.namespaceSelector", "webhooks.objectSelector",
	}}
	return map[schema.GroupKind]content{
		{Kind: "Namespace"}: {clusterScoped: true, fields: []string{}},
		{Kind: "Node"}: {
			clusterScoped: true, fields: []string{},
			labels:      []string{"topology.kubernetes.io/", "topology.istio.io/", "kubernetes.io/hostname"},
			annotations: []string{},
		},
		{Kind: "Service"}: {fields: []string{"spec", "status.loadBalancer"}, defaults: serviceDefaults()},
		{Kind: "Pod"}: {
			fields: []string{
				"spec.nodeName", "spec.serviceAccountName", "spec.hostNetwork",
				"spec.containers.name", "spec.containers.image", "spec.initContainers.name", "spec.initContainers.image",
				"status.phase", "status.podIP", "status.startTime",
				"status.conditions.type", "status.conditions.status", "status.conditions.reason",
				"status.containerStatuses.name", "status.containerStatuses.ready", "status.containerStatuses.restartCount",
				"status.containerStatuses.lastState.terminated.reason", "status.containerStatuses.state.waiting.reason",
				"status.initContainerStatuses.name", "status.initContainerStatuses.ready", "status.initContainerStatuses.restartCount",
			},
			annotations: istioOnly,
		},
		// Candidates: Builder passes on only Istio's mesh configuration and what a Gateway names.
		{Kind: "ConfigMap"}: {fields: []string{"data"}},
		// Reduced to an internal Certificate, see certificate.go.
		{Kind: "Secret"}: {},

		{Group: apps, Kind: "Deployment"}:  workload("status.unavailableReplicas"),
		{Group: apps, Kind: "StatefulSet"}: workload("spec.serviceName"),
		{Group: apps, Kind: "DaemonSet"}:   daemonSet,
		{Group: apps, Kind: "ReplicaSet"}: {
			fields:   []string{"spec.replicas", "spec.selector", "status.observedGeneration", "status.replicas", "status.readyReplicas", "status.availableReplicas"},
			defaults: []fieldDefault{{"spec.replicas", int64(1)}},
		},
		{Group: "discovery.k8s.io", Kind: "EndpointSlice"}: {
			fields: []string{
				"addressType", "ports", "endpoints.addresses", "endpoints.conditions", "endpoints.hostname",
				"endpoints.nodeName", "endpoints.zone", "endpoints.targetRef.kind", "endpoints.targetRef.namespace", "endpoints.targetRef.name",
			},
			defaults: []fieldDefault{{"ports.protocol", "TCP"}},
		},
		{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}: {
			fields: []string{
				"spec.scaleTargetRef", "spec.minReplicas", "spec.maxReplicas", "status.currentReplicas", "status.desiredReplicas",
				"status.conditions.type", "status.conditions.status", "status.conditions.reason",
			},
			defaults: []fieldDefault{{"spec.minReplicas", int64(1)}},
		},
		{Group: "policy", Kind: "PodDisruptionBudget"}: {
			fields: []string{"spec", "status.currentHealthy", "status.desiredHealthy", "status.disruptionsAllowed", "status.expectedPods"},
		},
		{Group: admission, Kind: "MutatingWebhookConfiguration"}:   webhooks,
		{Group: admission, Kind: "ValidatingWebhookConfiguration"}: webhooks,

		{Group: "networking.istio.io"}: {},
		{Group: "security.istio.io"}:   {},
		{Group: "telemetry.istio.io"}:  {},
		{Group: "extensions.istio.io"}: {},

		{Group: resource.GatewayGroup}:                        {},
		{Group: resource.GatewayGroup, Kind: "GatewayClass"}:  {clusterScoped: true},
		{Group: resource.GatewayGroup, Kind: "Gateway"}:       {defaults: gatewayDefaults()},
		{Group: resource.GatewayGroup, Kind: "HTTPRoute"}:     {defaults: httpRouteDefaults()},
		{Group: resource.GatewayGroup, Kind: "GRPCRoute"}:     {defaults: grpcRouteDefaults()},
		{Group: resource.Group}:                               {},
		{Group: resource.Group, Kind: v1alpha1.KindWorkspace}: {clusterScoped: true},
	}
}
