package ui_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/pipeline/work"
	"github.com/meshweir/meshweir/services/ui"
	"github.com/meshweir/meshweir/services/ui/materialise"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fleet is a running ui, and what writes the state that it shows.
type fleet struct {
	t        *testing.T
	url      string
	registry *keyspace.Shared
	snapshot map[string]*keyspace.Owned
	output   *keyspace.Derived
	status   *keyspace.Derived
	applied  *keyspace.Owned
	found    *keyspace.Derived
}

const (
	route      = "HTTPRoute.gateway.networking.k8s.io/shop/cart"
	insightKey = "CFG0101/west/" + virtual + "#reviews"
	virtual    = "VirtualService.networking.istio.io/ingress/cart"
	deadLetter = "1764410400000-0"
)

// surroundings are what the route and the VirtualService of a fleet are connected with.
var surroundings = []struct{ cluster, key, object string }{
	{"east", "Gateway.gateway.networking.k8s.io/shop/shop", `{"apiVersion":"gateway.networking.k8s.io/v1","kind":"Gateway","metadata":{"namespace":"shop","name":"shop"},
		"spec":{"gatewayClassName":"meshweir","listeners":[{"name":"http","port":80,"protocol":"HTTP"}]}}`},
	{"west", "Gateway.networking.istio.io/ingress/shop", `{"apiVersion":"networking.istio.io/v1","kind":"Gateway","metadata":{"namespace":"ingress","name":"shop"},
		"spec":{"selector":{"istio":"ingress"},"servers":[{"port":{"number":80,"name":"http","protocol":"HTTP"},"hosts":["*.example"]}]}}`},
	{"west", "Pod/ingress/gateway-7c9f", `{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"ingress","name":"gateway-7c9f","labels":{"istio":"ingress"}}}`},
	{"west", "AuthorizationPolicy.security.istio.io/ingress/only-members", `{"apiVersion":"security.istio.io/v1","kind":"AuthorizationPolicy","metadata":{"namespace":"ingress","name":"only-members"},
		"spec":{"selector":{"matchLabels":{"istio":"ingress"}},"action":"DENY","rules":[{"from":[{"source":{"notRequestPrincipals":["*"]}}]}]}}`},
	{"west", "PeerAuthentication.security.istio.io/ingress/strict", `{"apiVersion":"security.istio.io/v1","kind":"PeerAuthentication","metadata":{"namespace":"ingress","name":"strict"},"spec":{"mtls":{"mode":"STRICT"}}}`},
	{"west", "DestinationRule.networking.istio.io/shop/of-nothing", `{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"namespace":"shop","name":"of-nothing"},
		"spec":{"host":"gone.shop.svc.cluster.local","trafficPolicy":{"connectionPool":{"tcp":{"maxConnections":10}}}}}`},
}

