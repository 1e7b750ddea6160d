package policy_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/ui/mesh"
	"github.com/meshweir/meshweir/services/ui/policy"
	"github.com/meshweir/meshweir/services/ui/view"
	"github.com/meshweir/meshweir/services/ui/view/viewtest"
)

// route leads from the sidecars of shop to the Service of pay, and so do a gateway of the root namespace and one of ingress.
const route = `
{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: web, namespace: shop}, spec: {hosts: [web.example], gateways: [mesh, ingress/edge, istio-system/edge], http: [{route: [{destination: {host: cart.pay.svc.cluster.local}}]}]}}
---
{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: edge, namespace: ingress}, spec: {selector: {istio: edge}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: edge, namespace: ingress}, spec: {template: {metadata: {labels: {istio: edge, gateway.networking.k8s.io/gateway-name: edge}}}}}
---
{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: edge, namespace: istio-system}, spec: {selector: {istio: root}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: edge, namespace: istio-system}, spec: {template: {metadata: {labels: {istio: root}}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: pay}, spec: {selector: {app: cart}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: pay}, spec: {template: {metadata: {labels: {app: cart}}}}}
`

// indexOf reads the manifests of a cluster. Of lost ones nothing is known.
func indexOf(t testing.TB, manifests string, lost ...string) *mesh.Index {
	t.Helper()
	rows := map[resource.Key]*view.Row{}
	for document := range strings.SplitSeq(manifests, "\n---\n") {
		key, row, err := viewtest.Row(document)
		if err != nil {
			t.Fatal(err)
		}
		rows[key] = row
	}
	return mesh.New(func(yield func(mesh.Cluster) bool) {
		for _, name := range lost {
			if !yield(mesh.Cluster{Name: name, Rows: maps.All(map[resource.Key]*view.Row{})}) {
				return
			}
		}
		yield(mesh.Cluster{Name: "east", Seen: true, Known: true, Rows: maps.All(rows)})
	})
}

// routeRef is the route of all tests.
func routeRef() view.Ref {
	return view.Ref{Cluster: "east", Key: "VirtualService.networking.istio.io/shop/web"}
}

// stages returns what each stage of the route has beside more manifests, by its title and by that of its hop: its entries, those that another
// decides instead in brackets.
func stages(t *testing.T, more string) map[string]string {
	t.Helper()
	ix := indexOf(t, route+more)
	found := map[string]string{}
	for _, hop := range policy.Route(ix, ix.Object(routeRef())) {
		for _, s := range hop.Stages {
			var names []string
			for _, e := range s.Entries {
				name := e.Name
				if e.Overridden {
					name = "(" + name + ")"
				}
				names = append(names, name)
			}
			found[s.Title] = strings.Join(names, " ")
			found[hop.Title+": "+s.Title] = strings.Join(names, " ")
		}
	}
	return found
}

// rules makes manifests of DestinationRules out of "namespace/name" and the rest of their spec.
func rules(all ...[2]string) string {
	var b strings.Builder
	for _, r := range all {
		namespace, name, _ := strings.Cut(r[0], "/")
		b.WriteString("\n---\n{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: " + name + ", namespace: " + namespace + "}, spec: {" + r[1] + "}}")
	}
	return b.String()
}

