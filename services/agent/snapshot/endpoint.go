package snapshot

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
)

// isEastWest reports whether a Service is one at which other networks reach this cluster.
func isEastWest(service *corev1.Service) bool {
	_, network := service.Labels[networkLabel]
	return network || service.Labels["istio"] == "eastwestgateway"
}

// surroundings is what a gateway endpoint takes from the cluster around its Service.
type surroundings struct {
	network  string
	locality string
}

// gatewayEndpoint says where other clusters reach an east-west gateway.
func gatewayEndpoint(service *corev1.Service, around surroundings) (Object, error) {
	endpoint := internalv1.GatewayEndpoint{
		TypeMeta:   metav1.TypeMeta{APIVersion: internalv1.APIVersion, Kind: internalv1.KindGatewayEndpoint},
		ObjectMeta: metav1.ObjectMeta{Namespace: service.Namespace, Name: service.Name},
		Spec: internalv1.GatewayEndpointSpec{
			Addresses: addresses(service), Port: tlsPort(service), Selector: service.Spec.Selector,
			Network: around.network, Locality: around.locality,
		},
	}
	if network := service.Labels[networkLabel]; network != "" {
		endpoint.Spec.Network = network
	}
	value, err := json.Marshal(endpoint)
	if err != nil {
		return Object{}, fmt.Errorf("encoding the gateway endpoint %s/%s: %w", service.Namespace, service.Name, err)
	}
	return Object{Key: endpointKey(service.Namespace, service.Name), Value: value}, nil
}

func endpointKey(namespace, name string) resource.Key {
	return resource.Key{Group: resource.InternalGroup, Kind: internalv1.KindGatewayEndpoint, Namespace: namespace, Name: name}
}

func addresses(service *corev1.Service) []string {
	found := slices.Clone(service.Spec.ExternalIPs)
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		for _, address := range []string{ingress.IP, ingress.Hostname} {
			if address != "" {
				found = append(found, address)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// tlsPort returns the Service's port for mutual TLS: 15443, or what leads to it, or what is named "tls".
func tlsPort(service *corev1.Service) uint32 {
	rules := []func(corev1.ServicePort) bool{
		func(p corev1.ServicePort) bool { return p.Port == internalv1.EastWestPort },
		func(p corev1.ServicePort) bool { return p.TargetPort.IntValue() == internalv1.EastWestPort },
		func(p corev1.ServicePort) bool { return p.Name == "tls" },
	}
	for _, rule := range rules {
		if i := slices.IndexFunc(service.Spec.Ports, rule); i >= 0 && service.Spec.Ports[i].Port > 0 {
			return uint32(service.Spec.Ports[i].Port)
		}
	}
	return 0
}

// locality returns "region/zone", as far as all Nodes agree on it.
func locality(nodes map[string]map[string]string) string {
	const regionLabel, zoneLabel = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"
	agreed := func(label string) string {
		values := map[string]bool{}
		for _, labels := range nodes {
			values[labels[label]] = true
		}
		if len(values) == 1 {
			for value := range values {
				return value
			}
		}
		return ""
	}
	region, zone := agreed(regionLabel), agreed(zoneLabel)
	if region == "" || zone == "" {
		return region
	}
	return region + "/" + zone
}

// meshObject says what the mesh is to other clusters; ok is false while its root certificates are unknown.
func meshObject(config resource.Key, data map[string]any) (object Object, ok bool) {
	bundle, _ := data["root-cert.pem"].(string)
	roots := fingerprints(bundle)
	if len(roots) == 0 {
		return Object{}, false
	}
	value, err := json.Marshal(internalv1.Mesh{
		TypeMeta:   metav1.TypeMeta{APIVersion: internalv1.APIVersion, Kind: internalv1.KindMesh},
		ObjectMeta: metav1.ObjectMeta{Namespace: config.Namespace, Name: config.Name},
		Spec:       internalv1.MeshSpec{TrustRoots: roots},
	})
	key := resource.Key{Group: resource.InternalGroup, Kind: internalv1.KindMesh, Namespace: config.Namespace, Name: config.Name}
	return Object{Key: key, Value: value}, err == nil
}

// fingerprints returns the sorted fingerprints of the certificates in a bundle.
func fingerprints(bundle string) []string {
	var found []string
	for block, rest := pem.Decode([]byte(bundle)); block != nil; block, rest = pem.Decode(rest) {
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			found = append(found, fingerprint(c))
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