// newFleet runs a ui on two clusters: a route in east became a VirtualService in west.
func newFleet(t *testing.T) *fleet {
	t.Helper()
	client := pipelinetest.Embedded(t)
	log := slog.New(slog.DiscardHandler)
	store, err := keyspace.NewStore(log, client, keyspace.Config{Block: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{
		t: t, registry: store.Shared("registry/clusters"), snapshot: map[string]*keyspace.Owned{"east": store.Owned("snapshot/east", "uid-east"), "west": store.Owned("snapshot/west", "uid-west")},
		output: store.Derived("output/west"), status: store.Derived("status/east"), applied: store.Owned("applied/west", "uid-west"),
	}
	f.setRoute("cart.example")
	for i := range 150 {
		key := fmt.Sprintf("Service/shop/service-%03d", i)
		f.snapshot["west"].Set(key, fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Service","metadata":{"namespace":"shop","name":"service-%03d"},"spec":{"ports":[{"port":80}]}}`, i))
	}
	made := []byte(`{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"namespace":"ingress","name":"cart",
		"labels":{"app.kubernetes.io/managed-by":"meshweir"},"annotations":{"meshweir.io/sources":"east:` + route + `"}},"spec":{"hosts":["cart.example"],"gateways":["shop"],
		"http":[{"route":[{"destination":{"host":"service-001.shop.svc.cluster.local"}},{"destination":{"host":"reviews"}}]}]}}`)
	f.snapshot["west"].Set(virtual, made)
	for _, o := range surroundings {
		f.snapshot[o.cluster].Set(o.key, []byte(o.object))
	}
	f.output.Set(virtual, made)
	f.applied.Set(virtual, []byte(`{"result":"Applied","output":"1-a/1"}`))
	f.status.Set(route, []byte(`{"observedGeneration":1,"status":{"parents":[{"parentRef":{"name":"shop"},"conditions":[{"type":"Accepted","status":"True","reason":"Accepted"}]}]}}`))
	f.flush()
	f.found = store.Derived("insight/west")
	f.found.Set(insightKey, []byte(`{"code":"CFG0101","severity":"error","title":"Route to a host that exists nowhere","summary":"VirtualService ingress/cart sends requests to reviews, which exists nowhere.",
		"target":{"cluster":"west","object":"`+virtual+`"},"evidence":[{"says":"The route sends to this host.","source":{"cluster":"west","object":"`+virtual+`"},"field":"spec.http[0].route[0].destination.host","value":"reviews"}],
		"remediation":[{"do":"Look which Services there are.","commands":["kubectl get services --namespace ingress"]}],"closes":"When the host exists.","firstSeen":"2026-11-29T10:00:00Z","lastChanged":"2026-11-29T10:00:00Z"}`))
	f.found.Complete()
	fleetWide := store.Derived("insight/fleet")
	fleetWide.Complete()
	for _, d := range []*keyspace.Derived{f.found, fleetWide} {
		if err := d.Flush(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range f.snapshot {
		if err := s.Beat(t.Context(), []byte(`{"version":"v1"}`), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	// Garbage that the service gave up on: a dead letter.
	if err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: keyspace.DeadLettersKey(materialise.Group), ID: deadLetter, Values: []any{"garbage", "<x>"}}).Err(); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.url = "http://" + listener.Addr().String()
	u, err := ui.New(log, store, work.Clients{Commands: client, Blocking: client}, ui.Config{
		Listener: listener, Pipeline: &redisconn.Conn{Client: client, Blocking: client},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- u.Run(ctx) }()
	t.Cleanup(sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v", err)
		}
	}))
	for deadline := time.Now().Add(60 * time.Second); u.Ready(ctx) != nil; {
		if time.Now().After(deadline) {
			t.Fatal("the ui did not become ready")
		}
		time.Sleep(10 * time.Millisecond)
	}
	return f
}

// register does what `meshweir cluster register` does, and waits until the cluster has its page: it is expected from then on.
func (f *fleet) register(cluster string) {
	f.t.Helper()
	entry := fmt.Appendf(nil, `{"state":"registered","at":%q}`, time.Now().Add(-3*time.Hour).UTC().Format(time.RFC3339))
	if err := f.registry.Update(f.t.Context(), cluster, func([]byte) ([]byte, error) { return entry, nil }); err != nil {
		f.t.Fatal(err)
	}
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		answer, err := http.Get(f.url + "/clusters/" + cluster)
		if err != nil {
			f.t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("%s has no page: %s", cluster, answer.Status)
		}
	}
}

func (f *fleet) setRoute(host string) {
	f.snapshot["east"].Set(route, []byte(`{"apiVersion":"gateway.networking.k8s.io/v1","kind":"HTTPRoute","metadata":{"namespace":"shop","name":"cart"},"spec":{"hostnames":["`+host+`"],
		"parentRefs":[{"name":"shop"}],"rules":[{"backendRefs":[{"name":"cart","port":80}]}]}}`))
}

func (f *fleet) flush() {
	f.t.Helper()
	ctx := f.t.Context()
	f.output.Complete()
	f.status.Complete()
	f.applied.Complete()
	for _, s := range f.snapshot {
		s.Complete()
		if err := s.Flush(ctx); err != nil {
			f.t.Fatal(err)
		}
	}
	for _, err := range []error{f.output.Flush(ctx, nil), f.status.Flush(ctx, nil), f.applied.Flush(ctx)} {
		if err != nil {
			f.t.Fatal(err)
		}
	}
}

// TestBrowser looks at every page as an operator does. The browser's console must stay
// empty: it would say that the content security policy forbids something.
func TestBrowser(t *testing.T) {
	f := newFleet(t)
	b := startBrowser(t)
	const says = "document.body.innerText.includes"
	// For some milliseconds new links are plain ones, which work, but not without loading the page.
	const settled = `!document.querySelector(".htmx-added, .htmx-settling, .htmx-swapping")`
	routePage := f.url + "/resources/east/HTTPRoute.gateway.networking.k8s.io/shop/cart"

	b.open(routePage)
	b.await(says + `("cart.example") && ` + says + `("VirtualService")`)
	b.await(`document.querySelector(".pill-ok") !== null`)

	// What changes shows without a reload, and what the reader has selected stays.
	b.eval(`getSelection().selectAllChildren(document.querySelector("h1")); window.still = true`)
	f.setRoute("new.example")
	f.status.Set(route, []byte(`{"status":{"parents":[{"parentRef":{"name":"shop"},"conditions":[{"type":"Accepted","status":"False","reason":"UnsupportedValue","message":"not this"}]}]}}`))
	f.flush()
	b.await(says + `("new.example") && ` + says + `("UnsupportedValue") && ` + says + `("not this")`)
	if got := b.eval(`window.still === true && getSelection().toString() === "cart"`); got != "true" {
		t.Error("the page was loaded again, or lost what was selected")
	}

	// Filters change the address and the table, and keep the focus.
	b.open(f.url + "/resources")
	b.await(`document.getElementById("live-state").dataset.state === "on"`)
	b.eval(`{ const q = document.getElementById("q"); q.focus(); q.value = "service-14"; q.dispatchEvent(new Event("input", {bubbles: true})) }`)
	b.await(`location.search === "?q=service-14" && document.querySelectorAll("tbody tr").length === 10 && ` + settled)
	if got := b.eval(`document.activeElement.id`); got != "q" {
		t.Errorf("the focus is at %q, want the search", got)
	}
	b.eval(`window.still = true; document.querySelector("th.col-name a").click()`)
	b.await(`location.search.includes("sort=name") && document.querySelector("th.col-name")?.ariaSort === "ascending" && window.still === true`)
	b.eval(`history.back()`)
	b.await(`location.search === "?q=service-14"`)

	b.open(f.url + "/resources?kind=Service")
	b.await(says + `("1–100 of 150")`)
	b.eval(`document.querySelector("a[rel=next]").click()`)
	b.await(says + `("101–150 of 150")`)

	// The table of the second page is live, too.
	f.snapshot["west"].Set("Service/shop/zebra", []byte(`{"apiVersion":"v1","kind":"Service","metadata":{"namespace":"shop","name":"zebra"}}`))
	f.flush()
	b.await(says + `("101–151 of 151") && ` + says + `("zebra")`)

	// What a filter leaves is said aloud, and what a mended insight's page still shows is said to be past.
	b.eval(`{ const q = document.getElementById("q"); q.value = "zebra"; q.dispatchEvent(new Event("input", {bubbles: true})) }`)
	b.await(`document.getElementById("found").textContent === "1 resource"`)
	b.open(f.url + "/insights/CFG0101/west/VirtualService.networking.istio.io/ingress/cart%23reviews")
	b.await(`document.getElementById("live-state").dataset.state === "on"`)
	f.found.Delete(insightKey)
	if err := f.found.Flush(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	b.await(`document.getElementById("notice").innerText.includes("does not hold any more")`)

	// The choice of colours lasts.
	b.eval(`document.getElementById("theme").click()`)
	chosen := b.eval(`document.documentElement.dataset.theme`)
	b.open(f.url + "/")
	if got := b.eval(`document.documentElement.dataset.theme`); got != chosen {
		t.Errorf("the colours are %q after a reload, want %q", got, chosen)
	}
	b.quiet()
}
