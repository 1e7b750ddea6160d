package gatewayapi

import (
	"maps"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Text is read as labels that Kubernetes may have, and the same from any way to write them, or there is a problem.
func FuzzParseLabels(f *testing.F) {
	for _, seed := range []string{
		"", "istio: ingressgateway", "istio=ingressgateway, app=x", "# no label\nistio: \"a\"", "a='b", "a:b=c", "a=b=c", "a", "=", "example.com/a: b", "/a: b", "a: b\r\nc: d", "a=1,a=2", "a:", "ä: b", "#: b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		labels, problem := parseLabels(text)
		if (len(labels) == 0) == (problem == "") {
			t.Fatalf("got %v and the problem %q, want one or the other", labels, problem)
		}
		var lines, pairs []string
		for key, value := range labels {
			if len(validation.IsQualifiedName(key)) > 0 || len(validation.IsValidLabelValue(value)) > 0 {
				t.Errorf("%q: %q is no label", key, value)
			}
			lines, pairs = append(lines, key+`: "`+value+`"`), append(pairs, key+"="+value)
		}
		for _, written := range []string{strings.Join(lines, "\n"), strings.Join(pairs, ", ")} {
			if again, _ := parseLabels(written); !maps.Equal(again, labels) {
				t.Errorf("%q is read as %v, want %v", written, again, labels)
			}
		}
	})
}
