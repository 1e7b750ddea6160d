package routing

import "strings"

// covers reports whether a host, or all hosts of a wildcard, are among those of a pattern.
func covers(pattern, host string) bool {
	suffix, wild := strings.CutPrefix(pattern, "*")
	if !wild {
		return pattern == host
	}
	return strings.HasSuffix(strings.TrimPrefix(host, "*"), suffix) && (len(host) > len(suffix) || strings.HasPrefix(host, "*"))
}

// intersect returns the hosts that two patterns have in common: the narrower of the two.
func intersect(a, b string) (string, bool) {
	switch {
	case covers(a, b):
		return b, true
	case covers(b, a):
		return a, true
	}
	return "", false
}

// rank orders the patterns that cover a host: exact, then the longest; Envoy looks for them in this order.
func rank(pattern string) int {
	if !strings.HasPrefix(pattern, "*") {
		return 1 << 20
	}
	return len(pattern)
}

// best returns the pattern that decides about a host.
func best(patterns func(yield func(string) bool), host string) (pattern string, ok bool) {
	top := -1
	for p := range patterns {
		if covers(p, host) && rank(p) > top {
			top, pattern, ok = rank(p), p, true
		}
	}
	return pattern, ok
}
