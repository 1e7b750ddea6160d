package istio

import "testing"

func TestOfEachLevelTheOldestPolicyIsInForce(t *testing.T) {
	cart := map[string]string{"app": "cart"}
	old, young := "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
	policies := []Peer{
		{Namespace: "istio-system", Name: "ignored", Created: old, Selector: cart},
		{Namespace: "istio-system", Name: "young", Created: young},
		{Namespace: "istio-system", Name: "mesh", Created: old},
		{Namespace: "shop", Name: "z", Created: old},
		{Namespace: "shop", Name: "a", Created: old},
		{Namespace: "shop", Name: "cart", Created: young, Selector: cart},
		{Namespace: "shop", Name: "undated", Selector: map[string]string{"app": "cart", "version": "v1"}},
		{Namespace: "pay", Name: "pay", Created: old},
	}
	tests := []struct {
		name, root, namespace string
		labels                map[string]string
		want                  [3]string
	}{
		{"of one age the first by name", "istio-system", "shop", nil, [3]string{"mesh", "a", ""}},
		{"its own labels", "istio-system", "shop", cart, [3]string{"mesh", "a", "cart"}},
		{"one without a date is the oldest", "istio-system", "shop", map[string]string{"app": "cart", "version": "v1"}, [3]string{"mesh", "a", "undated"}},
		{"a namespace without policies", "istio-system", "web", cart, [3]string{"mesh", "", ""}},
		{"a workload of the root namespace", "istio-system", "istio-system", cart, [3]string{"mesh", "", ""}},
		{"another root namespace", "pay", "shop", nil, [3]string{"pay", "a", ""}},
	}
	for _, tt := range tests {
		var got [3]string
		for level, i := range Levels(tt.root, tt.namespace, tt.labels, policies) {
			if i >= 0 {
				got[level] = policies[i].Name
			}
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
