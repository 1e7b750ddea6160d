package devgateway

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	service "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/services/devgateway/routing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a gateway and the keyspaces that it follows.
type world struct {
	t                *testing.T
	store            *keyspace.Store
	output, snapshot *keyspace.Owned
	gateway          *Gateway
	client           *http.Client
}

func newStore(t *testing.T, client redis.UniversalClient) *keyspace.Store {
	t.Helper()
	store, err := keyspace.NewStore(slog.New(slog.DiscardHandler), client, keyspace.Config{Block: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// start starts a gateway that reads through a client of its own.
func start(t *testing.T, writer, reader redis.UniversalClient, cfg Config) *world {
	t.Helper()
	w := &world{t: t, store: newStore(t, writer)}
	w.output, w.snapshot = w.store.Owned("output/east", "test"), w.store.Owned("snapshot/east", "test")
	w.output.Complete()
	w.snapshot.Complete()
	w.flush()
	var err error
	for _, l := range []*net.Listener{&cfg.Listener, &cfg.ListenerTLS} {
		if *l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	if w.gateway, err = New(slog.New(slog.DiscardHandler), newStore(t, reader), cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.gateway.Run(ctx) }()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		to := cfg.Listener.Addr().String()
		if strings.HasSuffix(address, ":443") {
			to = cfg.ListenerTLS.Addr().String()
		}
		return new(net.Dialer).DialContext(ctx, network, to)
	}}
	w.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	w.await("that it is ready", func() bool { return w.gateway.Ready(t.Context()) == nil })
	return w
}

func (w *world) flush() {
	w.t.Helper()
	for _, o := range []*keyspace.Owned{w.output, w.snapshot} {
		if err := o.Flush(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) await(what string, holds func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatal("waited in vain for ", what)
		}
	}
}

// get asks for a URL, with headers as "name: value".
func (w *world) get(url string, headers ...string) (status int, header http.Header, body string) {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, text := range headers {
		name, value, _ := strings.Cut(text, ": ")
		request.Header.Add(name, value)
	}
	response, err := w.client.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(text)
}

const (
	gatewayKey = "Gateway.networking.istio.io/ingress/web"
	shopKey    = "VirtualService.networking.istio.io/ingress/shop"
	gatewayOf  = `{"spec":{"selector":{"istio":"ingressgateway"},"servers":[
		{"hosts":["./*"],"port":{"number":80,"name":"http","protocol":"HTTP"}},
		{"hosts":["./*"],"port":{"number":443,"name":"https","protocol":"HTTPS"},"tls":{"mode":"SIMPLE","credentialName":"c"}}]}}`
)

// shop is a VirtualService with these rules.
func shop(rules string) string {
	return `{"spec":{"gateways":["ingress/web"],"hosts":["shop.example.com"],"http":[` + rules + `]}}`
}

func toCatalog(name, more string) string {
	return `{"name":"` + name + `","route":[{"destination":{"host":"catalog.shop.svc.cluster.local","port":{"number":80}}}]` + more + `}`
}

func (w *world) set(rules string) {
	w.t.Helper()
	w.output.Set(gatewayKey, []byte(gatewayOf))
	w.output.Set(shopKey, []byte(shop(rules)))
	w.flush()
}

func (w *world) awaitRoute(name string) {
	w.t.Helper()
	w.await("the route "+name, func() bool {
		for _, c := range *w.gateway.table.Load() {
			for _, host := range c.Hosts() {
				if slices.Contains(host.Routes, name) {
					return true
				}
			}
		}
		return false
	})
}

// endpoint makes a server the endpoint of the Service shop/catalog.
func (w *world) endpoint(server *httptest.Server) {
	w.t.Helper()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.snapshot.Set("Service/shop/catalog", []byte(`{"spec":{"ports":[{"name":"http","port":80}]}}`))
	w.snapshot.Set("EndpointSlice.discovery.k8s.io/shop/catalog-1", []byte(`{"metadata":{"labels":{"kubernetes.io/service-name":"catalog"}},
		"ports":[{"name":"http","port":`+port+`}],"endpoints":[{"addresses":["127.0.0.1"]}]}`))
}

func TestTheGatewayFollowsItsOutput(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		w := start(t, client, client, Config{})
		if status, header, body := w.get("http://shop.example.com/x"); status != 404 || header.Get(markHeader) != "no-route" || !strings.Contains(body, "no Gateway serves") {
			t.Errorf("without an output: %d %v %s", status, header, body)
		}
		w.set(toCatalog("first", `,"rewrite":{"uriRegexRewrite":{"match":"^/old(/.*)?$","rewrite":"/new\\1"},"authority":"in.example.com"},"headers":{"request":{"set":{"X-Set":"1"}},"response":{"add":{"X-Add":"2"}}}`))
		w.awaitRoute("first")
		status, header, body := w.get("https://shop.example.com/old/a%2Fb?c=%64", "Authorization: Bearer secret", "X-Api-Key: secret", "X-Other: seen")
		if status != 200 || header.Get(markHeader) != "echo" || header.Get("X-Add") != "2" || strings.Contains(body, "secret") {
			t.Errorf("got %d %v %s", status, header, body)
		}
		var said echoed
		if err := json.Unmarshal([]byte(body), &said); err != nil {
			t.Fatal(err)
		}
		if said.Cluster != "east" || said.Route != "first" || said.Port != 443 || said.Backend != "catalog.shop.svc.cluster.local" || said.Path != "/new/a%2Fb?c=%64" ||
			said.Authority != "in.example.com" || said.Headers.Get("X-Set") != "1" || said.Headers.Get("X-Other") != "seen" || len(said.Withheld) != 2 {
			t.Errorf("echo: %+v", said)
		}
		w.output.Set(shopKey, []byte(`{"spec":{"nonsense":1}}`))
		w.output.Set("VirtualService.networking.istio.io/ingress/blog", []byte(strings.Replace(shop(toCatalog("blog", "")), "shop.example.com", "blog.example.com", 1)))
		w.flush()
		w.awaitRoute("blog")
		if status, _, body := w.get("http://shop.example.com/old"); status != 200 || !strings.Contains(body, `"first"`) {
			t.Errorf("the last good one is gone: %d %s", status, body)
		}
		if status, _, body := w.get("http://any" + statusPath); status != 200 || !strings.Contains(body, "the last one that could be read stays in force") || !strings.Contains(body, "blog.example.com") {
			t.Errorf("status: %d %s", status, body)
		}
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		w.await("that the output has vanished", func() bool {
			_, known := objects(w.gateway.follows.outputs, "output/east")
			return !known
		})
		if status, _, _ := w.get("http://shop.example.com/old"); status != 200 {
			t.Errorf("after Redis forgot everything: %d", status)
		}
	})
}

