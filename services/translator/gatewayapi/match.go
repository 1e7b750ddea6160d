package gatewayapi

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"time"

	networking "istio.io/api/networking/v1"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/meshweir/meshweir/services/translator/inventory"
)

// precedence orders the rules of a host, as HTTPRouteRule.matches and GRPCRouteRule.matches of the Gateway API demand.
type precedence struct {
	// hostname is the specificity of the route's host name.
	hostname int
	// path ranks the kind of path match: exact, then regular expression, then prefix. Where regular expressions stand is left to the implementation.
	path int
	// pathLength is the length of a path; of a GRPCRoute, that of a service's name.
	pathLength int
	// method is 1 when a method of HTTP is matched; of a GRPCRoute, the length of a method's name.
	method  int
	headers int
	query   int
	created time.Time
	route   inventory.Ref
	rule    int
	match   int
}

// Ranks of path matches.
const (
	rankPrefix = iota
	rankRegex
	rankExact
)

// compare is negative when p comes first.
func (p precedence) compare(o precedence) int {
	return cmp.Or(
		cmp.Compare(o.hostname, p.hostname),
		cmp.Compare(o.path, p.path),
		cmp.Compare(o.pathLength, p.pathLength),
		cmp.Compare(o.method, p.method),
		cmp.Compare(o.headers, p.headers),
		cmp.Compare(o.query, p.query),
		byAge(p.created, p.route, o.created, o.route),
		cmp.Compare(p.rule, o.rule),
		cmp.Compare(p.match, o.match),
	)
}

// match is a match of an HTTPRoute without its path, and its path.
type match struct {
	precedence precedence
	// base holds all but the path.
	base *networking.HTTPMatchRequest
	kind gatewayv1.PathMatchType
	// path is the value; of a prefix, without slashes at its end, so that "/" is "".
	path string
}

// ignoredHeaders are names that a VirtualService ignores among the headers of a match.
const ignoredHeaders = " uri scheme method authority "

func (rr *ruleReader) readMatch(field string, source gatewayv1.HTTPRouteMatch) (match, bool) {
	m := match{base: &networking.HTTPMatchRequest{}}
	refused := len(rr.refused)
	rr.readPath(&m, field+"path.", ptr.Deref(source.Path, gatewayv1.HTTPPathMatch{}))
	m.base.Headers = rr.readHeaderMatches(field, source.Headers)
	m.base.QueryParams = rr.readQueryMatches(field, source.QueryParams)
	if source.Method != nil {
		m.base.Method = exactly(string(*source.Method))
		m.precedence.method = 1
	}
	m.precedence.headers, m.precedence.query = len(m.base.Headers), len(m.base.QueryParams)
	return m, len(rr.refused) == refused
}

func (rr *ruleReader) readPath(m *match, field string, source gatewayv1.HTTPPathMatch) {
	m.kind, m.path = ptr.Deref(source.Type, gatewayv1.PathMatchPathPrefix), ptr.Deref(source.Value, "/")
	switch m.kind {
	case gatewayv1.PathMatchExact:
		m.precedence.path = rankExact
	case gatewayv1.PathMatchPathPrefix:
		m.precedence.path = rankPrefix
	case gatewayv1.PathMatchRegularExpression:
		m.precedence.path = rankRegex
		if _, err := regexp.Compile(m.path); err != nil || m.path == "" {
			rr.unsupported(field+"value", fmt.Sprintf("%q is no regular expression (RE2)", m.path))
		}
	default:
		rr.unsupported(field+"type", fmt.Sprintf("%s is not supported", m.kind))
	}
	if m.kind != gatewayv1.PathMatchRegularExpression && !strings.HasPrefix(m.path, "/") {
		rr.unsupported(field+"value", fmt.Sprintf("%q does not begin with a slash", m.path))
	}
	if m.kind == gatewayv1.PathMatchPathPrefix {
		m.path = strings.TrimRight(m.path, "/")
	}
	m.precedence.pathLength = len(m.path)
}

