package resource

import "testing"

func TestKnowsWhichServiceAHostNames(t *testing.T) {
	tests := []struct{ host, full, service string }{
		{"cart", "cart.shop.svc.cluster.local", "shop/cart"},
		{"cart.web.svc.cluster.local", "cart.web.svc.cluster.local", "web/cart"},
		{"cart.web", "cart.web", ""},
		{"cart.web.svc", "cart.web.svc", ""},
		{"api.example.com", "api.example.com", ""},
		{"a.cart.web.svc.cluster.local", "a.cart.web.svc.cluster.local", ""},
		{"*.web.svc.cluster.local", "*.web.svc.cluster.local", ""},
		{"*", "*", ""},
		{".svc.cluster.local", ".svc.cluster.local", ""},
	}
	for _, tt := range tests {
		full := FullHost(tt.host, "shop")
		if full != tt.full {
			t.Errorf("FullHost(%q) = %q, want %q", tt.host, full, tt.full)
		}
		service := ""
		if namespace, name, ok := ServiceOf(full); ok {
			service = namespace + "/" + name
		}
		if service != tt.service {
			t.Errorf("ServiceOf(%q) is %q, want %q", full, service, tt.service)
		}
	}
}
