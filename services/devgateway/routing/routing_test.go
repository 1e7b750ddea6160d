package routing

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	service "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/devgateway/guard"
	"github.com/meshweir/meshweir/services/devgateway/limit"
)

// decode reads manifests, split by "---".
func decode(t testing.TB, manifests string) (objects []Object) {
	t.Helper()
	for text := range strings.SplitSeq(manifests, "---\n") {
		var meta struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Metadata   struct{ Namespace, Name string }
		}
		value, err := yaml.YAMLToJSON([]byte(text))
		if err == nil {
			err = json.Unmarshal(value, &meta)
		}
		if err != nil {
			t.Fatal(err)
		}
		group, _, hasGroup := strings.Cut(meta.APIVersion, "/")
		if !hasGroup {
			group = ""
		}
		o, err := Decode(resource.Key{Group: group, Kind: meta.Kind, Namespace: meta.Metadata.Namespace, Name: meta.Metadata.Name}.String(), value)
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, o)
	}
	return objects
}

const gateway = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {namespace: ingress, name: web}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {hosts: ["*/*"], port: {number: 80, name: http, protocol: HTTP}}
  - {hosts: ["*/*"], port: {number: 443, name: https, protocol: HTTPS}, tls: {mode: SIMPLE, credentialName: c}}
---
`

const head = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {namespace: shop, name: shop}
spec:
  hosts: [shop.example.com]
  gateways: [ingress/web]
  http:
`

func compile(t testing.TB, manifests string) *Cluster {
	t.Helper()
	return Compile(Config{Log: slog.New(slog.DiscardHandler), Cluster: "east", Reach: Loopback(), Dial: func(string, []string) limit.Ask { return nil }}, decode(t, manifests))
}

func get(path string) *Request {
	path, query, _ := strings.Cut(path, "?")
	return &Request{Authority: "shop.example.com", Host: "shop.example.com", Method: "GET", Path: path, Query: query, Header: http.Header{}}
}

func name(c *Cluster, r *Request) string {
	found, _ := Find([]*Cluster{c}, r)
	if found.Route == nil {
		return ""
	}
	return found.Route.Name
}

// TestTheFirstRouteThatMatchesTakesTheRequest: the order is that of the VirtualService, whatever is more specific.
func TestTheFirstRouteThatMatchesTakesTheRequest(t *testing.T) {
	c := compile(t, gateway+head+`
  - {name: broad, match: [{uri: {prefix: /a}, method: {exact: GET}}], directResponse: {status: 200}}
  - {name: narrow, match: [{uri: {exact: /a/b}}], directResponse: {status: 200}}
  - {name: regex, match: [{uri: {regex: "/r[0-9]+"}}], directResponse: {status: 200}}
  - {name: header, match: [{headers: {x-tier: {exact: gold}, x-any: {}}}], directResponse: {status: 200}}
  - {name: query, match: [{queryParams: {page: {regex: "[0-9]+"}}}], directResponse: {status: 200}}
  - {name: host, match: [{authority: {exact: "shop.example.com:8080"}}], directResponse: {status: 200}}
  - {name: port, match: [{port: 443, uri: {prefix: /}}, {port: 80, uri: {exact: /p80}}], directResponse: {status: 200}}
  - {name: fold, match: [{uri: {prefix: /FOLD}, ignoreUriCase: true}], directResponse: {status: 200}}
  - {name: without, match: [{uri: {exact: /w}, withoutHeaders: {x-no: {}}}], directResponse: {status: 200}}
  - {name: scheme, match: [{scheme: {exact: http}, uri: {exact: /s}}], directResponse: {status: 200}}
`)
	with := func(r *Request, change func(*Request)) *Request { change(r); return r }
	for _, tt := range []struct {
		request *Request
		want    string
	}{
		{get("/a/b"), "broad"},
		{with(get("/a/b"), func(r *Request) { r.Method = "PUT" }), "narrow"},
		{get("/r12"), "regex"},
		{get("/r12x"), ""},
		{with(get("/x"), func(r *Request) { r.Header = http.Header{"X-Tier": {"gold"}, "X-Any": {""}} }), "header"},
		{with(get("/x"), func(r *Request) { r.Header = http.Header{"X-Tier": {"gold"}} }), ""},
		{with(get("/x"), func(r *Request) { r.Header = http.Header{"X-Tier": {"gold", "x"}, "X-Any": {"1"}} }), ""},
		{get("/x?a=b&page=12&page=x"), "query"},
		{get("/x?page=x"), ""},
		{with(get("/x"), func(r *Request) { r.Authority, r.Port = "shop.example.com:8080", 8080 }), "host"},
		{get("/p80"), "port"},
		{with(get("/x"), func(r *Request) { r.TLS, r.ServerName = true, "shop.example.com" }), "port"},
		{get("/folded"), "fold"},
		{get("/w"), "without"},
		{with(get("/w"), func(r *Request) { r.Header.Set("X-No", "") }), ""},
		{get("/s"), "scheme"},
	} {
		if got := name(c, tt.request); got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.request, got, tt.want)
		}
	}
	if len(c.Notes) > 0 {
		t.Errorf("notes: %v", c.Notes)
	}
}

