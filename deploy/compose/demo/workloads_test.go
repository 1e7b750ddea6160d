package demo

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	admission "k8s.io/api/admissionregistration/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	policy "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/meshweir/meshweir/schemas/resource"
)

func (c *checks) checkWorkload(o object) {
	switch v := o.value.(type) {
	case *apps.Deployment:
		c.checkReady(o, v.Spec.Selector, v.Status.Replicas, v.Status.ReadyReplicas)
	case *apps.ReplicaSet:
		c.checkReady(o, v.Spec.Selector, v.Status.Replicas, v.Status.ReadyReplicas)
	case *apps.StatefulSet:
		c.checkReady(o, v.Spec.Selector, v.Status.Replicas, v.Status.ReadyReplicas)
		c.has(o, resource.Key{Kind: "Service", Namespace: v.Namespace, Name: v.Spec.ServiceName})
	case *apps.DaemonSet:
		c.checkReady(o, v.Spec.Selector, v.Status.DesiredNumberScheduled, v.Status.NumberReady)
	case *autoscaling.HorizontalPodAutoscaler:
		c.has(o, resource.Key{Group: "apps", Kind: v.Spec.ScaleTargetRef.Kind, Namespace: v.Namespace, Name: v.Spec.ScaleTargetRef.Name})
	case *policy.PodDisruptionBudget:
		c.checkReady(o, v.Spec.Selector, v.Status.ExpectedPods, v.Status.CurrentHealthy)
	case *core.Pod:
		c.has(o, resource.Key{Kind: "Node", Name: v.Spec.NodeName})
		if len(v.OwnerReferences) != 1 {
			c.problem(o, "%d owners", len(v.OwnerReferences))
		}
	}
}

// checkReady compares a status with the Pods that the selector selects.
func (c *checks) checkReady(o object, selector *metav1.LabelSelector, replicas, ready int32) {
	matches, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		c.problem(o, "%v", err)
		return
	}
	pods := c.pods(o.key.Namespace, matches)
	var readyPods int32
	for _, pod := range pods {
		if isReady(pod) {
			readyPods++
		}
	}
	if int(replicas) != len(pods) || ready != readyPods {
		c.problem(o, "status has %d/%d ready, the Pods are %d/%d", ready, replicas, readyPods, len(pods))
	}
}

func isReady(pod *core.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == core.PodReady {
			return condition.Status == core.ConditionTrue
		}
	}
	return false
}

func (c *checks) checkService(o object) {
	switch v := o.value.(type) {
	case *core.Service:
		c.selects(o, v.Namespace, v.Spec.Selector)
	case *discovery.EndpointSlice:
		c.checkEndpoints(o, v)
	case *admission.MutatingWebhookConfiguration:
		for _, webhook := range v.Webhooks {
			c.checkWebhook(o, webhook.ClientConfig)
		}
	case *admission.ValidatingWebhookConfiguration:
		for _, webhook := range v.Webhooks {
			c.checkWebhook(o, webhook.ClientConfig)
		}
	}
}

func (c *checks) checkWebhook(o object, client admission.WebhookClientConfig) {
	c.has(o, resource.Key{Kind: "Service", Namespace: client.Service.Namespace, Name: client.Service.Name})
	if _, err := parseCertificate(client.CABundle); err != nil {
		c.problem(o, "caBundle: %v", err)
	}
}

func (c *checks) checkEndpoints(o object, slice *discovery.EndpointSlice) {
	service := resource.Key{Kind: "Service", Namespace: slice.Namespace, Name: slice.Labels[discovery.LabelServiceName]}
	if !c.has(o, service) {
		return
	}
	targets := map[string]intstr.IntOrString{}
	found := c.byKey[service].value.(*core.Service)
	for _, port := range found.Spec.Ports {
		targets[port.Name] = port.TargetPort
	}
	for _, port := range slice.Ports {
		if targets[*port.Name].IntVal != *port.Port {
			c.problem(o, "port %s is %d, the Service says %v", *port.Name, *port.Port, targets[*port.Name])
		}
	}
	pods := c.pods(slice.Namespace, labels.SelectorFromSet(found.Spec.Selector))
	if len(pods) != len(slice.Endpoints) {
		c.problem(o, "%d endpoints for %d Pods", len(slice.Endpoints), len(pods))
	}
	for _, endpoint := range slice.Endpoints {
		key := resource.Key{Kind: "Pod", Namespace: endpoint.TargetRef.Namespace, Name: endpoint.TargetRef.Name}
		if !c.has(o, key) {
			continue
		}
		pod := c.byKey[key].value.(*core.Pod)
		if endpoint.Addresses[0] != pod.Status.PodIP || *endpoint.NodeName != pod.Spec.NodeName || *endpoint.Conditions.Ready != isReady(pod) {
			c.problem(o, "endpoint %s is not as its Pod", key.Name)
		}
		node := c.byKey[resource.Key{Kind: "Node", Name: pod.Spec.NodeName}]
		if node.meta == nil || *endpoint.Zone != node.meta.GetLabels()[core.LabelTopologyZone] {
			c.problem(o, "endpoint %s is not in the zone of its Node", key.Name)
		}
	}
}

func TestPodAddressesAreUniqueInACluster(t *testing.T) {
	objects, _ := load(t)
	seen := map[string]string{}
	for _, o := range objects {
		var address string
		switch v := o.value.(type) {
		case *core.Pod:
			address = v.Status.PodIP
		case *core.Service:
			address = v.Spec.ClusterIP
		}
		if address == "" {
			continue
		}
		if first, ok := seen[o.cluster+address]; ok {
			t.Errorf("%s: %s and %s both have %s", o.cluster, first, o.key, address)
		}
		seen[o.cluster+address] = o.key.String()
	}
}

func TestClustersAreToldApartByTheUIDOfKubeSystem(t *testing.T) {
	objects, _ := load(t)
	clusters := map[string]string{}
	for _, o := range objects {
		if o.key == (resource.Key{Kind: "Namespace", Name: "kube-system"}) {
			clusters[string(o.meta.GetUID())] = o.cluster
		}
	}
	if _, empty := clusters[""]; empty || len(clusters) != len(Clusters()) {
		t.Errorf("uids of kube-system by cluster: %v, want a different one for each cluster", clusters)
	}
}

func TestSecretsHoldACertificateAndNoPrivateKey(t *testing.T) {
	objects, _ := load(t)
	for _, o := range objects {
		secret, ok := o.value.(*core.Secret)
		if !ok {
			continue
		}
		if secret.Type != core.SecretTypeTLS {
			t.Errorf("%s: %s is of type %s, want %s", o.file, o.key, secret.Type, core.SecretTypeTLS)
		}
		if _, err := parseCertificate(secret.Data[core.TLSCertKey]); err != nil {
			t.Errorf("%s: %s: %v", o.file, o.key, err)
		}
		key := secret.Data[core.TLSPrivateKeyKey]
		if block, _ := pem.Decode(key); block != nil || !strings.Contains(string(key), "DEMO ONLY") {
			t.Errorf("%s: %s has something else than the demo sentence as its key", o.file, o.key)
		}
	}
}

func parseCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no PEM block")
	}
	return x509.ParseCertificate(block.Bytes)
}
