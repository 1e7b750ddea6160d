package istio_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshweir/meshweir/test/ads"
	"github.com/meshweir/meshweir/test/istio/envoy"
)

// TestFollowsWhatAGatewayGets follows istiod's discovery server over TCP.
func TestFollowsWhatAGatewayGets(t *testing.T) {
	m := newMeshAt(t, readGolden(t, "http-route").state("east"), func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	node := ads.Node{
		Kind: "router", Name: "ingress", Namespace: "istio-ingress", IP: "10.1.0.1", Version: "1.31.0",
		Labels: map[string]string{"istio": "ingressgateway"},
	}
	request, got := parseRequest(t, "GET http://shop.example.com/"), ""
	err := ads.Follow(ctx, m.server.Listener.Addr().String(), node, func(s ads.State) {
		for _, config := range s.Routes {
			if got = answerFor(t, config, request); got != "" {
				cancel()
			}
		}
	})
	if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) || got != "catalog.shop:80" {
		t.Errorf("got the answer %q and the end %v, want catalog.shop:80", got, err)
	}
}

// answerFor returns the answer of the virtual host that has exactly the request's host, and "" when there is none.
func answerFor(t *testing.T, config *route.RouteConfiguration, request envoy.Request) string {
	t.Helper()
	for _, host := range config.VirtualHosts {
		for _, domain := range host.Domains {
			if domain != request.URL.Host {
				continue
			}
			answer, err := envoy.Answer(host, request)
			if err != nil {
				t.Fatal(err)
			}
			return answer
		}
	}
	return ""
}
