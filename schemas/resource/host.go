package resource

import "strings"

// serviceDomain ends the hosts of Services, in nearly all clusters.
const serviceDomain = ".svc.cluster.local"

// ServiceHost returns the host by which Istio knows a Service in its cluster.
func ServiceHost(namespace, name string) string { return name + "." + namespace + serviceDomain }

// FullHost returns the host that is meant by an object of a namespace: one without a dot is that of a Service there, every other
// counts as it stands (Istio's reference, Destination.host).
func FullHost(host, namespace string) string {
	if strings.ContainsAny(host, ".*") {
		return host
	}
	return ServiceHost(namespace, host)
}

// ServiceOf returns the Service whose full host it is.
func ServiceOf(host string) (namespace, name string, ok bool) {
	short, full := strings.CutSuffix(host, serviceDomain)
	name, namespace, two := strings.Cut(short, ".")
	ok = full && two && name != "" && namespace != "" && !strings.ContainsAny(name, "*") && !strings.ContainsAny(namespace, ".*")
	return namespace, name, ok
}
