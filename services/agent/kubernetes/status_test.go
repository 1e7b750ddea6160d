package kubernetes

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/pipeline/pipelinetest/apiserver"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/cluster"
)

const gateway = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec: {gatewayClassName: meshweir, listeners: [{name: http, port: 80, protocol: HTTP}]}
`

const route = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{name: web}, {name: other}]
  rules: [{backendRefs: [{name: cart, port: 80}]}]
`

const (
	gatewayKey = "Gateway.gateway.networking.k8s.io/shop/web"
	routeKey   = "HTTPRoute.gateway.networking.k8s.io/shop/web"
	routePath  = "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/web"
)

func condition(kind string) map[string]any {
	return map[string]any{
		"type": kind, "status": "True", "reason": kind, "message": "", "observedGeneration": int64(1),
		"lastTransitionTime": "2026-11-25T10:00:00Z",
	}
}

func conditions(kinds ...string) map[string]any {
	list := []any{}
	for _, kind := range kinds {
		list = append(list, condition(kind))
	}
	return map[string]any{"conditions": list}
}

func parent(gateway, controller, kind string) map[string]any {
	return map[string]any{
		"parentRef":      map[string]any{"group": resource.GatewayGroup, "kind": "Gateway", "name": gateway},
		"controllerName": controller, "conditions": []any{condition(kind)},
	}
}

// controllers returns "gateway=controller:condition" for each entry of the live route.
func controllers(t *testing.T, server *apiserver.Server) string {
	t.Helper()
	object, _ := live(t, server, routePath)
	parents, _, _ := unstructured.NestedSlice(object, "status", "parents")
	var found []string
	for _, p := range parents {
		entry := p.(map[string]any)
		kind := entry["conditions"].([]any)[0].(map[string]any)["type"]
		found = append(found, fmt.Sprintf("%s=%s:%s", entry["parentRef"].(map[string]any)["name"], entry["controllerName"], kind))
	}
	return strings.Join(found, " ")
}

// other writes an entry into the route's status as another controller does: it replaces the list, and keeps what is in it.
func other(t *testing.T, server *apiserver.Server, kind string) {
	t.Helper()
	object, _ := live(t, server, routePath)
	parents, _, _ := unstructured.NestedSlice(object, "status", "parents")
	now := []any{parent("other", "example.com/other", kind)}
	for _, p := range parents {
		if !isForeign(p) {
			now = append(now, p)
		}
	}
	_ = unstructured.SetNestedSlice(object, now, "status", "parents")
	body, err := (&unstructured.Unstructured{Object: object}).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if answer := server.Do(apiserver.Request{Method: "PUT", Path: routePath + "/status", Body: body}); answer.Code != 200 {
		t.Fatalf("got %d %s", answer.Code, answer.Body)
	}
}

func TestWritesStatusesThatAreOursAndNothingElse(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	server.Apply(everything + "---" + gateway + "---" + route)
	r := open(t, server, nil).start().sync()
	set := func(t *testing.T, key string, status map[string]any) {
		t.Helper()
		if err := r.cluster.SetStatus(t.Context(), mustKey(t, key), status); err != nil {
			t.Fatal(err)
		}
	}
	statuses := func(t *testing.T, r *replica) map[resource.Key]map[string]any {
		t.Helper()
		got, err := r.cluster.Statuses(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	ours := func(kind string) map[string]any {
		return map[string]any{"parents": []any{parent("web", resource.ControllerName, kind)}}
	}

	t.Run("a route that another controller reports on, too", func(t *testing.T) {
		other(t, server, "Accepted")
		// The reflector may be behind: the entry of the other controller stays all the same.
		set(t, routeKey, ours("Accepted"))
		const both = "other=example.com/other:Accepted web=" + resource.ControllerName + ":Accepted"
		if got := controllers(t, server); got != both {
			t.Fatalf("got %s, want %s", got, both)
		}
		if diff := cmp.Diff(ours("Accepted"), statuses(t, r)[mustKey(t, routeKey)]); diff != "" {
			t.Errorf("what is ours (-want +got):\n%s", diff)
		}
		for i := range 10 {
			other(t, server, fmt.Sprintf("Odd%d", i))
			set(t, routeKey, ours(fmt.Sprintf("Even%d", i)))
		}
		const last = "other=example.com/other:Odd9 web=" + resource.ControllerName + ":Even9"
		if got := controllers(t, server); got != last {
			t.Errorf("got %s, want %s", got, last)
		}
		r.eventually("the route as another agent would read it", func() bool {
			again := statuses(t, r)[mustKey(t, routeKey)]
			return cmp.Equal(again, ours("Even9"))
		})
		set(t, routeKey, nil)
		if got := controllers(t, server); got != "other=example.com/other:Odd9" {
			t.Errorf("got %s after ours was taken away, want the other's", got)
		}
	})

	t.Run("a Gateway of ours", func(t *testing.T) {
		want := conditions("Accepted", "Programmed")
		set(t, gatewayKey, want)
		if diff := cmp.Diff(want, statuses(t, r)[mustKey(t, gatewayKey)]); diff != "" {
			t.Errorf("right after it was written (-want +got):\n%s", diff)
		}
		again := open(t, server, func(c *Config) { c.Namespace = "shop" }).start().sync()
		if diff := cmp.Diff(want, statuses(t, again)[mustKey(t, gatewayKey)]); diff != "" {
			t.Errorf("as an agent reads it that did not write it (-want +got):\n%s", diff)
		}
		again.stop()
	})

	t.Run("a class of another controller", func(t *testing.T) {
		class := "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: NAME}\nspec: {controllerName: example.com/other}\n"
		server.Apply(strings.Replace(class, "NAME", "meshweir", 1))
		r.has("GatewayClass.gateway.networking.k8s.io//meshweir", "example.com/other")
		for _, key := range []string{gatewayKey, "GatewayClass.gateway.networking.k8s.io//meshweir"} {
			if err := r.cluster.SetStatus(t.Context(), mustKey(t, key), conditions("Accepted")); !errors.Is(err, cluster.ErrConflict) {
				t.Errorf("%s: got %v, want ErrConflict", key, err)
			}
		}
		set(t, gatewayKey, nil) // what we wrote before goes
		object, _ := live(t, server, "/apis/gateway.networking.k8s.io/v1/namespaces/shop/gateways/web")
		if got, _, _ := unstructured.NestedSlice(object, "status", "conditions"); strings.Contains(fmt.Sprint(got), "status:True") {
			t.Errorf("got the conditions %v, want none of ours", got) // the definition has defaults
		}
	})

	t.Run("an object that does not exist", func(t *testing.T) {
		key := mustKey(t, "Gateway.gateway.networking.k8s.io/shop/nowhere")
		if err := r.cluster.SetStatus(t.Context(), key, conditions("Accepted")); !errors.Is(err, cluster.ErrGone) {
			t.Errorf("got %v, want ErrGone", err)
		}
		if err := r.cluster.SetStatus(t.Context(), key, nil); err != nil {
			t.Errorf("taking nothing away: got %v, want nil", err)
		}
	})
}
