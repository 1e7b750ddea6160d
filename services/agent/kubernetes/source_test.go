package kubernetes

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/meshweir/meshweir/pipeline/pipelinetest/apiserver"
	"github.com/meshweir/meshweir/schemas/resource"
)

const lampDefinition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: lamps.meshweir.io}
spec:
  group: meshweir.io
  scope: Namespaced
  names: {plural: lamps, singular: lamp, kind: Lamp}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`

const lamp = "apiVersion: meshweir.io/v1\nkind: Lamp\nmetadata: {name: desk, namespace: shop}\nspec: {colour: red}\n"

const lampKey = "Lamp.meshweir.io/shop/desk"

func lampKind() schema.GroupKind { return schema.GroupKind{Group: resource.Group, Kind: "Lamp"} }

func TestDeliversWhatTheClusterHoldsAndThenChanges(t *testing.T) {
	t.Parallel()
	outer, server := t, newServer(t)
	server.Apply(everything + "---\n" + service("cart", "one"))
	small := func(c *Config) { c.MaxObjectBytes = 50_000 }
	r := open(t, server, small).start().sync()

	t.Run("objects as a snapshot has them", func(t *testing.T) {
		got := r.get("Service/shop/cart")
		if !strings.Contains(got, `"app":"one"`) || strings.Contains(got, "managedFields") {
			t.Errorf("got %s, want the Service without its managed fields", got)
		}
		if r.get("Namespace//kube-system") == "" {
			t.Error("the first complete delivery lacks the Namespace kube-system")
		}
	})

	t.Run("what is changed and deleted", func(t *testing.T) {
		server.Apply(service("cart", "two"))
		r.has("Service/shop/cart", `"app":"two"`)
		server.Remove(service("cart", "two"))
		r.lacks("Service/shop/cart")
	})

	t.Run("thousands of objects at once, in few deliveries", func(t *testing.T) {
		const many = 1000
		var all strings.Builder
		for i := range many {
			fmt.Fprintf(&all, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: many-%d, namespace: shop}\ndata: {a: b}\n", i)
		}
		server.Apply(all.String())
		r.has(fmt.Sprintf("ConfigMap/shop/many-%d", many-1), "many")
		r.stop()
		r = open(outer, server, small).start().sync()
		r.mu.Lock()
		defer r.mu.Unlock()
		if n := len(r.holds); n < many || r.deliveries > 200 {
			t.Errorf("got %d objects in %d deliveries, want %d in at most 200", n, r.deliveries, many)
		}
	})

	t.Run("a kind that is defined later", func(t *testing.T) {
		server.Apply(lampDefinition)
		server.Apply(lamp)
		r.has(lampKey, "red")
	})

	t.Run("a kind that is not served stays known, and its objects with it", func(t *testing.T) {
		server.Apply(strings.Replace(lampDefinition, "served: true", "served: false", 1))
		r.has("UnreadKind.internal.meshweir.io//lamp.meshweir.io", "does not serve")
		if r.get(lampKey) == "" {
			t.Error("the object is gone with its kind, though nobody deleted the kind")
		}
		server.Apply(lampDefinition)
		r.lacks("UnreadKind.internal.meshweir.io//lamp.meshweir.io")
		server.Apply(strings.Replace(lamp, "red", "blue", 1))
		r.has(lampKey, "blue")
	})

	t.Run("a kind that is deleted, and its objects with it", func(t *testing.T) {
		server.Remove(lampDefinition)
		r.lacks(lampKey)
		r.eventually("the end of the kind", func() bool {
			m := r.cluster.current()
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.kinds[lampKind()] == nil
		})
		server.Apply(lampDefinition)
		r.eventually("the kind to be served again", func() bool {
			return server.Do(apiserver.Request{
				Method: "POST", Path: "/apis/meshweir.io/v1/namespaces/shop/lamps",
				Body: []byte(`{"apiVersion":"meshweir.io/v1","kind":"Lamp","metadata":{"name":"desk"},"spec":{"colour":"green"}}`),
			}).Code == 201
		})
		r.has(lampKey, "green")
	})

	t.Run("an object that cannot be taken keeps its last good state and is reported", func(t *testing.T) {
		server.Apply(service("big", "one"))
		r.has("Service/shop/big", "one")
		big := strings.Replace(service("big", "two"), "metadata: {", "metadata: {annotations: {big: "+strings.Repeat("x", 60_000)+"}, ", 1)
		server.Apply(big)
		const problem = "ManifestProblem.internal.meshweir.io//service.shop.big"
		r.has(problem, "split it up")
		if got := r.get("Service/shop/big"); !strings.Contains(got, `"app":"one"`) {
			t.Errorf("got %s, want the last good state", got)
		}
		server.Apply(service("big", "three"))
		r.has("Service/shop/big", "three")
		r.lacks(problem)
	})
}
