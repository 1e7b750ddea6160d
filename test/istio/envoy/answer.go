package envoy

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	fault "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	matcher "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	percent "github.com/envoyproxy/go-control-plane/envoy/type/v3"
)

// Answer says what becomes of a request to a virtual host, in one line: what
// does not differ from the request, and what is Istio's default, is left out.
//
//	404
//	302 http://other.example.com:8080/new
//	a.shop:80 path /new timeout 10s
//	20% 500, 90 v1.shop:80 {request set x-a=1}, 10 v2.shop:80, mirror 5% shadow.shop:80
func Answer(host *route.VirtualHost, request Request) (string, error) {
	for _, r := range host.Routes {
		ok, err := matches(r.Match, request)
		if err != nil {
			return "", err
		}
		if ok {
			return answer(r, request)
		}
	}
	return "404", nil
}

func answer(r *route.Route, request Request) (string, error) {
	headers := headerText(r.RequestHeadersToAdd, r.RequestHeadersToRemove, r.ResponseHeadersToAdd, r.ResponseHeadersToRemove)
	switch action := r.Action.(type) {
	case *route.Route_DirectResponse:
		return join(strconv.Itoa(int(action.DirectResponse.Status)), headers), nil
	case *route.Route_Redirect:
		location, err := location(action.Redirect, r.Match, request)
		return join(fmt.Sprintf("%d %s", redirectCode(action.Redirect), location), headers), err
	case *route.Route_Route:
		failing, err := faultText(r)
		if err != nil {
			return "", err
		}
		rewritten, err := rewriteText(action.Route, r.Match, request)
		if err != nil {
			return "", err
		}
		parts := []string{failing, destinations(action.Route)}
		for _, mirror := range action.Route.RequestMirrorPolicies {
			parts = append(parts, "mirror "+share(mirror.GetRuntimeFraction().GetDefaultValue())+" "+ShortName(mirror.Cluster))
		}
		parts = slices.DeleteFunc(parts, func(part string) bool { return part == "" })
		return join(strings.Join(parts, ", "), rewritten, limits(action.Route), headers), nil
	default:
		return "", fmt.Errorf("reading route %s: unknown action %T", r.Name, action)
	}
}

func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), " ")
}

// ShortName shortens the name of an outbound cluster to "host:port", without the domain of the Kubernetes cluster.
func ShortName(cluster string) string {
	parts := strings.Split(cluster, "|")
	if len(parts) != 4 || parts[0] != "outbound" || parts[2] != "" {
		return cluster
	}
	return strings.TrimSuffix(parts[3], ".svc.cluster.local") + ":" + parts[1]
}

func destinations(action *route.RouteAction) string {
	if name := action.GetCluster(); name != "" {
		return ShortName(name)
	}
	var parts []string
	for _, part := range action.GetWeightedClusters().GetClusters() {
		headers := headerText(part.RequestHeadersToAdd, part.RequestHeadersToRemove, part.ResponseHeadersToAdd, part.ResponseHeadersToRemove)
		parts = append(parts, join(fmt.Sprint(part.GetWeight().GetValue()), ShortName(part.Name), headers))
	}
	return strings.Join(parts, ", ")
}

func limits(action *route.RouteAction) string {
	text := ""
	if limit := action.GetTimeout().AsDuration(); limit > 0 {
		text = "timeout " + limit.String()
	}
	retries := action.GetRetryPolicy()
	if limit := retries.GetPerTryTimeout().AsDuration(); limit > 0 {
		text = join(text, fmt.Sprintf("try %s, %d retries", limit, retries.GetNumRetries().GetValue()))
	}
	return text
}

func faultText(r *route.Route) (string, error) {
	filter := r.TypedPerFilterConfig["envoy.filters.http.fault"]
	if filter == nil {
		return "", nil
	}
	var f fault.HTTPFault
	if err := filter.UnmarshalTo(&f); err != nil {
		return "", fmt.Errorf("reading the fault of route %s: %w", r.Name, err)
	}
	return fmt.Sprintf("%s %d", share(f.GetAbort().GetPercentage()), f.GetAbort().GetHttpStatus()), nil
}

func share(p *percent.FractionalPercent) string {
	whole := map[percent.FractionalPercent_DenominatorType]float64{
		percent.FractionalPercent_HUNDRED: 100, percent.FractionalPercent_TEN_THOUSAND: 10_000, percent.FractionalPercent_MILLION: 1_000_000,
	}[p.GetDenominator()]
	return strconv.FormatFloat(float64(p.GetNumerator())*100/whole, 'f', -1, 64) + "%"
}

// headerText says how headers are changed, in braces.
func headerText(requestAdd []*core.HeaderValueOption, requestRemove []string, responseAdd []*core.HeaderValueOption, responseRemove []string) string {
	text := join(changes("request", requestAdd, requestRemove), changes("response", responseAdd, responseRemove))
	if text == "" {
		return ""
	}
	return "{" + text + "}"
}