func TestTheHostThatFitsBestDecides(t *testing.T) {
	service := func(name, host string) string {
		return strings.NewReplacer("name: shop}", "name: "+name+"}", "[shop.example.com]", "['"+host+"']").Replace(head) +
			"  - {name: " + name + ", directResponse: {status: 200}}\n---\n"
	}
	text := strings.TrimSuffix(gateway+service("any", "*")+service("wide", "*.example.com")+service("shop", "shop.example.com"), "---\n")
	c := compile(t, text)
	for host, want := range map[string]string{"shop.example.com": "shop", "blog.example.com": "wide", "a.b.example.com": "wide", "example.com": "any", "x": "any"} {
		r := get("/")
		r.Host = host
		if got := name(c, r); got != want {
			t.Errorf("%s: got %q, want %q", host, got, want)
		}
	}
}

// TestOfSeveralClustersTheFirstWhoseHostFitsBestAnswers, and the port of the Host header is the Gateway's.
func TestOfSeveralClustersTheFirstWhoseHostFitsBestAnswers(t *testing.T) {
	route := "  - {name: r, directResponse: {status: 200}}\n"
	wide := strings.ReplaceAll(gateway+head+route, "shop.example.com", `"*.example.com"`)
	exact := strings.ReplaceAll(gateway+head+route, "number: 80", "number: 8080")
	all := []*Cluster{compile(t, wide), compile(t, exact), compile(t, exact)}
	all[0].Name, all[1].Name, all[2].Name = "a", "b", "c"
	for port, want := range map[uint32]string{0: "b", 8080: "b", 80: "a", 8000: "b"} {
		r := get("/")
		r.Port = port
		if found, _ := Find(all, r); found.Cluster == nil || found.Cluster.Name != want {
			t.Errorf("port %d: got %+v, want %s", port, found, want)
		}
	}
}

func TestWhatIsNotExecutedIsTold(t *testing.T) {
	c := compile(t, gateway+head+`
  - {name: source, match: [{sourceLabels: {a: b}}], directResponse: {status: 200}}
  - {name: broken, match: [{uri: {regex: "("}}], directResponse: {status: 200}}
  - {name: cors, match: [{uri: {exact: /cors}}], corsPolicy: {allowMethods: [GET]}, directResponse: {status: 200}}
  - {name: grpc-fault, match: [{uri: {exact: /f}}], fault: {abort: {grpcStatus: UNAVAILABLE}}, directResponse: {status: 200}}
  - {name: variable, match: [{uri: {exact: /v}}], headers: {request: {set: {a: "%REQ(b)%", c: "100%%"}}}, route: [{destination: {host: a, port: {number: 80}, subset: v1}}]}
`)
	var told []string
	for _, note := range c.Notes {
		told = append(told, note.Field)
	}
	slices.Sort(told)
	want := []string{
		"spec.http[0].match[0].sourceLabels", "spec.http[1].match[0]", "spec.http[2].corsPolicy", "spec.http[3].fault.abort.grpcStatus",
		"spec.http[4].headers.request.set[a]", "spec.http[4].route[0].destination.subset",
	}
	if !slices.Equal(told, want) {
		t.Errorf("told %q\nwant %q", told, want)
	}
	if got := name(c, get("/")); got != "" {
		t.Errorf("a match that cannot be asked about takes a request: %s", got)
	}
	found, _ := Find([]*Cluster{c}, get("/v"))
	if got := found.Route.Headers.Request.Set["c"]; got != "100%" {
		t.Errorf("got %q, want the sign itself", got)
	}
}

const endpointsOfCatalog = `apiVersion: v1
kind: Service
metadata: {namespace: shop, name: catalog}
spec: {selector: {app: catalog}, ports: [{name: http, port: 80}, {name: other, port: 81}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: shop, name: catalog-1, labels: {kubernetes.io/service-name: catalog}}
addressType: IPv4
ports: [{name: http, port: 8080}, {name: other, port: 9}]
endpoints:
- {addresses: [127.0.0.1], conditions: {ready: true}}
- {addresses: [127.0.0.2], conditions: {ready: false}}
- {addresses: [10.1.2.3]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {namespace: shop, name: global}
spec:
  hosts: [catalog.global]
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 7}]
  resolution: DNS
  endpoints:
  - {address: catalog.shop.svc.cluster.local, ports: {http: 80}}
  - {address: 127.0.0.3}
  - {address: gw.example.com}
`

