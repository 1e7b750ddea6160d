package web

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func joined(lines []yamlLine) string {
	texts := make([]string, len(lines))
	for i, line := range lines {
		for _, token := range line {
			texts[i] += token.Text
		}
	}
	return strings.Join(texts, "\n") + "\n"
}

func TestYAMLTokens(t *testing.T) {
	tests := []struct {
		in   string
		want []yamlLine
	}{
		{"kind: Service", []yamlLine{{{"key", "kind"}, {"mark", ":"}, {"", " "}, {"string", "Service"}}}},
		{"  port: 80", []yamlLine{{{"mark", "  "}, {"key", "port"}, {"mark", ":"}, {"", " "}, {"number", "80"}}}},
		{"- name: a", []yamlLine{{{"mark", "- "}, {"key", "name"}, {"mark", ":"}, {"", " "}, {"string", "a"}}}},
		{"- http://a.example:80/x", []yamlLine{{{"mark", "- "}, {"string", "http://a.example:80/x"}}}},
		{"a.b/c-d: true", []yamlLine{{{"key", "a.b/c-d"}, {"mark", ":"}, {"", " "}, {"word", "true"}}}},
		{`"a: b": "c: d"`, []yamlLine{{{"key", `"a: b"`}, {"mark", ":"}, {"", " "}, {"string", `"c: d"`}}}},
		{"spec: {}", []yamlLine{{{"key", "spec"}, {"mark", ":"}, {"", " "}, {"mark", "{}"}}}},
		{"a: |-\n  b: 1\n\n  c\nd: 2", []yamlLine{
			{{"key", "a"}, {"mark", ":"}, {"", " "}, {"mark", "|-"}},
			{{"string", "  b: 1"}},
			{{"string", ""}},
			{{"string", "  c"}},
			{{"key", "d"}, {"mark", ":"}, {"", " "}, {"number", "2"}},
		}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, yamlLines(tt.in)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.in, diff)
		}
	}
}

func FuzzYAMLLosesNothing(f *testing.F) {
	for _, seed := range []string{"a: b\n", "- - a: |\n    x\n", "'x': \"y\" # z\n", "a:\tb\n", ": :\n", "a:  b\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want := strings.TrimSuffix(text, "\n") + "\n"
		if got := joined(yamlLines(text)); got != want {
			t.Errorf("the tokens of %q are %q", want, got)
		}
	})
}
