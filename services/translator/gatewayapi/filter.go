package gatewayapi

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// filters are the filters of a rule.
type filters struct {
	headers  *networking.Headers
	mirrors  []*networking.HTTPMirrorPolicy
	redirect *gatewayv1.HTTPRequestRedirectFilter
	rewrite  *gatewayv1.HTTPURLRewriteFilter
	// pathField is the field of the path of redirect or rewrite.
	pathField string
}

func (rr *ruleReader) readFilters(field string, source []gatewayv1.HTTPRouteFilter) filters {
	var f filters
	seen := map[gatewayv1.HTTPRouteFilterType]bool{}
	for i, filter := range source {
		at := fmt.Sprintf("%sfilters[%d]", field, i)
		if seen[filter.Type] && filter.Type != gatewayv1.HTTPRouteFilterRequestMirror {
			rr.unsupported(at, fmt.Sprintf("filter %s is repeated", filter.Type))
		}
		seen[filter.Type] = true
		switch {
		case filter.Type == gatewayv1.HTTPRouteFilterRequestMirror && filter.RequestMirror != nil:
			rr.readMirror(&f, at+".requestMirror", *filter.RequestMirror)
		case filter.Type == gatewayv1.HTTPRouteFilterRequestRedirect && filter.RequestRedirect != nil:
			f.redirect, f.pathField = filter.RequestRedirect, at+".requestRedirect.path"
		case filter.Type == gatewayv1.HTTPRouteFilterURLRewrite && filter.URLRewrite != nil:
			f.rewrite, f.pathField = filter.URLRewrite, at+".urlRewrite.path"
		case rr.readHeaderModifier(&f.headers, at, filter):
		default:
			rr.unsupported(at+".type", fmt.Sprintf("%s is not supported, or its field is missing", filter.Type))
		}
	}
	if f.redirect != nil && f.rewrite != nil {
		rr.refuse(gatewayv1.RouteReasonIncompatibleFilters, field+"filters", "RequestRedirect and URLRewrite exclude one another")
	}
	if f.redirect != nil && len(f.mirrors) > 0 {
		rr.refuse(gatewayv1.RouteReasonIncompatibleFilters, field+"filters", "RequestRedirect and RequestMirror exclude one another")
	}
	return f
}

// backendHeaders reads the filters of a backendRef, of which a VirtualService knows the changes of headers.
func (rr *ruleReader) backendHeaders(field string, source []gatewayv1.HTTPRouteFilter) *networking.Headers {
	var headers *networking.Headers
	seen := map[gatewayv1.HTTPRouteFilterType]bool{}
	for i, filter := range source {
		at := fmt.Sprintf("%sfilters[%d]", field, i)
		if seen[filter.Type] {
			rr.unsupported(at, fmt.Sprintf("filter %s is repeated", filter.Type))
		}
		seen[filter.Type] = true
		if !rr.readHeaderModifier(&headers, at, filter) {
			rr.unsupported(at+".type", fmt.Sprintf("a VirtualService has no %s for one backend", filter.Type))
		}
	}
	return headers
}

// readHeaderModifier reads a filter into headers and reports whether it is one that changes headers.
func (rr *ruleReader) readHeaderModifier(headers **networking.Headers, field string, filter gatewayv1.HTTPRouteFilter) bool {
	request := filter.Type == gatewayv1.HTTPRouteFilterRequestHeaderModifier && filter.RequestHeaderModifier != nil
	response := filter.Type == gatewayv1.HTTPRouteFilterResponseHeaderModifier && filter.ResponseHeaderModifier != nil
	if !request && !response {
		return false
	}
	if *headers == nil {
		*headers = &networking.Headers{}
	}
	if request {
		(*headers).Request = rr.headerOperations(field+".requestHeaderModifier.", *filter.RequestHeaderModifier)
	} else {
		(*headers).Response = rr.headerOperations(field+".responseHeaderModifier.", *filter.ResponseHeaderModifier)
	}
	return true
}

