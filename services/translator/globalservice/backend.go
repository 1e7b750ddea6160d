package globalservice

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/meshweir/meshweir/schemas/v1alpha1"
)

// resolveBackend returns how to call a Service, or why that cannot be done.
func resolveBackend(s selection, spec v1alpha1.GlobalServiceSpec) (b backend, problem string) {
	if s.service.Spec.Type == corev1.ServiceTypeExternalName {
		return backend{}, fmt.Sprintf("is of type ExternalName: have spec.services[%d] select another", s.selectors[0])
	}
	selector := s.selectors[0]
	b = backend{s.service.Namespace, s.service.Name, map[string]uint32{}}
	for i, port := range spec.Ports {
		wanted, field := wantedPort(i, port, selector, spec.Services[selector].Ports)
		found := slices.IndexFunc(s.service.Spec.Ports, func(p corev1.ServicePort) bool { return isPort(p, wanted) })
		if found < 0 {
			return backend{}, fmt.Sprintf("has no TCP port %s: correct %s%s", wanted.String(), field, orOverride(field, selector))
		}
		number, problem := numberOf(s.service, s.service.Spec.Ports[found])
		if problem != "" {
			return backend{}, problem
		}
		b.Ports[port.Name] = number
	}
	return b, ""
}

// orOverride names the other field that can be set when the port of all Services is not that of some.
func orOverride(field string, selector int) string {
	if strings.HasPrefix(field, "spec.services") {
		return ""
	}
	return fmt.Sprintf(", or set spec.services[%d].ports for what it selects", selector)
}

// wantedPort returns the number or name of a Service's port behind a port of the host, and the field that says so.
func wantedPort(i int, port v1alpha1.GlobalServicePort, selector int, own []v1alpha1.SelectedPort) (wanted intstr.IntOrString, field string) {
	if j := slices.IndexFunc(own, func(p v1alpha1.SelectedPort) bool { return p.Name == port.Name }); j >= 0 {
		return own[j].ServicePort, fmt.Sprintf("spec.services[%d].ports[%d].servicePort", selector, j)
	}
	if port.ServicePort == (intstr.IntOrString{}) {
		port.ServicePort = intstr.FromInt32(port.Port)
	}
	return port.ServicePort, fmt.Sprintf("spec.ports[%d].servicePort", i)
}

func isPort(port corev1.ServicePort, wanted intstr.IntOrString) bool {
	if port.Protocol != "" && port.Protocol != corev1.ProtocolTCP {
		return false
	}
	if wanted.Type == intstr.String {
		return port.Name == wanted.StrVal
	}
	return port.Port == wanted.IntVal
}

// numberOf returns the number at which the name of a Service is called. That of
// a headless Service leads to its Pods, which listen at the target port.
func numberOf(service *corev1.Service, port corev1.ServicePort) (number uint32, problem string) {
	if service.Spec.ClusterIP != corev1.ClusterIPNone {
		return uint32(port.Port), ""
	}
	switch {
	case port.TargetPort.StrVal != "":
		return 0, fmt.Sprintf("is headless, and the target of its port %d is a name: make its targetPort a number", port.Port)
	case port.TargetPort.IntVal != 0:
		return uint32(port.TargetPort.IntVal), ""
	}
	return uint32(port.Port), ""
}
