package fleet

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/meshweir/meshweir/schemas/resource"
)

// Index is a way to find objects.
type Index string

// The indexes, and what they find.
const (
	// ByHost finds, in a cluster, the Services and ServiceEntries with a host.
	ByHost Index = "host"
	// ByFleetHost finds the Services, ServiceEntries and GlobalServices with a host in the whole fleet; its cluster is empty.
	ByFleetHost Index = "fleet host"
	// ByFleetName finds the GlobalServices with a namespace/name in the whole fleet; its cluster is empty.
	ByFleetName Index = "fleet name"
	// ByKind finds the Gateways and GatewayClasses of a cluster by their kind, an [Input].
	ByKind Index = "kind"
	// ByRuleHost finds the DestinationRules of a cluster by their host in full, or by "*" where it is a wildcard.
	ByRuleHost Index = "rule host"
	// ByServerHost finds the Istio Gateways of a cluster that have a server with a host, without its namespace.
	ByServerHost Index = "server host"
	// ByHTTPPort finds the Istio Gateways of a cluster that have a server at a port for HTTP without TLS, and ByTCPPort for anything else without TLS.
	ByHTTPPort Index = "HTTP port"
	ByTCPPort  Index = "TCP port"
	// ByLabel finds the workloads of a cluster whose Pods have a label, "key=value".
	ByLabel Index = "label"
	// ByNamespace finds the PeerAuthentications in a namespace of a cluster.
	ByNamespace Index = "namespace"
	// ByCluster finds the mesh configurations of a cluster; its value is empty.
	ByCluster Index = "cluster"

	byUnread Index = "unread"
)

// covers are the kinds that an index finds by a value.
func (i Index) covers(value string) []Input {
	switch i {
	case ByHost:
		return []Input{Services, ServiceEntries}
	case ByFleetHost:
		return []Input{Services, ServiceEntries, GlobalServices}
	case ByFleetName:
		return []Input{GlobalServices}
	case ByKind:
		return []Input{Input(value)}
	case ByRuleHost:
		return []Input{DestinationRules}
	case ByServerHost, ByHTTPPort, ByTCPPort:
		return []Input{IstioGateways}
	case ByLabel:
		return []Input{Deployments, StatefulSets, DaemonSets}
	case ByNamespace:
		return []Input{PeerAuthentications}
	case ByCluster:
		return []Input{MeshConfigs}
	default:
		return nil
	}
}

// entry is one value in one index.
type entry struct {
	index          Index
	cluster, value string
}

// entries returns the index entries under which an object is found, without repetition.
func entries(ref Ref, object Object) []entry {
	at := func(index Index, value string) entry { return entry{index, ref.Cluster, value} }
	switch o := object.value.(type) {
	case *Plain:
		switch kind := KindOf(ref.Key); kind {
		case GatewayClasses:
			return []entry{at(ByKind, string(kind))}
		case Services:
		default:
			return nil
		}
		host := resource.ServiceHost(ref.Key.Namespace, ref.Key.Name)
		return []entry{at(ByHost, host), {ByFleetHost, "", host}}
	case *ServiceEntry:
		return append(distinct(o.Spec.Hosts, func(host string) entry { return at(ByHost, host) }),
			distinct(o.Spec.Hosts, func(host string) entry { return entry{ByFleetHost, "", host} })...)
	case *DestinationRule:
		if strings.HasPrefix(o.Spec.Host, "*") {
			return []entry{at(ByRuleHost, "*")}
		}
		return []entry{at(ByRuleHost, resource.FullHost(o.Spec.Host, ref.Key.Namespace))}
	case *GlobalService:
		return []entry{{ByFleetHost, "", o.Spec.Host}, {ByFleetName, "", ref.Key.Namespace + "/" + ref.Key.Name}}
	case *APIGateway:
		return []entry{at(ByKind, string(Gateways))}
	case *Gateway:
		return append(gatewayEntries(ref.Cluster, o), at(ByKind, string(IstioGateways)))
	case *Workload:
		var found []entry
		for k, v := range o.Spec.Template.Labels {
			found = append(found, at(ByLabel, k+"="+v))
		}
		return found
	case *PeerAuthentication:
		return []entry{at(ByNamespace, ref.Key.Namespace)}
	case *MeshConfig:
		return []entry{at(ByCluster, "")}
	case *UnreadKind:
		unread := KindOf(resource.Key{Group: o.Spec.Group, Kind: o.Spec.Kind})
		return []entry{at(byUnread, string(unread))}
	default:
		return nil
	}
}

func gatewayEntries(cluster string, g *Gateway) []entry {
	found := map[entry]bool{}
	for _, s := range g.Spec.Servers {
		for _, host := range s.Hosts {
			found[entry{ByServerHost, cluster, host[strings.Index(host, "/")+1:]}] = true
		}
		switch port := strconv.Itoa(s.Port.Number); {
		case s.HTTP():
			found[entry{ByHTTPPort, cluster, port}] = true
		case s.TLS == nil:
			found[entry{ByTCPPort, cluster, port}] = true
		}
	}
	return slices.Collect(maps.Keys(found))
}

func distinct(values []string, make func(string) entry) []entry {
	var found []entry
	seen := map[string]bool{}
	for _, v := range values {
		if !seen[v] {
			seen[v] = true
			found = append(found, make(v))
		}
	}
	return found
}
