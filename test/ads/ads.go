// Package ads follows what an istiod gives a proxy, without a proxy: a client
// of Envoy's aggregated discovery service, state of the world, over plaintext
// (istiod's port 15010).
//
//	err := ads.Follow(ctx, "127.0.0.1:15010", ads.Node{Kind: "router", Namespace: "istio-ingress", …}, func(s ads.State) {
//		…
//	})
package ads

import (
	"context"
	"fmt"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	typePrefix   = "type.googleapis.com/envoy.config."
	clusterType  = typePrefix + "cluster.v3.Cluster"
	listenerType = typePrefix + "listener.v3.Listener"
	routeType    = typePrefix + "route.v3.RouteConfiguration"
)

// Node is the proxy that the client poses as.
type Node struct {
	// Kind is "router" or "sidecar".
	Kind string
	// Name and Namespace are the Pod's.
	Name, Namespace string
	// IP is the Pod's address.
	IP string
	// Labels are the Pod's; they are what the selector of a Gateway looks at.
	Labels map[string]string
	// Version is the proxy's version of Istio, "1.31.0".
	Version string
}

// State is what a proxy has been given so far.
type State struct {
	Clusters  []*cluster.Cluster
	Listeners []*listener.Listener
	Routes    []*route.RouteConfiguration
}

// Follow connects to an istiod and calls changed after each of its answers,
// until ctx ends or the connection breaks, of which the error tells.
func Follow(ctx context.Context, address string, node Node, changed func(State)) error {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(256<<20)))
	if err != nil {
		return fmt.Errorf("dialling istiod at %s: %w", address, err)
	}
	defer connection.Close()
	stream, err := discovery.NewAggregatedDiscoveryServiceClient(connection).StreamAggregatedResources(ctx)
	if err != nil {
		return fmt.Errorf("opening a stream to istiod at %s: %w", address, err)
	}
	first := &discovery.DiscoveryRequest{Node: node.node(), TypeUrl: clusterType}
	if err := stream.Send(first); err != nil {
		return fmt.Errorf("asking istiod at %s: %w", address, err)
	}
	var state State
	for {
		answer, err := stream.Recv()
		if err != nil {
			return fmt.Errorf("following istiod at %s: %w", address, err)
		}
		requests, err := state.take(answer)
		if err != nil {
			return fmt.Errorf("reading the answer of istiod at %s: %w", address, err)
		}
		changed(state)
		for _, request := range requests {
			if err := stream.Send(request); err != nil {
				return fmt.Errorf("acknowledging to istiod at %s: %w", address, err)
			}
		}
	}
}

// take reads an answer and returns its acknowledgement and what to ask next:
// after clusters for listeners, after listeners for the routes that they name.
func (s *State) take(answer *discovery.DiscoveryResponse) ([]*discovery.DiscoveryRequest, error) {
	acknowledge := &discovery.DiscoveryRequest{TypeUrl: answer.TypeUrl, VersionInfo: answer.VersionInfo, ResponseNonce: answer.Nonce}
	requests := []*discovery.DiscoveryRequest{acknowledge}
	var err error
	switch answer.TypeUrl {
	case clusterType:
		isFirst := s.Clusters == nil
		s.Clusters, err = read[cluster.Cluster](answer.Resources)
		if isFirst {
			requests = append(requests, &discovery.DiscoveryRequest{TypeUrl: listenerType})
		}
	case listenerType:
		s.Listeners, err = read[listener.Listener](answer.Resources)
		if names := routeNames(s.Listeners); len(names) > 0 {
			requests = append(requests, &discovery.DiscoveryRequest{TypeUrl: routeType, ResourceNames: names})
		}
	case routeType:
		s.Routes, err = read[route.RouteConfiguration](answer.Resources)
		acknowledge.ResourceNames = routeNames(s.Listeners)
	}
	return requests, err
}

func read[T any, P interface {
	*T
	proto.Message
}](resources []*anypb.Any) ([]P, error) {
	all := make([]P, 0, len(resources))
	for _, resource := range resources {
		one := P(new(T))
		if err := resource.UnmarshalTo(one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// routeNames returns the names of the route configurations that listeners ask for.
func routeNames(listeners []*listener.Listener) []string {
	var names []string
	for _, l := range listeners {
		for _, chain := range l.FilterChains {
			for _, filter := range chain.Filters {
				var manager hcm.HttpConnectionManager
				if filter.GetTypedConfig().UnmarshalTo(&manager) == nil && manager.GetRds() != nil {
					names = append(names, manager.GetRds().RouteConfigName)
				}
			}
		}
	}
	return names
}

func (n Node) node() *core.Node {
	text := structpb.NewStringValue
	labels := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for key, value := range n.Labels {
		labels.Fields[key] = text(value)
	}
	return &core.Node{
		Id: fmt.Sprintf("%s~%s~%s.%s~%s.svc.cluster.local", n.Kind, n.IP, n.Name, n.Namespace, n.Namespace),
		Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{
			"NAMESPACE": text(n.Namespace), "ISTIO_VERSION": text(n.Version), "LABELS": structpb.NewStructValue(labels),
		}},
	}
}
