package gatewayapi

import "testing"

func TestIntersect(t *testing.T) {
	for _, test := range []struct{ a, b, want string }{
		{"*", "a.example.com", "a.example.com"},
		{"a.example.com", "*", "a.example.com"},
		{"*.example.com", "a.example.com", "a.example.com"},
		{"*.example.com", "a.b.example.com", "a.b.example.com"},
		{"*.example.com", "*.b.example.com", "*.b.example.com"},
		{"*.example.com", "example.com", ""},
		{"*.example.com", "*.example.com", "*.example.com"},
		{"*.example.com", "a.notexample.com", ""},
		{"*.example.com", ".example.com", ""},
		{"a.example.com", "b.example.com", ""},
		{"*", "*", "*"},
	} {
		if got := intersect(test.a, test.b); got != test.want {
			t.Errorf("intersect(%q, %q) is %q, want %q", test.a, test.b, got, test.want)
		}
	}
}

func TestSpecificityPutsExactBeforeWildcardAndLongBeforeShort(t *testing.T) {
	names := []string{"a.b.example.com", "example.com", "*.a.very.long.name.example.com", "*.b", "*"}
	for i := 1; i < len(names); i++ {
		if specificity(names[i-1]) <= specificity(names[i]) {
			t.Errorf("%q does not come before %q", names[i-1], names[i])
		}
	}
}

func TestParseLabels(t *testing.T) {
	for _, test := range []struct {
		text, want string
		bad        bool
	}{
		{text: "istio=gateway", want: "gateway"},
		{text: "istio: gateway\n", want: "gateway"},
		{text: "# ours\nistio: \"gateway\", tier: edge", want: "gateway"},
		{text: "", bad: true},
		{text: "istio", bad: true},
		{text: "istio: not a label", bad: true},
		{text: "-: x", bad: true},
	} {
		labels, problem := parseLabels(test.text)
		if (problem != "") != test.bad || labels["istio"] != test.want {
			t.Errorf("parseLabels(%q) is %v with problem %q, want %q, bad: %v", test.text, labels, problem, test.want, test.bad)
		}
	}
}

// TestPercentageSurvivesIstio cuts as Istio does when it makes millionths of percents.
func TestPercentageSurvivesIstio(t *testing.T) {
	for millionths := int64(0); millionths <= 1_000_000; millionths++ {
		value := percentage(millionths, 1_000_000)
		if got := int64(uint32(value * 10_000)); got != millionths || value > 100 {
			t.Fatalf("%d millionths became %v percent, of which Istio makes %d", millionths, value, got)
		}
	}
}