func TestTheDestinationRulesOfARouteAreThoseOfIstio(t *testing.T) {
	const full = "host: cart.pay.svc.cluster.local"
	tests := []struct {
		name  string
		rules string
		// What clients of shop, of ingress and of the root namespace go by.
		shop, ingress, root string
	}{
		{
			"one host by its short and its full name is merged", rules([2]string{"pay/a", "host: cart"}, [2]string{"pay/b", full}),
			"pay/a pay/b", "pay/a pay/b", "pay/a pay/b",
		},
		{
			"the most specific host decides", rules([2]string{"pay/all", "host: '*.local'"}, [2]string{"pay/cart", "host: cart"}),
			"pay/cart (pay/all)", "pay/cart (pay/all)", "pay/cart (pay/all)",
		},
		{
			"the client's before the service's before the root namespace's", rules([2]string{"shop/own", full}, [2]string{"pay/cart", full}, [2]string{"istio-system/all", "host: '*.local'"}),
			"shop/own (pay/cart) (istio-system/all)", "pay/cart (istio-system/all)", "pay/cart (istio-system/all)",
		},
		{
			"one with a selector is for its own namespace alone, whatever it exports", rules(
				[2]string{"shop/some", full + ", exportTo: ['*'], workloadSelector: {matchLabels: {app: web}}"},
				[2]string{"pay/some", full + ", workloadSelector: {matchLabels: {app: web}}"},
			),
			"shop/some", "", "",
		},
		{
			"exportTo counts for the own namespace too", rules([2]string{"shop/others", full + ", exportTo: [ingress]"}, [2]string{"pay/cart", full}),
			"pay/cart", "pay/cart", "pay/cart",
		},
		{
			"what the service's namespace shows to others only is not for these", rules([2]string{"pay/cart", full + ", exportTo: [ingress]"}),
			"", "pay/cart", "",
		},
		{
			"a gateway of the root namespace begins with what is private there", rules(
				[2]string{"istio-system/private", "host: '*.local', exportTo: ['.']"}, [2]string{"istio-system/public", full}, [2]string{"pay/cart", full},
			),
			"pay/cart (istio-system/public)", "pay/cart (istio-system/public)", "istio-system/private (pay/cart) (istio-system/public)",
		},
		{
			"rules that are exported otherwise stay apart, and the last counts", rules([2]string{"shop/a", full + ", exportTo: ['.']"}, [2]string{"shop/b", full + ", exportTo: ['*']"}),
			"(shop/a) shop/b", "", "",
		},
		{
			"by default they are private where the mesh configuration says so", rules([2]string{"pay/cart", full}) +
				"\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: istio, namespace: istio-system}, data: {mesh: \"defaultDestinationRuleExportTo: ['.']\"}}",
			"", "", "",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := stages(t, tt.rules)
			for client, want := range map[string]string{"shop": tt.shop, "ingress": tt.ingress, "istio-system": tt.root} {
				if got := got["On the way, from "+client]; got != want {
					t.Errorf("from %s: %q, want %q", client, got, want)
				}
			}
		})
	}
}

