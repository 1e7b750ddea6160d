package gatewayapi

import (
	"regexp"
	"strings"
	"testing"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// TestReplacesPrefixesAsTheGatewayAPISays runs the regular expressions over the
// table of HTTPPathModifier.replacePrefixMatch in the Gateway API's reference.
func TestReplacesPrefixesAsTheGatewayAPISays(t *testing.T) {
	for _, test := range []struct{ path, prefix, replacement, want string }{
		{"/foo/bar", "/foo", "/xyz", "/xyz/bar"},
		{"/foo/bar", "/foo", "/xyz/", "/xyz/bar"},
		{"/foo/bar", "/foo/", "/xyz", "/xyz/bar"},
		{"/foo/bar", "/foo/", "/xyz/", "/xyz/bar"},
		{"/foo", "/foo", "/xyz", "/xyz"},
		{"/foo/", "/foo", "/xyz", "/xyz/"},
		{"/foo/bar", "/foo", "", "/bar"},
		{"/foo/", "/foo", "", "/"},
		{"/foo", "/foo", "", "/"},
		{"/foo/", "/foo", "/", "/"},
		{"/foo", "/foo", "/", "/"},
		{"/foo", "/", "/xyz", "/xyz/foo"},
		{"/f.o/bar", "/f.o", `/x\1`, `/x\1/bar`},
	} {
		rr := &ruleReader{}
		m, ok := rr.readMatch("", gatewayv1.HTTPRouteMatch{Path: &gatewayv1.HTTPPathMatch{Value: &test.prefix}})
		if !ok {
			t.Fatalf("prefix %q: %v", test.prefix, rr.refused)
		}
		f := filters{rewrite: &gatewayv1.HTTPURLRewriteFilter{Path: &gatewayv1.HTTPPathModifier{
			Type: gatewayv1.PrefixMatchHTTPPathModifier, ReplacePrefixMatch: &test.replacement,
		}}}
		rewrite := f.rewritePath(rr, "", m)
		if got := substitute(rewrite.Match, rewrite.Rewrite, test.path); got != test.want {
			t.Errorf("%s with prefix %s replaced by %q became %s by %v, want %s", test.path, test.prefix, test.replacement, got, rewrite, test.want)
		}
	}
}

// substitute replaces as RE2 does in Envoy, where a backslash names a group.
func substitute(pattern, replacement, text string) string {
	escaped := strings.ReplaceAll(replacement, "$", "$$")
	escaped = strings.ReplaceAll(escaped, `\\`, "\x00")
	escaped = strings.ReplaceAll(escaped, `\1`, "${1}")
	return regexp.MustCompile(pattern).ReplaceAllString(text, strings.ReplaceAll(escaped, "\x00", `\`))
}
