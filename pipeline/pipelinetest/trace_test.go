package pipelinetest

import (
	"slices"
	"testing"
)

func TestAChainIsOfOneTraceAndBeginsWithARoot(t *testing.T) {
	names := []string{"watch", "publish", "apply"}
	watch, publish, apply := Span{"1", "a", "", "watch"}, Span{"1", "b", "a", "publish"}, Span{"1", "c", "b", "apply"}
	for name, tt := range map[string]struct {
		spans []Span
		want  int
	}{
		"whole":              {[]Span{apply, publish, {"2", "d", "", "watch"}, watch}, 3},
		"a hop is missing":   {[]Span{watch, apply}, 1},
		"beside, not below":  {[]Span{watch, publish, {"1", "c", "a", "apply"}}, 2},
		"of another trace":   {[]Span{watch, publish, {"2", "c", "b", "apply"}}, 2},
		"begins with a link": {[]Span{{"1", "a", "x", "watch"}, publish, apply}, 0},
	} {
		if got := Chain(tt.spans, names); !slices.Equal(got, names[:tt.want]) {
			t.Errorf("%s: got %v, want %v", name, got, names[:tt.want])
		}
	}
}