func TestEndpointsInReachAreCalledAndNoOthers(t *testing.T) {
	e := newEndpoints(Loopback(), decode(t, endpointsOfCatalog))
	for host, want := range map[string][]string{
		"catalog.shop.svc.cluster.local": {"127.0.0.1:8080"}, "catalog.global": {"127.0.0.1:8080", "127.0.0.3:7"}, "nobody.global": nil,
	} {
		if got := e.of(host, 80); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", host, got, want)
		}
	}
	e.reach = Reach{netip.MustParsePrefix("10.0.0.0/8")}
	if got := e.of("catalog.global", 80); !slices.Equal(got, []string{"10.1.2.3:8080"}) {
		t.Errorf("got %v", got)
	}
}

const filter = `---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {namespace: ingress, name: limits}
spec:
  workloadSelector: {labels: {istio: ingressgateway}}
  configPatches:
  - applyTo: HTTP_FILTER
    match: {context: GATEWAY, listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: envoy.filters.http.router}}}}}
    patch:
      operation: INSERT_BEFORE
      value:
        name: envoy.filters.http.ratelimit
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit
          domain: meshweir
          timeout: 1s
          failure_mode_deny: true
          rate_limit_service: {transport_api_version: V3, grpc_service: {envoy_grpc: {cluster_name: outbound|80||catalog.shop.svc.cluster.local}}}
  - applyTo: HTTP_ROUTE
    match: {context: GATEWAY, routeConfiguration: {vhost: {route: {name: limited}}}}
    patch:
      operation: MERGE
      value: {route: {rate_limits: [{actions: [{generic_key: {descriptor_value: a}}]}]}}
`

const limitedRoutes = `
  - {name: limited, match: [{uri: {exact: /limited}}], route: [{destination: {host: catalog, port: {number: 80}}}]}
  - {name: free, match: [{uri: {exact: /free}}], route: [{destination: {host: catalog, port: {number: 80}}}]}
`

func TestAFilterGuardsTheRoutesThatItNames(t *testing.T) {
	var dialled []string
	cfg := Config{Log: slog.New(slog.DiscardHandler), Reach: Loopback(), Dial: func(name string, addresses []string) limit.Ask {
		dialled = append(dialled, name, strings.Join(addresses, ","))
		return func(context.Context, *service.RateLimitRequest) (*service.RateLimitResponse, error) {
			return nil, errors.New("away")
		}
	}}
	objects := decode(t, gateway+head+limitedRoutes+filter+"---\n"+endpointsOfCatalog)
	for range 2 { // what was decoded is as it was
		dialled = nil
		c := Compile(cfg, objects)
		if want := []string{"outbound|80||catalog.shop.svc.cluster.local", "127.0.0.1:8080"}; !slices.Equal(dialled, want) || len(c.Notes) > 0 {
			t.Fatalf("dialled %q, notes %v", dialled, c.Notes)
		}
		for path, want := range map[string]int{"/limited": 1, "/free": 0} {
			found, _ := Find([]*Cluster{c}, get(path))
			if got := len(found.Route.Guards); got != want {
				t.Errorf("%s has %d guards, want %d", path, got, want)
			}
			for _, g := range found.Route.Guards {
				if v := g.Judge(t.Context(), &guard.Request{}); v.Answer == nil || v.Answer.Status != 500 {
					t.Errorf("got %+v, want what failure_mode_deny says", v)
				}
			}
		}
	}
}

// TestAFilterIsInsertedOnce, however many Gateways of the proxies have it: each removes it before.
func TestAFilterIsInsertedOnce(t *testing.T) {
	const remove = `  configPatches:
  - applyTo: HTTP_FILTER
    match: {context: GATEWAY, listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: envoy.filters.http.ratelimit}}}}}
    patch: {operation: REMOVE}
`
	once := strings.Replace(filter, "  configPatches:\n", remove, 1)
	again := strings.Replace(once[:strings.Index(once, "  - applyTo: HTTP_ROUTE")], "name: limits}", "name: again}", 1)
	c := compile(t, gateway+head+limitedRoutes+once+again)
	if found, _ := Find([]*Cluster{c}, get("/limited")); len(found.Route.Guards) != 1 || len(c.Notes) > 0 {
		t.Errorf("got %d guards, notes %v", len(found.Route.Guards), c.Notes)
	}
}

