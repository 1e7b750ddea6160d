package resource_test

import (
	"testing"

	"github.com/meshweir/meshweir/schemas/resource"
)

func TestSelects(t *testing.T) {
	labels := map[string]string{"app": "shop", "canary": ""}
	for _, c := range []struct {
		name     string
		selector map[string]string
		want     bool
	}{
		{"nothing is asked for", nil, true},
		{"all is there", map[string]string{"app": "shop", "canary": ""}, true},
		{"another value", map[string]string{"app": "pay"}, false},
		{"one of two is missing", map[string]string{"app": "shop", "tier": "web"}, false},
		{"an empty value is not an absent one", map[string]string{"tier": ""}, false},
	} {
		if got := resource.Selects(c.selector, labels); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
