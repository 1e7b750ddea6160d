package globalservice

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/meshweir/meshweir/schemas/v1alpha1"
)

// reasonInvalid is the reason of Accepted=False for a spec that the rules of the custom resource forbid.
const reasonInvalid = "Invalid"

// invalid returns what is wrong with a spec, and "" when nothing is. An API
// server that has the custom resource's rules refuses the same specs; a folder
// of manifests does not.
func invalid(spec v1alpha1.GlobalServiceSpec) string {
	if errs := validation.IsDNS1123Subdomain(spec.Host); len(errs) > 0 || !strings.Contains(spec.Host, ".") || len(spec.Host) > 200 {
		return fmt.Sprintf("spec.host: %q is no DNS name of two labels or more", spec.Host)
	}
	if strings.HasSuffix(spec.Host, ".cluster.local") {
		return "spec.host: names under cluster.local belong to Kubernetes"
	}
	if len(spec.Ports) == 0 {
		return "spec.ports: at least one port is needed"
	}
	if problem := invalidPorts(spec.Ports); problem != "" {
		return problem
	}
	if len(spec.Services) == 0 {
		return "spec.services: at least one selector is needed"
	}
	for i, selector := range spec.Services {
		field := fmt.Sprintf("spec.services[%d]", i)
		if (selector.Name == "") == (len(selector.Labels) == 0) {
			return field + ": exactly one of name and labels must be set"
		}
		if problem := invalidSelectedPorts(field, selector.Ports, spec.Ports); problem != "" {
			return problem
		}
	}
	return invalidOutliers(spec.OutlierDetection)
}

func invalidPorts(ports []v1alpha1.GlobalServicePort) string {
	names, numbers := map[string]bool{}, map[int32]bool{}
	for i, port := range ports {
		field := fmt.Sprintf("spec.ports[%d].", i)
		if len(validation.IsDNS1123Label(port.Name)) > 0 {
			return field + fmt.Sprintf("name: %q is no DNS label", port.Name)
		}
		if port.Port < 1 || port.Port > 65535 {
			return field + fmt.Sprintf("port: %d is not from 1 to 65535", port.Port)
		}
		if problem := invalidServicePort(port.ServicePort); problem != "" {
			return field + "servicePort: " + problem
		}
		switch port.Protocol {
		case "", v1alpha1.ProtocolHTTP, v1alpha1.ProtocolHTTP2, v1alpha1.ProtocolGRPC, v1alpha1.ProtocolTCP:
		default:
			return field + fmt.Sprintf("protocol: %q is none of HTTP, HTTP2, GRPC and TCP", port.Protocol)
		}
		if names[port.Name] || numbers[port.Port] {
			return field + "name and port must be unique"
		}
		names[port.Name], numbers[port.Port] = true, true
	}
	return ""
}

// invalidServicePort says what is wrong with the number or name of a Service's port. The number 0 stands for none.
func invalidServicePort(port intstr.IntOrString) string {
	if port.Type == intstr.String {
		if len(validation.IsDNS1123Label(port.StrVal)) > 0 {
			return fmt.Sprintf("%q is neither a number nor the name of a Service's port", port.StrVal)
		}
		return ""
	}
	if port.IntVal < 0 || port.IntVal > 65535 {
		return fmt.Sprintf("%d is not from 1 to 65535", port.IntVal)
	}
	return ""
}

func invalidSelectedPorts(selector string, ports []v1alpha1.SelectedPort, of []v1alpha1.GlobalServicePort) string {
	seen := map[string]bool{}
	for i, port := range ports {
		field := fmt.Sprintf("%s.ports[%d].", selector, i)
		if !slices.ContainsFunc(of, func(p v1alpha1.GlobalServicePort) bool { return p.Name == port.Name }) || seen[port.Name] {
			return field + fmt.Sprintf("name: %q is repeated, or none of spec.ports has this name", port.Name)
		}
		seen[port.Name] = true
		if port.ServicePort == (intstr.IntOrString{}) {
			return field + "servicePort: must be set"
		}
		if problem := invalidServicePort(port.ServicePort); problem != "" {
			return field + "servicePort: " + problem
		}
	}
	return ""
}

func invalidOutliers(o *v1alpha1.OutlierDetection) string {
	if o == nil {
		return ""
	}
	tooShort := func(d *metav1.Duration) bool { return d != nil && d.Duration < time.Millisecond }
	switch {
	case o.ConsecutiveErrors < 0:
		return "spec.outlierDetection.consecutiveErrors: must not be negative"
	case tooShort(o.Interval):
		return "spec.outlierDetection.interval: must be at least 1ms"
	case tooShort(o.BaseEjectionTime):
		return "spec.outlierDetection.baseEjectionTime: must be at least 1ms"
	case o.MaxEjectionPercent < 0 || o.MaxEjectionPercent > 100:
		return "spec.outlierDetection.maxEjectionPercent: must be from 0 to 100"
	}
	return ""
}