func (rr *ruleReader) headerOperations(field string, source gatewayv1.HTTPHeaderFilter) *networking.Headers_HeaderOperations {
	check := func(at, name string) {
		lower := strings.ToLower(name)
		if len(validation.IsHTTPHeaderName(name)) > 0 || lower == "host" || lower == "authority" {
			rr.unsupported(at, fmt.Sprintf("the header %q cannot be changed", name))
		}
	}
	values := func(operation string, headers []gatewayv1.HTTPHeader) map[string]string {
		if len(headers) == 0 {
			return nil
		}
		seen, found := map[string]bool{}, map[string]string{}
		for i, header := range headers {
			check(fmt.Sprintf("%s%s[%d].name", field, operation, i), string(header.Name))
			if lower := strings.ToLower(string(header.Name)); !seen[lower] { // only the first of equal names counts
				seen[lower] = true
				// Envoy reads "%" as the beginning of a variable.
				found[string(header.Name)] = strings.ReplaceAll(header.Value, "%", "%%")
			}
		}
		return found
	}
	for i, name := range source.Remove {
		check(fmt.Sprintf("%sremove[%d]", field, i), name)
	}
	return &networking.Headers_HeaderOperations{
		Set: values("set", source.Set), Add: values("add", source.Add), Remove: slices.Clone(source.Remove),
	}
}

func (rr *ruleReader) readMirror(f *filters, field string, source gatewayv1.HTTPRequestMirrorFilter) {
	share, of := int64(ptr.Deref(source.Percent, 100)), int64(100)
	if source.Fraction != nil {
		share, of = int64(source.Fraction.Numerator), int64(ptr.Deref(source.Fraction.Denominator, 100))
	}
	if share < 0 || of < 1 || share > of || source.Percent != nil && source.Fraction != nil {
		rr.unsupported(field, "percent or fraction must be from 0 to 1, and only one of them set")
		return
	}
	if share*1_000_000%of != 0 {
		rr.unsupported(field+".fraction", fmt.Sprintf("%d/%d is no whole number of millionths, finer than which Envoy cannot split", share, of))
	}
	destination := rr.destination(field+".backendRef", source.BackendRef)
	if destination != nil && share > 0 {
		f.mirrors = append(f.mirrors, &networking.HTTPMirrorPolicy{
			Destination: destination, Percentage: &networking.Percent{Value: percentage(share, of)},
		})
	}
}

// percentage returns a share in percent, rounded to a millionth of the whole.
// Istio multiplies it by 10,000 and cuts off the rest, so the number must not
// lie below what it stands for.
func percentage(share, of int64) float64 {
	millionths := (share*1_000_000 + of/2) / of
	value := float64(millionths) / 10_000
	if int64(value*10_000) < millionths {
		value = math.Nextafter(value, math.Inf(1))
	}
	return value
}

// rules returns the rules of one match: its action with the change of path that the filters ask for.
func (f filters) rules(rr *ruleReader, matchField, name string, m match, action *networking.HTTPRoute) []rule {
	plain := rule{Name: name, Precedence: m.precedence, Matches: m.requests(), Action: action}
	switch {
	case f.redirect != nil:
		return f.redirectRules(rr, matchField, plain, m)
	case f.rewrite != nil && action.DirectResponse == nil:
		rewrite := &networking.HTTPRewrite{Authority: string(ptr.Deref(f.rewrite.Hostname, "")), UriRegexRewrite: f.rewritePath(rr, matchField, m)}
		plain.Action = copyAction(action)
		if rewrite.Authority != "" || rewrite.UriRegexRewrite != nil {
			plain.Action.Rewrite = rewrite
		}
	}
	return []rule{plain}
}

// rewritePath returns the change of path for one match. A VirtualService's own
// prefix rewrite knows nothing of path elements; a regular expression does.
func (f filters) rewritePath(rr *ruleReader, matchField string, m match) *networking.RegexRewrite {
	path := f.rewrite.Path
	switch {
	case path == nil:
		return nil
	case path.Type == gatewayv1.FullPathHTTPPathModifier && path.ReplaceFullPath != nil:
		return &networking.RegexRewrite{Match: "^/.*$", Rewrite: literal(*path.ReplaceFullPath)}
	case path.Type == gatewayv1.PrefixMatchHTTPPathModifier && path.ReplacePrefixMatch != nil:
		if m.kind != gatewayv1.PathMatchPathPrefix {
			rr.unsupported(f.pathField+".replacePrefixMatch", matchField+" matches no prefix")
			return nil
		}
		prefix, replacement := regexp.QuoteMeta(m.path), literal(strings.TrimRight(*path.ReplacePrefixMatch, "/"))
		if replacement == "" {
			return &networking.RegexRewrite{Match: "^" + prefix + "/?(.*)$", Rewrite: `/\1`}
		}
		return &networking.RegexRewrite{Match: "^" + prefix + "(/.*)?$", Rewrite: replacement + `\1`}
	}
	rr.unsupported(f.pathField+".type", fmt.Sprintf("%s is not supported, or its field is missing", path.Type))
	return nil
}

