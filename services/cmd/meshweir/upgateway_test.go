package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
)

func TestTheGatewayTakesAnotherAddressWhereItsUsualOneIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	var log pipelinetest.Buffer
	usual := taken.Addr().String()
	other, err := listenNear(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), usual, usual)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if !strings.Contains(log.String(), other.Addr().String()) {
		t.Errorf("the log says %s", &log)
	}
	if _, err := listenNear(t.Context(), slog.New(slog.DiscardHandler), usual, "127.0.0.1:1"); err == nil {
		t.Error("an address that the user named is taken, and another one is opened")
	}
}

const shopCluster = `apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: meshweir}
spec: {controllerName: meshweir.io/gateway-controller}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Service
metadata: {namespace: shop, name: ingress}
spec: {type: LoadBalancer, selector: {istio: ingressgateway}, ports: [{name: http, port: 80}]}
status: {loadBalancer: {ingress: [{ip: 203.0.113.10}]}}
---
apiVersion: v1
kind: Service
metadata: {namespace: shop, name: catalog}
spec: {selector: {app: catalog}, ports: [{name: http, port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {namespace: shop, name: web}
spec:
  gatewayClassName: meshweir
  listeners: [{name: http, port: 80, protocol: HTTP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {namespace: shop, name: catalog}
spec:
  parentRefs: [{name: web}]
  hostnames: [shop.example.com]
  rules: [{backendRefs: [{name: catalog, port: 80}]}]
`

// running is an up in this process, on the folder of a cluster.
type running struct {
	t       *testing.T
	dir     string
	gateway string // its address
}

func runUp(t *testing.T, manifests map[string]string) *running {
	t.Helper()
	r := &running{t: t, dir: t.TempDir()}
	for name, text := range manifests {
		r.write(name, text)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var out, errs pipelinetest.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"up", "--clusters", r.dir, "--listen", "127.0.0.1:0", "--gateway-listen", "127.0.0.1:0", "--gateway-listen-tls", "127.0.0.1:0"}, &out, &errs)
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-ended; code != 0 {
			t.Errorf("up ended with %d: %s", code, &errs)
		}
	})
	greeted := regexp.MustCompile(`http://([0-9.:]+)/\.meshweir/devgateway`)
	r.await("the greeting", func() bool {
		if found := greeted.FindStringSubmatch(out.String()); found != nil {
			r.gateway = found[1]
		}
		return r.gateway != ""
	})
	return r
}

func (r *running) write(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) await(what string, holds func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !holds(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatal("waited in vain for ", what)
		}
	}
}

// get asks the gateway for the path / of a host.
func (r *running) get(host string) (status int, header http.Header, body string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "http://"+r.gateway+"/", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	request.Host = host
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(text)
}

func TestUpServesTheGatewaysOfItsClusters(t *testing.T) {
	r := runUp(t, map[string]string{"east/shop.yaml": shopCluster})
	r.await("a request that is routed", func() bool { status, _, _ := r.get("shop.example.com"); return status == http.StatusOK })
	if _, _, body := r.get("shop.example.com"); !strings.Contains(body, `"cluster": "east"`) || !strings.Contains(body, "catalog.shop.svc.cluster.local") {
		t.Errorf("got %s", body)
	}
	if status, _, _ := r.get("blog.example.com"); status != http.StatusNotFound {
		t.Errorf("another host: got %d", status)
	}
}
