package envoy

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcher "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

// Request is a request to ask about.
type Request struct {
	Method string
	URL    *url.URL
	Header http.Header
}

// matches reports whether a route takes a request.
func matches(m *route.RouteMatch, r Request) (bool, error) {
	ok, err := matchesPath(m, r.URL.Path)
	for _, header := range m.Headers {
		if !ok || err != nil {
			return false, err
		}
		ok, err = matchesHeader(header, r)
	}
	for _, query := range m.QueryParameters {
		if !ok || err != nil {
			return false, err
		}
		values, present := r.URL.Query()[query.Name]
		switch specifier := query.QueryParameterMatchSpecifier.(type) {
		case *route.QueryParameterMatcher_PresentMatch:
			ok = present == specifier.PresentMatch
		case *route.QueryParameterMatcher_StringMatch:
			ok = present
			if present {
				ok, err = matchesText(specifier.StringMatch, values[0])
			}
		default:
			err = fmt.Errorf("reading query parameter %s: unknown match %T", query.Name, specifier)
		}
	}
	return ok, err
}

func matchesPath(m *route.RouteMatch, path string) (bool, error) {
	switch specifier := m.PathSpecifier.(type) {
	case *route.RouteMatch_Path:
		return path == specifier.Path, nil
	case *route.RouteMatch_Prefix:
		return strings.HasPrefix(path, specifier.Prefix), nil
	case *route.RouteMatch_PathSeparatedPrefix:
		prefix := specifier.PathSeparatedPrefix
		return path == prefix || strings.HasPrefix(path, prefix+"/"), nil
	case *route.RouteMatch_SafeRegex:
		return matchesWhole(specifier.SafeRegex.Regex, path)
	default:
		return false, fmt.Errorf("reading a route: unknown path match %T", specifier)
	}
}

func matchesHeader(m *route.HeaderMatcher, r Request) (bool, error) {
	value, present := r.Header.Get(m.Name), len(r.Header.Values(m.Name)) > 0
	switch m.Name {
	case ":method":
		value, present = r.Method, true
	case ":authority":
		value, present = r.URL.Host, true
	case ":scheme":
		value, present = r.URL.Scheme, true
	}
	var ok bool
	var err error
	switch specifier := m.HeaderMatchSpecifier.(type) {
	case *route.HeaderMatcher_PresentMatch:
		ok = present == specifier.PresentMatch
	case *route.HeaderMatcher_StringMatch:
		ok = present || m.TreatMissingHeaderAsEmpty
		if ok {
			ok, err = matchesText(specifier.StringMatch, value)
		}
	default:
		err = fmt.Errorf("reading header %s: unknown match %T", m.Name, specifier)
	}
	return ok != m.InvertMatch, err
}

func matchesText(m *matcher.StringMatcher, value string) (bool, error) {
	if m.IgnoreCase {
		return false, fmt.Errorf("reading %v: ignore_case is not known here", m)
	}
	switch pattern := m.MatchPattern.(type) {
	case *matcher.StringMatcher_Exact:
		return value == pattern.Exact, nil
	case *matcher.StringMatcher_Prefix:
		return strings.HasPrefix(value, pattern.Prefix), nil
	case *matcher.StringMatcher_SafeRegex:
		return matchesWhole(pattern.SafeRegex.Regex, value)
	default:
		return false, fmt.Errorf("reading %v: unknown pattern %T", m, pattern)
	}
}

// matchesWhole reports whether an expression matches all of a text, as Envoy wants it everywhere.
func matchesWhole(expression, text string) (bool, error) {
	compiled, err := regexp.Compile("^(?:" + expression + ")$")
	if err != nil {
		return false, fmt.Errorf("compiling %q: %w", expression, err)
	}
	return compiled.MatchString(text), nil
}
