package pipelinetest

import "slices"

// Span is what tells how spans hang together.
type Span struct {
	Trace, ID string
	// Parent is the ID of another one of the trace; empty for a root.
	Parent string
	// Name is what a test calls it by.
	Name string
}

// Chain returns the longest beginning of names that spans of one trace form, the first a root and each other the child of the one before.
func Chain(spans []Span, names []string) (longest []string) {
	var follow func(parent Span, made int)
	follow = func(parent Span, made int) {
		if made > len(longest) {
			longest = slices.Clone(names[:made])
		}
		for _, s := range spans {
			isNext := made < len(names) && s.Name == names[made] && s.Parent == parent.ID
			if isNext && (made == 0 || s.Trace == parent.Trace) {
				follow(s, made+1)
			}
		}
	}
	follow(Span{}, 0)
	return longest
}