func (rr *ruleReader) readHeaderMatches(field string, source []gatewayv1.HTTPHeaderMatch) map[string]*networking.StringMatch {
	if len(source) == 0 {
		return nil
	}
	matches := map[string]*networking.StringMatch{}
	for i, header := range source {
		at := fmt.Sprintf("%sheaders[%d].", field, i)
		name := strings.ToLower(string(header.Name))
		if _, seen := matches[name]; seen {
			continue // only the first of equal names counts
		}
		if strings.Contains(ignoredHeaders, " "+name+" ") {
			rr.unsupported(at+"name", fmt.Sprintf("a VirtualService cannot match a header named %q", name))
		}
		regex := ptr.Deref(header.Type, gatewayv1.HeaderMatchExact) != gatewayv1.HeaderMatchExact
		matches[name] = rr.readText(at, string(ptr.Deref(header.Type, gatewayv1.HeaderMatchExact)), regex, header.Value)
	}
	return matches
}

func (rr *ruleReader) readQueryMatches(field string, source []gatewayv1.HTTPQueryParamMatch) map[string]*networking.StringMatch {
	if len(source) == 0 {
		return nil
	}
	matches := map[string]*networking.StringMatch{}
	for i, query := range source {
		at := fmt.Sprintf("%squeryParams[%d].", field, i)
		if _, seen := matches[string(query.Name)]; seen {
			continue
		}
		regex := ptr.Deref(query.Type, gatewayv1.QueryParamMatchExact) != gatewayv1.QueryParamMatchExact
		matches[string(query.Name)] = rr.readText(at, string(ptr.Deref(query.Type, gatewayv1.QueryParamMatchExact)), regex, query.Value)
	}
	return matches
}

// readText reads the match of a header's or a query parameter's value.
func (rr *ruleReader) readText(field, kind string, regex bool, value string) *networking.StringMatch {
	if !regex {
		if value == "" {
			rr.unsupported(field+"value", "must not be empty") // it would match any value
		}
		return exactly(value)
	}
	if kind != string(gatewayv1.HeaderMatchRegularExpression) {
		rr.unsupported(field+"type", kind+" is not supported")
	}
	if _, err := regexp.Compile(value); err != nil || value == "" {
		rr.unsupported(field+"value", fmt.Sprintf("%q is no regular expression (RE2)", value))
	}
	return matching(value)
}

func exactly(value string) *networking.StringMatch {
	return &networking.StringMatch{MatchType: &networking.StringMatch_Exact{Exact: value}}
}

func startingWith(value string) *networking.StringMatch {
	return &networking.StringMatch{MatchType: &networking.StringMatch_Prefix{Prefix: value}}
}

func matching(expression string) *networking.StringMatch {
	return &networking.StringMatch{MatchType: &networking.StringMatch_Regex{Regex: expression}}
}

// exact returns the match for requests whose path is the match's path, or nil when there are none.
func (m match) exact() *networking.HTTPMatchRequest {
	if m.kind == gatewayv1.PathMatchRegularExpression || m.path == "" {
		return nil
	}
	return withURI(m.base, exactly(m.path))
}

// below returns the match for requests whose path is below the match's path, or nil when there are none.
func (m match) below() *networking.HTTPMatchRequest {
	if m.kind != gatewayv1.PathMatchPathPrefix {
		return nil
	}
	return withURI(m.base, startingWith(m.path+"/"))
}

// requests returns the whole match. A VirtualService's prefix is one of
// characters, the Gateway API's one of path elements, so it takes two: the path
// itself and what is below it.
func (m match) requests() []*networking.HTTPMatchRequest {
	if m.kind == gatewayv1.PathMatchRegularExpression {
		return []*networking.HTTPMatchRequest{
			withURI(m.base, matching(m.path)),
		}
	}
	var requests []*networking.HTTPMatchRequest
	for _, request := range []*networking.HTTPMatchRequest{m.exact(), m.below()} {
		if request != nil {
			requests = append(requests, request)
		}
	}
	return requests
}

func withURI(base *networking.HTTPMatchRequest, uri *networking.StringMatch) *networking.HTTPMatchRequest {
	return &networking.HTTPMatchRequest{Uri: uri, Method: base.Method, Headers: base.Headers, QueryParams: base.QueryParams, Port: base.Port}
}
