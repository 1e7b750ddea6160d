package web

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/meshweir/meshweir/services/ui/policy"
	"github.com/meshweir/meshweir/services/ui/view"
	"github.com/meshweir/meshweir/services/ui/view/viewtest"
)

const policedRoute = "HTTPRoute.gateway.networking.k8s.io/shop/cart"

// policyFleet is a cluster with a route, what it leads to, and policies of every kind.
func policyFleet(t *testing.T) *Fleet {
	t.Helper()
	c := &Cluster{Name: "east", Cluster: view.Cluster{Known: true}}
	for _, text := range []string{
		`{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: shop, namespace: ingress}, spec: {gatewayClassName: istio}}`,
		`{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: cart, namespace: shop}, spec: {parentRefs: [{name: shop, namespace: ingress}], hostnames: [cart.example],
		  rules: [{name: all, filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /v2}}}], timeouts: {request: 5s}, backendRefs: [{name: cart, port: 80}, {name: gone, port: 80}]}]}}`,
		`{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: shop}, spec: {selector: {app: cart}}}`,
		`{apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {app: cart}}}}}`,
		`{apiVersion: apps/v1, kind: Deployment, metadata: {name: proxy, namespace: ingress}, spec: {template: {metadata: {labels: {"gateway.networking.k8s.io/gateway-name": shop}}}}}`,
		`{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: mesh, namespace: istio-system}, spec: {mtls: {mode: STRICT}}}`,
		`{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: cart, namespace: shop}, spec: {selector: {matchLabels: {app: cart}}, mtls: {mode: PERMISSIVE}}}`,
		`{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: allow, namespace: shop}, spec: {rules: [{}]}}`,
		`{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: deny, namespace: istio-system}, spec: {action: DENY, rules: [{to: [{operation: {paths: [/x]}}]}]}}`,
		`{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: idle, namespace: shop}, spec: {selector: {matchLabels: {app: nobody}}}}`,
		`{apiVersion: security.istio.io/v1, kind: RequestAuthentication, metadata: {name: jwt, namespace: ingress}, spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: shop}], jwtRules: [{issuer: "https://a"}]}}`,
		`{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: all, namespace: istio-system}, spec: {host: "*.local", trafficPolicy: {tls: {}}}}`,
		`{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: cart, namespace: shop}, spec: {host: cart, trafficPolicy: {loadBalancer: {}}}}`,
		`{apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: {name: late, namespace: istio-system}, spec: {configPatches: [{applyTo: CLUSTER, patch: {operation: MERGE}}]}}`,
		`{apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: {name: early, namespace: shop}, spec: {priority: -1, configPatches: []}}`,
	} {
		addManifest(t, c, text)
	}
	return &Fleet{Clusters: []*Cluster{c}}
}

// addManifest gives a cluster an object.
func addManifest(t *testing.T, c *Cluster, text string) {
	t.Helper()
	key, row, err := viewtest.Row(text)
	if err != nil {
		t.Fatal(err)
	}
	c.Items = append(c.Items, newItem(c.Name, key.String(), *row))
	slices.SortFunc(c.Items, func(a, b *Item) int { return view.CompareKeys(a.Key, b.Key) })
}

func stagesOf(t *testing.T, f *Fleet) map[string][]string {
	t.Helper()
	data, _, err := policyOfRoute().data(context.Background(), f, address{ref: view.Ref{Cluster: "east", Key: policedRoute}})
	if err != nil {
		t.Fatal(err)
	}
	p, ok := data.(*policyPage)
	if !ok {
		t.Fatalf("the page's data is %T", data)
	}
	got := map[string][]string{}
	for _, h := range p.Hops {
		for _, s := range h.Stages {
			for _, e := range s.Entries {
				text := e.Name
				if e.Overridden {
					text += " (off)"
				}
				got[h.Title+": "+s.Title] = append(got[h.Title+": "+s.Title], text)
			}
		}
	}
	return got
}

func TestPoliciesOfARouteAreInTheOrderInWhichIstioAppliesThem(t *testing.T) {
	got := stagesOf(t, policyFleet(t))
	const backend = "Backend Service shop/cart: "
	for stage, want := range map[string][]string{
		"Gateway ingress/shop: Mutual TLS":      nil,
		"Gateway ingress/shop: Authorization":   {"istio-system/deny"},
		"Gateway ingress/shop: Tokens":          {"ingress/jwt"},
		"HTTPRoute shop/cart: Rule 1, all":      {"URLRewrite", "timeout"},
		backend + "On the way, from ingress":    {"shop/cart", "istio-system/all (off)"},
		backend + "Mutual TLS":                  {"shop/cart", "istio-system/mesh (off)"},
		backend + "Authorization":               {"istio-system/deny", "shop/allow"},
		backend + "Envoy filters":               {"shop/early", "istio-system/late"},
		"Gateway ingress/shop: Envoy filters":   {"istio-system/late"},
		backend + "Tokens":                      nil,
		"Backend Service shop/gone: Mutual TLS": nil,
	} {
		if !slices.Equal(got[stage], want) {
			t.Errorf("%s has %v, want %v", stage, got[stage], want)
		}
	}
}

