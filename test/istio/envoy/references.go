package envoy

import (
	"maps"
	"slices"

	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tcpproxy "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
)

// References returns the names of the clusters that listeners and routes send to, sorted.
func References(listeners []*listener.Listener, routes []*route.RouteConfiguration) []string {
	names := map[string]bool{}
	for _, l := range listeners {
		for _, chain := range append(slices.Clone(l.FilterChains), l.DefaultFilterChain) {
			for _, filter := range chain.GetFilters() {
				var proxy tcpproxy.TcpProxy
				if filter.GetTypedConfig().UnmarshalTo(&proxy) != nil {
					continue
				}
				names[proxy.GetCluster()] = true
				for _, part := range proxy.GetWeightedClusters().GetClusters() {
					names[part.Name] = true
				}
			}
		}
	}
	for _, config := range routes {
		for _, host := range config.VirtualHosts {
			for _, r := range host.Routes {
				action := r.GetRoute()
				names[action.GetCluster()] = true
				for _, part := range action.GetWeightedClusters().GetClusters() {
					names[part.Name] = true
				}
				for _, mirror := range action.GetRequestMirrorPolicies() {
					names[mirror.Cluster] = true
				}
			}
		}
	}
	delete(names, "")
	return slices.Sorted(maps.Keys(names))
}