func TestAFilterOfOtherProxiesGuardsNothing(t *testing.T) {
	for name, change := range map[string]*strings.Replacer{
		"another workload":  strings.NewReplacer("workloadSelector: {labels: {istio: ingressgateway}}", "workloadSelector: {labels: {istio: other}}"),
		"another namespace": strings.NewReplacer("{namespace: ingress, name: limits}", "{namespace: other, name: limits}"),
		"sidecars":          strings.NewReplacer("context: GATEWAY", "context: SIDECAR_INBOUND"),
		"another port":      strings.NewReplacer("routeConfiguration: {vhost", "routeConfiguration: {portNumber: 81, vhost"),
		"another gateway":   strings.NewReplacer("routeConfiguration: {vhost", "routeConfiguration: {gateway: ingress/other, vhost"),
		"another host":      strings.NewReplacer("vhost: {route", "vhost: {name: 'other.example.com:80', route"),
	} {
		c := compile(t, gateway+head+limitedRoutes+change.Replace(filter))
		if found, _ := Find([]*Cluster{c}, get("/limited")); len(found.Route.Guards) > 0 {
			t.Errorf("%s: guarded", name)
		}
	}
}

// TestWhatOfAFilterIsNotExecutedIsTold: a limit that is not counted as it is meant is not counted at all, and that is said.
func TestWhatOfAFilterIsNotExecutedIsTold(t *testing.T) {
	for _, change := range [][2]string{
		{"domain: meshweir", "domain: meshweir\n          request_type: internal"},
		{"domain: meshweir", "domain: meshweir\n          no_such_field: 1"},
		{"operation: INSERT_BEFORE", "operation: ADD"},
		{"{generic_key: {descriptor_value: a}}", "{source_cluster: {}}"},
		{"{route: {rate_limits", "{route: {timeout: 1s, rate_limits"},
		{"applyTo: HTTP_ROUTE", "applyTo: VIRTUAL_HOST"},
		{"routeConfiguration: {vhost", "routeConfiguration: {portName: x, vhost"},
		{"route: {name: limited}", "route: {name: limited, action: REDIRECT}"},
		{"v3.RateLimit\n", "v3.RateLimitPerRoute\n"},
	} {
		if c := compile(t, gateway+head+limitedRoutes+strings.Replace(filter, change[0], change[1], 1)); len(c.Notes) == 0 {
			t.Errorf("%q instead of %q is not told", change[1], change[0])
		}
	}
}

func TestAnObjectThatCannotBeReadSaysSo(t *testing.T) {
	o, err := Decode("VirtualService.networking.istio.io/shop/shop", []byte(`{"spec":{"hosts":["a"],"noSuchField":1}}`))
	if err != nil || o.Err == nil || o.Spec != nil {
		t.Errorf("got %+v, %v", o, err)
	}
	if c := Compile(Config{}, []Object{o}); len(c.Notes) != 1 || c.Notes[0].Field != "" {
		t.Errorf("notes: %v", c.Notes)
	}
}

func FuzzFind(f *testing.F) {
	f.Add(gateway+head+"  - {name: r, match: [{uri: {regex: '/a.*'}}], rewrite: {uriRegexRewrite: {match: a, rewrite: '\\\\1'}}, route: [{destination: {host: a}}]}\n", "/abc", "x=y", "shop.example.com")
	f.Add(gateway+head+limitedRoutes+filter, "/limited", "", "shop.example.com")
	f.Add(gateway+head+"  - {match: [{uri: {prefix: /A/}, ignoreUriCase: true}], rewrite: {uri: /b}, redirect: {uri: '/?', derivePort: FROM_REQUEST_PORT}}\n", "/a", "&=", "SHOP")
	f.Fuzz(func(t *testing.T, manifests, path, query, host string) {
		var objects []Object
		for i, text := range strings.Split(manifests, "---\n") {
			value, err := yaml.YAMLToJSON([]byte(text))
			if err != nil {
				continue
			}
			for _, kind := range []string{"Gateway", "VirtualService", "EnvoyFilter", "ServiceEntry"} {
				if strings.Contains(text, "kind: "+kind+"\n") {
					o, err := Decode(kind+".networking.istio.io/ingress/"+[]string{"web", "b", "c", "d"}[i%4], value)
					if err != nil {
						t.Fatal(err)
					}
					objects = append(objects, o)
				}
			}
		}
		c := Compile(Config{Log: slog.New(slog.DiscardHandler), Reach: Loopback(), Dial: func(string, []string) limit.Ask { return nil }}, objects)
		r := &Request{Authority: host, Host: strings.ToLower(host), Method: "GET", Path: path, Query: query, Header: http.Header{}}
		if found, ok := Find([]*Cluster{c}, r); ok && found.Route != nil {
			found.Route.Rewrite(path)
			if found.Route.Redirect != nil {
				found.Route.Redirect.Location(r)
			}
			if len(found.Route.Backends) == 0 && found.Route.Redirect == nil && found.Route.Direct == nil {
				t.Error("a route leads nowhere")
			}
		}
	})
}