func changes(of string, add []*core.HeaderValueOption, remove []string) string {
	var parts []string
	for _, option := range add {
		verb := "add"
		if option.AppendAction == core.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD {
			verb = "set"
		}
		parts = append(parts, fmt.Sprintf("%s %s %s=%s", of, verb, http.CanonicalHeaderKey(option.Header.Key), option.Header.Value))
	}
	for _, name := range remove {
		parts = append(parts, fmt.Sprintf("%s remove %s", of, http.CanonicalHeaderKey(name)))
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// rewriteText says how host and path are changed for the backend.
func rewriteText(action *route.RouteAction, m *route.RouteMatch, request Request) (string, error) {
	path := request.URL.Path
	switch rewrite := action.GetRegexRewrite(); {
	case rewrite != nil:
		changed, err := substitute(rewrite, path)
		if err != nil {
			return "", err
		}
		path = changed
	case action.PrefixRewrite != "":
		path = replacePrefix(m, path, action.PrefixRewrite)
	}
	text := ""
	if path != request.URL.Path {
		text = "path " + path
	}
	if host := action.GetHostRewriteLiteral(); host != "" {
		text = join(text, "host "+host)
	}
	return text, nil
}

// substitute replaces all matches of RE2, whose substitution names groups by "\1".
func substitute(rewrite *matcher.RegexMatchAndSubstitute, text string) (string, error) {
	expression, err := regexp.Compile(rewrite.Pattern.Regex)
	if err != nil {
		return "", fmt.Errorf("compiling %q: %w", rewrite.Pattern.Regex, err)
	}
	var template strings.Builder
	for i := 0; i < len(rewrite.Substitution); i++ {
		c := rewrite.Substitution[i]
		switch {
		case c == '$':
			template.WriteString("$$")
		case c != '\\':
			template.WriteByte(c)
		case i+1 == len(rewrite.Substitution):
			return "", fmt.Errorf("reading the substitution %q: a backslash at its end", rewrite.Substitution)
		case rewrite.Substitution[i+1] == '\\':
			template.WriteByte('\\')
			i++
		default:
			template.WriteString("${" + string(rewrite.Substitution[i+1]) + "}")
			i++
		}
	}
	return expression.ReplaceAllString(text, template.String()), nil
}

// replacePrefix replaces what a route has matched of a path.
func replacePrefix(m *route.RouteMatch, path, replacement string) string {
	matched := cmp.Or(m.GetPath(), m.GetPrefix(), m.GetPathSeparatedPrefix())
	return replacement + strings.TrimPrefix(path, matched)
}

func redirectCode(action *route.RedirectAction) int {
	return map[route.RedirectAction_RedirectResponseCode]int{
		route.RedirectAction_MOVED_PERMANENTLY: 301, route.RedirectAction_FOUND: 302, route.RedirectAction_SEE_OTHER: 303,
		route.RedirectAction_TEMPORARY_REDIRECT: 307, route.RedirectAction_PERMANENT_REDIRECT: 308,
	}[action.ResponseCode]
}

// location returns where a redirect leads.
func location(action *route.RedirectAction, m *route.RouteMatch, request Request) (string, error) {
	to := *request.URL
	switch {
	case action.GetHttpsRedirect():
		to.Scheme = "https"
	case action.GetSchemeRedirect() != "":
		to.Scheme = action.GetSchemeRedirect()
	}
	to.Host = redirectHost(action, request, to.Scheme)
	switch rewrite := action.PathRewriteSpecifier.(type) {
	case nil:
	case *route.RedirectAction_PathRedirect:
		if rewrite.PathRedirect == "" {
			break // Envoy takes it for none
		}
		path, query, ownQuery := strings.Cut(rewrite.PathRedirect, "?")
		if to.Path = path; ownQuery {
			to.RawQuery = query
		}
	case *route.RedirectAction_PrefixRewrite:
		to.Path = replacePrefix(m, to.Path, rewrite.PrefixRewrite)
	case *route.RedirectAction_RegexRewrite:
		path, err := substitute(rewrite.RegexRewrite, to.Path)
		if err != nil {
			return "", err
		}
		to.Path = path
	}
	if action.StripQuery {
		to.RawQuery = ""
	}
	return to.String(), nil
}

// redirectHost returns host and port: those of the request, but for what the
// redirect sets, and but for a port that is only the default of the old scheme.
func redirectHost(action *route.RedirectAction, request Request, scheme string) string {
	host := request.URL.Host
	if name, port, err := net.SplitHostPort(host); err == nil {
		isDefault := request.URL.Scheme == "http" && port == "80" || request.URL.Scheme == "https" && port == "443"
		if action.PortRedirect != 0 || scheme != request.URL.Scheme && isDefault {
			host = name
		}
	}
	host = cmp.Or(action.HostRedirect, host)
	if action.PortRedirect != 0 {
		host += fmt.Sprintf(":%d", action.PortRedirect)
	}
	return host
}
