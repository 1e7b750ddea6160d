package mesh_test

import (
	"testing"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/ui/mesh"
	"github.com/meshweir/meshweir/services/ui/view"
)

func TestAnIndexIsAlikeWhereNothingThatItReadsDiffers(t *testing.T) {
	cart := map[string]string{"app": "cart"}
	pod := func(detail string, labels map[string]string) *view.Row {
		return &view.Row{Detail: detail, Labels: labels}
	}
	tests := []struct {
		name, key string
		a, b      *view.Row
		want      bool
	}{
		{"a Pod that restarted", "Pod/shop/a", pod("Running", cart), pod("Running, 1 restart", cart), true},
		{"a Pod with another label", "Pod/shop/a", pod("Running", cart), pod("Running", map[string]string{"app": "pay"}), false},
		{"a Pod that is done", "Pod/shop/a", pod("Running", cart), pod("Succeeded", cart), false},
		{"a Pod that was done and went", "Pod/shop/a", pod("Failed", cart), nil, true},
		{"a Pod that came", "Pod/shop/a", nil, pod("Pending", cart), false},
		{"a Namespace that something else was said of", "Namespace//shop", &view.Row{Labels: cart, Detail: "Active"}, &view.Row{Labels: cart}, true},
		{"a Namespace with another label", "Namespace//shop", &view.Row{Labels: cart}, &view.Row{}, false},
		{"a Namespace that came", "Namespace//shop", nil, &view.Row{}, false},
		{"a kind that cannot be read any more", "UnreadKind.internal.meshweir.io//service", nil, &view.Row{}, false},
		{"a kind that cannot be read, as before", "UnreadKind.internal.meshweir.io//service", &view.Row{}, &view.Row{Detail: "x"}, true},
		{"an object that says nothing of traffic", "Secret/shop/a", &view.Row{}, nil, true},
		{"a route with another condition", "HTTPRoute.gateway.networking.k8s.io/shop/a", &view.Row{Wiring: &view.Wiring{}}, &view.Row{Wiring: &view.Wiring{}, Detail: "x"}, false},
		{"a mesh configuration that went", "ConfigMap/istio-system/istio", &view.Row{Wiring: &view.Wiring{}}, &view.Row{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key, err := resource.ParseKey(tt.key)
			if err != nil {
				t.Fatal(err)
			}
			if got := mesh.Alike(key, tt.a, tt.b); got != tt.want {
				t.Errorf("alike: %t, want %t", got, tt.want)
			}
			if mesh.Alike(key, tt.a, tt.b) != mesh.Alike(key, tt.b, tt.a) {
				t.Error("it depends on which is the first")
			}
		})
	}
}