// literal escapes a text for the place of a substitution, where a backslash names a group.
func literal(text string) string { return strings.ReplaceAll(text, `\`, `\\`) }

// redirectRules returns the rules of one match of a redirect.
func (f filters) redirectRules(rr *ruleReader, matchField string, plain rule, m match) []rule {
	path := f.redirect.Path
	redirect := func(change func(*networking.HTTPRedirect)) *networking.HTTPRoute {
		action := copyAction(plain.Action)
		action.Redirect = rr.redirect(strings.TrimSuffix(f.pathField, "path"), f.redirect)
		change(action.Redirect)
		return action
	}
	switch {
	case path == nil:
		plain.Action = redirect(func(*networking.HTTPRedirect) {})
		return []rule{plain}
	case path.Type == gatewayv1.FullPathHTTPPathModifier && path.ReplaceFullPath != nil:
		plain.Action = redirect(func(r *networking.HTTPRedirect) { r.Uri = *path.ReplaceFullPath })
		return []rule{plain}
	case path.Type == gatewayv1.PrefixMatchHTTPPathModifier && path.ReplacePrefixMatch != nil:
		if m.kind != gatewayv1.PathMatchPathPrefix {
			rr.unsupported(f.pathField+".replacePrefixMatch", matchField+" matches no prefix")
			return nil
		}
	default:
		rr.unsupported(f.pathField+".type", fmt.Sprintf("%s is not supported, or its field is missing", path.Type))
		return nil
	}
	// Replacing a prefix takes two rules: the path itself becomes the replacement, and what is below it goes below the replacement.
	replacement := strings.TrimRight(*path.ReplacePrefixMatch, "/")
	var rules []rule
	if exact := m.exact(); exact != nil {
		self := plain
		self.Matches = []*networking.HTTPMatchRequest{exact}
		self.Action = redirect(func(r *networking.HTTPRedirect) { r.Uri = or(replacement, "/") })
		rules = append(rules, self)
	}
	below := plain
	below.Name += "/below"
	below.Matches = []*networking.HTTPMatchRequest{m.below()}
	below.Action = redirect(func(r *networking.HTTPRedirect) { r.PrefixRewrite = replacement + "/" })
	return append(rules, below)
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// redirect returns a redirect without its path. Without a scheme the port is
// that of the listener; with one, it is the scheme's own.
func (rr *ruleReader) redirect(field string, source *gatewayv1.HTTPRequestRedirectFilter) *networking.HTTPRedirect {
	redirect := &networking.HTTPRedirect{
		Authority:    string(ptr.Deref(source.Hostname, "")),
		Scheme:       ptr.Deref(source.Scheme, ""),
		RedirectCode: uint32(ptr.Deref(source.StatusCode, 302)),
	}
	if redirect.Scheme != "" && redirect.Scheme != "http" && redirect.Scheme != "https" {
		rr.unsupported(field+"scheme", fmt.Sprintf("%q is neither http nor https", redirect.Scheme))
	}
	if !slices.Contains([]uint32{301, 302, 303, 307, 308}, redirect.RedirectCode) {
		rr.unsupported(field+"statusCode", fmt.Sprintf("%d is none of 301, 302, 303, 307 and 308", redirect.RedirectCode))
	}
	switch {
	case source.Port != nil:
		redirect.RedirectPort = &networking.HTTPRedirect_Port{Port: uint32(*source.Port)}
	case redirect.Scheme == "":
		redirect.RedirectPort = &networking.HTTPRedirect_DerivePort{DerivePort: networking.HTTPRedirect_FROM_REQUEST_PORT}
	default:
		redirect.RedirectPort = &networking.HTTPRedirect_DerivePort{DerivePort: networking.HTTPRedirect_FROM_PROTOCOL_DEFAULT}
	}
	return redirect
}

// copyAction returns a new action with the same parts.
func copyAction(a *networking.HTTPRoute) *networking.HTTPRoute {
	return &networking.HTTPRoute{
		Route: a.Route, Redirect: a.Redirect, DirectResponse: a.DirectResponse, Rewrite: a.Rewrite,
		Timeout: a.Timeout, Retries: a.Retries, Fault: a.Fault, Mirrors: a.Mirrors, Headers: a.Headers,
	}
}