func TestThePolicyThatDecidesIsThatOfThePodsThatItSelects(t *testing.T) {
	f := policyFleet(t)
	const backend = "Backend Service shop/cart: "
	add := func(more ...string) {
		for _, text := range more {
			addManifest(t, f.Clusters[0], text)
		}
	}
	add(
		// Istio takes no notice of the first, and looks for the second in its own namespace alone.
		`{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: ignored, namespace: istio-system}, spec: {selector: {matchLabels: {app: cart}}, mtls: {mode: DISABLE}}}`,
		`{apiVersion: telemetry.istio.io/v1, kind: Telemetry, metadata: {name: elsewhere, namespace: istio-system}, spec: {selector: {matchLabels: {app: cart}}, tracing: [{}]}}`,
		`{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: shop, namespace: shop}, spec: {mtls: {mode: STRICT}}}`,
	)
	got := stagesOf(t, f)
	if want := []string{"shop/cart", "shop/shop (off)", "istio-system/mesh (off)"}; !slices.Equal(got[backend+"Mutual TLS"], want) {
		t.Errorf("mutual TLS is decided by %v, want %v", got[backend+"Mutual TLS"], want)
	}
	if got := got[backend+"Telemetry"]; got != nil {
		t.Errorf("telemetry is decided by %v, want none", got)
	}

	for _, a := range policy.All(f.wiring()) {
		if a.Kind == "PeerAuthentication" && a.Name == "ignored" && a.Nothing == "" {
			t.Error("a policy that Istio ignores is not said to be for nothing")
		}
	}

	// A policy that is for some of the Pods leaves the others to the next.
	f = policyFleet(t)
	add(
		`{apiVersion: apps/v1, kind: Deployment, metadata: {name: cart-v2, namespace: shop}, spec: {template: {metadata: {labels: {app: cart, version: v2}}}}}`,
		`{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: a-v2, namespace: shop}, spec: {selector: {matchLabels: {version: v2}}, mtls: {mode: STRICT}}}`,
	)
	if got, want := stagesOf(t, f)[backend+"Mutual TLS"], []string{"shop/a-v2", "shop/cart", "istio-system/mesh (off)"}; !slices.Equal(got, want) {
		t.Errorf("mutual TLS is decided by %v, want %v", got, want)
	}
}

func TestAPageOfPoliciesIsBounded(t *testing.T) {
	f := policyFleet(t)
	const workloads = 200
	for n := range workloads {
		addManifest(t, f.Clusters[0], fmt.Sprintf(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: many-%03d, namespace: shop}, spec: {template: {metadata: {labels: {app: many-%03[1]d}}}}}`, n))
	}
	open := func(query url.Values) *policiesPage {
		data, _, err := policies().data(t.Context(), f, address{query: query})
		if err != nil {
			t.Fatal(err)
		}
		p, ok := data.(*policiesPage)
		if !ok {
			t.Fatalf("the page's data is %T", data)
		}
		return p
	}
	p := open(url.Values{"q": {"PeerAuthentication istio-system/mesh"}})
	if len(p.Policies) != 1 {
		t.Fatalf("%d policies match, want 1", len(p.Policies))
	}
	if a := p.Policies[0]; len(a.To) != shownTo || a.Total != workloads+2 {
		t.Errorf("it is for %d, of %d; want the first %d of %d", len(a.To), a.Total, shownTo, workloads+2)
	}
	html := regionsOf(t, policies(), p)
	if got := strings.Count(html, `class="way`); got > 2*shownTo {
		t.Errorf("the page names %d workloads and hosts, want about %d", got, shownTo)
	}
	for _, want := range []string{"202 in all", "and 182 more"} {
		if !strings.Contains(html, want) {
			t.Errorf("the page does not say %q:\n%s", want, html)
		}
	}
	// What is not shown is found all the same.
	if p := open(url.Values{"q": {"istio-system/mesh many-199"}}); len(p.Policies) != 1 {
		t.Errorf("%d policies are found by a workload that the page does not name, want 1", len(p.Policies))
	}
}

func TestPoliciesThatAreForNothingAreSaidToBe(t *testing.T) {
	nothing := map[string]bool{}
	for _, a := range policy.All(policyFleet(t).wiring()) {
		nothing[a.Kind+" "+a.Name] = a.Nothing != ""
	}
	for name, want := range map[string]bool{
		"AuthorizationPolicy idle": true, "AuthorizationPolicy allow": false, "AuthorizationPolicy deny": false,
		"RequestAuthentication jwt": false, "DestinationRule cart": false, "DestinationRule all": false,
	} {
		if got, listed := nothing[name]; got != want || !listed {
			t.Errorf("%s is for nothing: %v (listed: %v), want %v", name, got, listed, want)
		}
	}
}