func TestTheRightsThatAreDeclaredSuffice(t *testing.T) {
	server := pipelinetest.RealServer(t)
	rules, err := Access().Rules()
	if err != nil {
		t.Fatal(err)
	}
	options, err := redis.ParseURL(server.User("meshweir-devgateway", rules...))
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	w := start(t, server.Client(), client, Config{})
	w.set(toCatalog("first", ""))
	w.awaitRoute("first")
	if denied := server.Denied(); len(denied) > 0 {
		t.Errorf("denied: %v", denied)
	}
}

func TestAnEndpointInReachIsCalled(t *testing.T) {
	var mirrored atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.Host, "-shadow"):
			mirrored.Add(1)
		case r.URL.Path == "/slow":
			<-r.Context().Done()
		default:
			w.Header().Set("X-Remove", "1")
			_, _ = io.WriteString(w, r.Method+" "+r.Host+" "+r.RequestURI+" "+r.Header.Get("X-Forwarded-Proto"))
		}
	}))
	t.Cleanup(server.Close)
	redis := pipelinetest.Embedded(t)
	w := start(t, redis, redis, Config{})
	w.endpoint(server)
	w.set(toCatalog("real", `,"timeout":"0.1s","headers":{"response":{"remove":["x-remove"]}},"mirrors":[{"destination":{"host":"catalog.shop.svc.cluster.local","port":{"number":80}}}]`))
	w.awaitRoute("real")
	w.await("the endpoint", func() bool { _, header, _ := w.get("http://shop.example.com/"); return header.Get(markHeader) == "" })
	status, header, body := w.get("http://shop.example.com/a%2F/b?c")
	if status != 200 || body != "GET shop.example.com /a%2F/b?c http" || header.Get("X-Remove") != "" {
		t.Errorf("got %d %v %s", status, header, body)
	}
	w.await("a copy", func() bool { return mirrored.Load() > 0 })
	if status, header, _ := w.get("http://shop.example.com/slow"); status != 504 || header.Get(markHeader) != "failed" {
		t.Errorf("a slow one: %d %v", status, header)
	}
	server.Close()
	if status, header, _ := w.get("http://shop.example.com/"); status != 503 || header.Get(markHeader) != "failed" {
		t.Errorf("one that is away: %d %v", status, header)
	}
}

func TestFaultsRedirectsAndDirectResponses(t *testing.T) {
	redis := pipelinetest.Embedded(t)
	w := start(t, redis, redis, Config{})
	w.set(`{"name":"a","match":[{"uri":{"exact":"/abort"}}],"fault":{"delay":{"fixedDelay":"0.01s"},"abort":{"httpStatus":418}},"route":[{"destination":{"host":"catalog"}}]},
		{"name":"b","match":[{"uri":{"prefix":"/old"}}],"redirect":{"prefixRewrite":"/new","redirectCode":308,"scheme":"https"},"headers":{"response":{"set":{"X-Moved":"1"}}}},
		{"name":"c","match":[{"uri":{"exact":"/direct"}}],"directResponse":{"status":203,"body":{"string":"here"}}}`)
	w.awaitRoute("c")
	if status, _, _ := w.get("http://shop.example.com/abort"); status != 418 {
		t.Errorf("abort: %d", status)
	}
	if status, header, _ := w.get("http://shop.example.com/old/x?y"); status != 308 || header.Get("Location") != "https://shop.example.com/new/x?y" || header.Get("X-Moved") != "1" {
		t.Errorf("redirect: %d %v", status, header)
	}
	if status, _, body := w.get("http://shop.example.com/./direct"); status != 203 || body != "here" {
		t.Errorf("direct response: %d %s", status, body)
	}
	if status, _, _ := w.get("http://shop.example.com/direct", clusterHeader+": west"); status != 404 {
		t.Errorf("another cluster: %d", status)
	}
}

