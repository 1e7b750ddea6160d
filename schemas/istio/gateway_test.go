package istio

import "testing"

func TestKnowsWhichGatewayIsNamed(t *testing.T) {
	tests := []struct{ written, want string }{
		{"edge", "shop/edge"},
		{"./edge", "shop/edge"},
		{"ingress/edge", "ingress/edge"},
		{"ingress/edge.v1", "ingress/edge.v1"},
		{"edge.ingress", "ingress/edge"},
		{"edge.ingress.svc.cluster.local", "ingress/edge"},
		{"mesh", "sidecars"},
		{"shop/mesh", "shop/mesh"},
		{"./mesh", "shop/mesh"},
	}
	for _, tt := range tests {
		in, name, mesh := Gateway(tt.written, "shop")
		got := in + "/" + name
		if mesh {
			got = "sidecars"
		}
		if got != tt.want {
			t.Errorf("Gateway(%q) is %s, want %s", tt.written, got, tt.want)
		}
	}
}