func TestThePeerAuthenticationsInForceAreThoseOfIstio(t *testing.T) {
	peers := func(all ...[2]string) string {
		var b strings.Builder
		for _, p := range all {
			b.WriteString("\n---\n{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {" + p[0] + "}, spec: {" + p[1] + "}}")
		}
		return b.String()
	}
	const strict, unset, cart = "mtls: {mode: STRICT}", "mtls: {mode: UNSET}", ", selector: {matchLabels: {app: cart}}"
	for _, tt := range []struct{ name, peers, want string }{
		{
			"of one level the oldest, which one without a date is", peers(
				[2]string{"name: a, namespace: pay, creationTimestamp: '2026-01-01T00:00:00Z'", strict}, [2]string{"name: undated, namespace: pay", strict}),
			"pay/undated (pay/a)",
		},
		{
			"down to the first with a mode", peers(
				[2]string{"name: mesh, namespace: istio-system", strict}, [2]string{"name: ns, namespace: pay", strict}, [2]string{"name: own, namespace: pay", unset + cart}),
			"pay/own pay/ns (istio-system/mesh)",
		},
		{
			"none of the root namespace by labels", peers(
				[2]string{"name: labels, namespace: istio-system", strict + cart}, [2]string{"name: mesh, namespace: istio-system", strict}),
			"istio-system/mesh",
		},
	} {
		if got := stages(t, tt.peers)["Mutual TLS"]; got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestAPolicyCoversWhatItSelects(t *testing.T) {
	got := stages(t, "\n---\n"+strings.Join([]string{
		`{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: root, namespace: istio-system}, spec: {selector: {matchLabels: {app: cart}}}}`,
		`{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: other, namespace: shop}, spec: {}}`,
		`{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: own, namespace: pay}, spec: {}}`,
		`{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: labels, namespace: pay}, spec: {selector: {matchLabels: {app: books}}}}`,
		`{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: edge, namespace: ingress}, spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]}}`,
		`{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: elsewhere, namespace: shop}, spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]}}`,
		`{apiVersion: telemetry.istio.io/v1, kind: Telemetry, metadata: {name: labels, namespace: istio-system}, spec: {selector: {matchLabels: {app: cart}}}}`,
		`{apiVersion: telemetry.istio.io/v1, kind: Telemetry, metadata: {name: mesh, namespace: istio-system}, spec: {}}`,
	}, "\n---\n"))
	if want := "istio-system/root pay/own"; got["Authorization"] != want {
		t.Errorf("authorization is by %q, want %q", got["Authorization"], want)
	}
	if got, want := got["Gateway ingress/edge: Authorization"], "ingress/edge"; got != want {
		t.Errorf("authorization at the gateway is by %q, want %q", got, want)
	}
	if want := "istio-system/mesh"; got["Telemetry"] != want {
		t.Errorf("telemetry is by %q, want %q", got["Telemetry"], want)
	}
}

func TestABackendIsSaidToFailOnlyWhereItIsKnownTo(t *testing.T) {
	gone := strings.Replace(route, "metadata: {name: cart, namespace: pay}", "metadata: {name: cart, namespace: other}", 1)
	hidden := strings.Replace(route, "metadata: {name: cart, namespace: pay}", "metadata: {name: cart, namespace: pay, annotations: {networking.istio.io/exportTo: books}}", 1)
	hidden = strings.Replace(hidden, "gateways: [mesh, ", "gateways: [", 1)
	for _, tt := range []struct {
		name, manifests string
		lost            []string
		want            string
	}{
		{"gone", gone, nil, "It is not there: requests that a rule sends here fail."},
		{"in doubt", gone, []string{"west"}, "It may be there: the cluster west is not seen at the moment"},
		{"hidden", hidden, nil, "Service pay/cart has the host for namespace books, where no client of the route is: requests that a rule sends here fail."},
	} {
		ix := indexOf(t, tt.manifests, tt.lost...)
		hops := policy.Route(ix, ix.Object(routeRef()))
		if got := hops[len(hops)-1].Says; got != tt.want {
			t.Errorf("%s: it says %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestADestinationRuleIsForAHostThatOthersDoNotSee(t *testing.T) {
	hidden := strings.Replace(route, "metadata: {name: cart, namespace: pay}", "metadata: {name: cart, namespace: pay, annotations: {networking.istio.io/exportTo: '~'}}", 1)
	for _, a := range policy.All(indexOf(t, hidden+rules([2]string{"pay/cart", "host: cart"}))) {
		if got := strings.Join(a.To, " "); got != "Service pay/cart" {
			t.Errorf("%s is for %q, want the Service", a.Name, got)
		}
	}
}

// BenchmarkPoliciesOfARoute is the page of a route in a cluster of 500 workloads in 50 namespaces, each with a policy and a DestinationRule.
func BenchmarkPoliciesOfARoute(b *testing.B) {
	var all strings.Builder
	all.WriteString(route)
	for i := range 500 {
		fmt.Fprintf(&all, `
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: w%[1]d, namespace: team-%[2]d}, spec: {template: {metadata: {labels: {app: w%[1]d}}}}}
---
{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: p%[1]d, namespace: team-%[2]d}, spec: {}}
---
{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: d%[1]d, namespace: team-%[2]d}, spec: {host: w%[1]d}}`, i, i%50)
	}
	ix := indexOf(b, all.String())
	route := ix.Object(routeRef())
	for b.Loop() {
		policy.Route(ix, route)
	}
}