// limiter lets two requests through.
type limiter struct {
	service.UnimplementedRateLimitServiceServer
	asked atomic.Int64
}

func (l *limiter) ShouldRateLimit(context.Context, *service.RateLimitRequest) (*service.RateLimitResponse, error) {
	n := l.asked.Add(1)
	status := &service.RateLimitResponse_DescriptorStatus{
		CurrentLimit:   &service.RateLimitResponse_RateLimit{RequestsPerUnit: 2, Unit: service.RateLimitResponse_RateLimit_MINUTE},
		LimitRemaining: uint32(max(2-n, 0)), DurationUntilReset: durationpb.New(9 * time.Second),
	}
	response := &service.RateLimitResponse{OverallCode: service.RateLimitResponse_OK, Statuses: []*service.RateLimitResponse_DescriptorStatus{status}}
	if n > 2 {
		response.OverallCode = service.RateLimitResponse_OVER_LIMIT
	}
	return response, nil
}

const limits = `{"spec":{"workloadSelector":{"labels":{"istio":"ingressgateway"}},"configPatches":[
	{"applyTo":"HTTP_FILTER","match":{"context":"GATEWAY"},"patch":{"operation":"INSERT_BEFORE","value":{"name":"envoy.filters.http.ratelimit","typed_config":{
		"@type":"type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit","domain":"meshweir","timeout":"10s","enable_x_ratelimit_headers":"DRAFT_VERSION_03",
		"rate_limit_service":{"transport_api_version":"V3","grpc_service":{"envoy_grpc":{"cluster_name":"outbound|8081||limits.meshweir.svc.cluster.local"}}}}}}},
	{"applyTo":"HTTP_ROUTE","match":{"context":"GATEWAY","routeConfiguration":{"vhost":{"route":{"name":"limited"}}}},"patch":{"operation":"MERGE","value":{
		"route":{"rate_limits":[{"actions":[{"remote_address":{}}]}]}}}}]}}`

func TestRequestsOverTheLimitAreAnsweredWith429(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, l := grpc.NewServer(), &limiter{}
	service.RegisterRateLimitServiceServer(server, l)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	redis := pipelinetest.Embedded(t)
	w := start(t, redis, redis, Config{RateLimitService: listener.Addr().String()})
	w.output.Set("EnvoyFilter.networking.istio.io/ingress/limits", []byte(limits))
	w.set(toCatalog("limited", ""))
	w.awaitRoute("limited")
	for i, want := range []struct {
		status    int
		left, yes string
	}{{200, "1", ""}, {200, "0", ""}, {429, "0", "true"}} {
		status, header, _ := w.get("http://shop.example.com/")
		if status != want.status || header.Get("X-Ratelimit-Remaining") != want.left || header.Get("X-Envoy-Ratelimited") != want.yes ||
			header.Get("X-Ratelimit-Limit") != "2, 2;w=60" || header.Get("X-Ratelimit-Reset") != "9" {
			t.Errorf("request %d: got %d %v, want %+v", i, status, header, want)
		}
	}
}

func TestPathsAreCleanedAsIstioHasThem(t *testing.T) {
	for in, want := range map[string]string{
		"": "/", "/": "/", "/a/./b": "/a/b", "/a/../b": "/b", "/../..": "/", "/a/..": "/", "/a/.": "/a/", "//a//b": "//a//b", "/a%2F..": "/a%2F..", `/a\..\b`: "/b", "/.hidden": "/.hidden",
	} {
		if got := cleanPath(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestWeightsAreKept(t *testing.T) {
	backends := []routing.Backend{{Weight: 9, Destination: routing.Destination{Host: "a"}}, {Weight: 1, Destination: routing.Destination{Host: "b"}}}
	counts := map[string]int{}
	const n = 10_000
	for range n {
		counts[pick(backends).Host]++
	}
	if counts["b"] < n/20 || counts["b"] > n/5 {
		t.Errorf("got %v, want about nine to one", counts)
	}
}

func TestWrongConfigurationIsRefused(t *testing.T) {
	store := newStore(t, pipelinetest.Embedded(t))
	for _, cfg := range []Config{{Listen: "x"}, {ListenTLS: "x"}, {Reach: []string{"10.0.0.1"}}, {RateLimitService: "x"}, {Clusters: []string{"A*"}}} {
		if _, err := New(slog.New(slog.DiscardHandler), store, cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}
