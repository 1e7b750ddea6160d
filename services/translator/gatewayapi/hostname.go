package gatewayapi

import "strings"

// covers reports whether every host that the second name stands for is one that the first stands for.
func covers(pattern, host string) bool {
	if pattern == anyHost || pattern == host {
		return true
	}
	suffix, wildcard := strings.CutPrefix(pattern, "*")
	return wildcard && strings.HasSuffix(host, suffix) && len(host) > len(suffix)
}

// intersect returns the more specific of two names, and "" when they have no host in common.
func intersect(a, b string) string {
	switch {
	case covers(a, b):
		return b
	case covers(b, a):
		return a
	}
	return ""
}

// specificity orders names that cover one host: the exact one first, then the longer.
func specificity(name string) int {
	switch {
	case name == anyHost:
		return 0
	case strings.HasPrefix(name, "*"):
		return len(name)
	}
	return 1<<16 + len(name)
}
