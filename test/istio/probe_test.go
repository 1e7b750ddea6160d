package istio_test

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/simulation"
	"istio.io/istio/pilot/test/xdstest"

	"github.com/meshweir/meshweir/test/istio/envoy"
)

// probe is a request, as in "GET http://shop.example.com/a?b=c X-Header:value",
// and its answer. SNI:name is the server name that its connection was made for,
// where that is not the request's host. wrong is the answer that it gets today
// where that is known to be another.
type probe struct{ request, answer, wrong string }

// readProbes reads testdata/probes.yaml: by golden case and cluster, requests and their answers.
func readProbes(t *testing.T) map[string]map[string][]probe {
	t.Helper()
	var file map[string]map[string][][]string
	readYAML(t, "testdata/probes.yaml", &file)
	probes := map[string]map[string][]probe{}
	for name, clusters := range file {
		probes[name] = map[string][]probe{}
		for cluster, pairs := range clusters {
			for _, pair := range pairs {
				if len(pair) != 2 && len(pair) != 3 {
					t.Fatalf("%s, %s: %q is no request with its answer", name, cluster, pair)
				}
				pair = append(pair, "")
				probes[name][cluster] = append(probes[name][cluster], probe{pair[0], pair[1], pair[2]})
			}
		}
	}
	return probes
}

// TestRequestsAreAnswered asks the gateways of golden cases for what the Gateway API promises.
func TestRequestsAreAnswered(t *testing.T) {
	cases := goldenCases(t)
	for name, clusters := range readProbes(t) {
		if !slices.Contains(cases, name) {
			t.Errorf("there are probes for %s, which is no golden case", name)
			continue
		}
		g := readGolden(t, name)
		for cluster, probes := range clusters {
			t.Run(name+"/"+cluster, func(t *testing.T) {
				proxies := newMesh(t, g.state(cluster)).proxies()
				for _, p := range probes {
					got := ask(t, proxies, p.request)
					switch {
					case p.wrong != "" && got == p.answer:
						t.Errorf("%s\nis answered rightly now: take the wrong answer out of testdata/probes.yaml", p.request)
					case p.wrong != "" && got == p.wrong:
						t.Logf("%s\nknown to be wrong: got %s, want %s", p.request, got, p.answer)
					case got != p.answer:
						t.Errorf("%s\n got %s\nwant %s", p.request, got, p.answer)
					}
				}
			})
		}
	}
}

// ask returns the answer of the first gateway that listens on the request's port.
func ask(t *testing.T, proxies []*proxy, text string) string {
	t.Helper()
	request := parseRequest(t, text)
	for _, p := range proxies {
		if p.node.Type != model.Router {
			continue
		}
		answer, err := p.answer(request)
		if errors.Is(err, simulation.ErrNoListener) {
			continue
		}
		if err != nil {
			return err.Error()
		}
		return answer
	}
	return simulation.ErrNoListener.Error()
}

// run sends a request through Istio's simulation.
func (p *proxy) run(request envoy.Request) simulation.Result {
	call := simulation.Call{
		Port: port(request.URL), HostHeader: request.URL.Host, Path: request.URL.Path, Protocol: simulation.HTTP,
		CallMode: simulation.CallModeGateway,
	}
	if request.URL.Scheme == "https" {
		call.TLS, call.Sni = simulation.TLS, cmp.Or(request.Header.Get("SNI"), request.URL.Hostname())
	}
	return p.Run(call)
}

// answer finds the virtual host by Istio's simulation, and the answer in its routes.
func (p *proxy) answer(request envoy.Request) (string, error) {
	result := p.run(request)
	if errors.Is(result.Error, simulation.ErrNoVirtualHost) {
		return "404", nil
	}
	if result.Error != nil && !errors.Is(result.Error, simulation.ErrNoRoute) { // it knows not all matches
		return "", result.Error
	}
	config := xdstest.ExtractRouteConfigurations(p.Routes)[result.RouteConfigMatched]
	i := slices.IndexFunc(config.GetVirtualHosts(), func(h *route.VirtualHost) bool { return h.Name == result.VirtualHostMatched })
	if i < 0 {
		return "", fmt.Errorf("finding the virtual host %q in %q", result.VirtualHostMatched, result.RouteConfigMatched)
	}
	return envoy.Answer(config.VirtualHosts[i], request)
}

func parseRequest(t *testing.T, text string) envoy.Request {
	t.Helper()
	words := strings.Fields(text)
	if len(words) < 2 {
		t.Fatalf("%q is no request", text)
	}
	target, err := url.Parse(words[1])
	if err != nil {
		t.Fatal(err)
	}
	request := envoy.Request{Method: words[0], URL: target, Header: http.Header{}}
	for _, word := range words[2:] {
		name, value, ok := strings.Cut(word, ":")
		if !ok {
			t.Fatalf("%q: %q is no header", text, word)
		}
		request.Header.Add(name, value)
	}
	return request
}

func port(u *url.URL) int {
	if number, err := strconv.Atoi(u.Port()); err == nil {
		return number
	}
	if u.Scheme == "https" {
		return 443
	}
	return 80
}
