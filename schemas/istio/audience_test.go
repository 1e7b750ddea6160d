package istio

import "testing"

func TestReadsToWhomAnObjectIsExported(t *testing.T) {
	tests := []struct {
		exportTo, fallback []string
		want               string
	}{
		{nil, nil, "every namespace"},
		{nil, []string{"."}, "namespace shop"},
		{[]string{"*"}, []string{"."}, "every namespace"},
		{[]string{".", " pay"}, nil, "namespace shop, pay"},
		{[]string{"~"}, nil, "no namespace"},
	}
	for _, tt := range tests {
		if got := Exported(tt.exportTo, tt.fallback, "shop").String(); got != tt.want {
			t.Errorf("exportTo %q, by default %q, is for %s, want %s", tt.exportTo, tt.fallback, got, tt.want)
		}
	}
}

func TestAudiencesMeetInANamespace(t *testing.T) {
	all, none := Audience{All: true}, Audience{}
	shop, pay, both := Audience{Names: []string{"shop"}}, Audience{Names: []string{"pay"}}, Audience{Names: []string{"pay", "shop"}}
	tests := []struct {
		a, b Audience
		want bool
	}{
		{all, all, true},
		{all, shop, true},
		{all, none, false},
		{shop, both, true},
		{shop, pay, false},
		{none, none, false},
	}
	for _, tt := range tests {
		if tt.a.Meets(tt.b) != tt.want || tt.b.Meets(tt.a) != tt.want {
			t.Errorf("%s and %s meet: %t and %t, want %t", tt.a, tt.b, tt.a.Meets(tt.b), tt.b.Meets(tt.a), tt.want)
		}
	}
}
