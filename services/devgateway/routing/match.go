package routing

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

// Request is what routes are found by.
type Request struct {
	// TLS says that it came over TLS, and ServerName for which name the connection was made.
	TLS        bool
	ServerName string
	// Authority is the Host header as it came; Host is it in lower case and without port, and Port that port, 0 for none.
	Authority, Host string
	Port            uint32
	Method          string
	// Path and Query are as they came, with nothing decoded but dot segments.
	Path, Query string
	Header      http.Header
	// GRPC says that the client speaks gRPC.
	GRPC bool
}

// Scheme is http or https.
func (r *Request) Scheme() string {
	if r.TLS {
		return "https"
	}
	return "http"
}

// condition is one thing that a match asks for.
type condition func(*Request) bool

// match is a HTTPMatchRequest.
type match struct {
	conditions []condition
	// path is the text of an exact path or a prefix, which a rewrite replaces.
	path string
	fold bool
	kind pathKind
}

type pathKind int

const (
	anyPath pathKind = iota
	exactPath
	prefixPath
	regexPath
)

func (m *match) takes(r *Request) bool {
	for _, holds := range m.conditions {
		if !holds(r) {
			return false
		}
	}
	return true
}

// all reports whether the match takes every request.
func (m *match) all() bool {
	return m.kind == anyPath && len(m.conditions) == 0 || m.kind == prefixPath && m.path == "/" && len(m.conditions) == 1
}

// ignored are names that Istio ignores among the headers of a match.
func ignored(header string) bool {
	switch strings.ToLower(header) {
	case "uri", "scheme", "method", "authority":
		return true
	}
	return false
}

// newMatch reads a HTTPMatchRequest, but for its port and gateways.
func newMatch(from *networking.HTTPMatchRequest) (*match, error) {
	m := &match{fold: from.GetIgnoreUriCase()}
	if err := m.readPath(from.GetUri()); err != nil {
		return nil, fmt.Errorf("uri: %w", err)
	}
	for name, of := range map[string]struct {
		text  *networking.StringMatch
		value func(*Request) string
	}{
		"scheme":    {from.GetScheme(), (*Request).Scheme},
		"method":    {from.GetMethod(), func(r *Request) string { return r.Method }},
		"authority": {from.GetAuthority(), func(r *Request) string { return r.Authority }},
	} {
		if of.text == nil {
			continue
		}
		matches, err := textMatch(of.text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		m.conditions = append(m.conditions, func(r *Request) bool { return matches == nil || matches(of.value(r)) })
	}
	for name, want := range from.GetHeaders() {
		if err := m.addHeader(name, want, true); err != nil {
			return nil, fmt.Errorf("headers[%s]: %w", name, err)
		}
	}
	for name, want := range from.GetWithoutHeaders() {
		if err := m.addHeader(name, want, false); err != nil {
			return nil, fmt.Errorf("withoutHeaders[%s]: %w", name, err)
		}
	}
	for name, want := range from.GetQueryParams() {
		matches, err := textMatch(want)
		if err != nil {
			return nil, fmt.Errorf("queryParams[%s]: %w", name, err)
		}
		m.conditions = append(m.conditions, func(r *Request) bool {
			value, is := firstQuery(r.Query, name)
			return is && (matches == nil || matches(value))
		})
	}
	return m, nil
}

func (m *match) addHeader(name string, want *networking.StringMatch, with bool) error {
	if ignored(name) {
		return nil
	}
	matches, err := textMatch(want)
	m.conditions = append(m.conditions, func(r *Request) bool {
		values := r.Header.Values(name)
		return (len(values) > 0 && (matches == nil || matches(strings.Join(values, ",")))) == with
	})
	return err
}

func (m *match) readPath(from *networking.StringMatch) error {
	if from == nil {
		return nil
	}
	fold := func(s string) string { return s }
	if m.fold {
		fold = strings.ToLower
	}
	switch of := from.GetMatchType().(type) {
	case *networking.StringMatch_Exact:
		m.kind, m.path = exactPath, of.Exact
		want := fold(of.Exact)
		m.conditions = append(m.conditions, func(r *Request) bool { return fold(r.Path) == want })
	case *networking.StringMatch_Prefix:
		m.kind, m.path = prefixPath, of.Prefix
		want := fold(of.Prefix)
		m.conditions = append(m.conditions, func(r *Request) bool { return strings.HasPrefix(fold(r.Path), want) })
	case *networking.StringMatch_Regex:
		m.kind = regexPath
		expression, err := whole(of.Regex)
		if err != nil {
			return err
		}
		m.conditions = append(m.conditions, func(r *Request) bool { return expression.MatchString(r.Path) })
	default:
		return errors.New("neither exact nor prefix nor regex")
	}
	return nil
}

// textMatch returns whether a text is what is wanted; nil when anything is, as long as it is there.
func textMatch(from *networking.StringMatch) (func(string) bool, error) {
	switch of := from.GetMatchType().(type) {
	case nil:
		return nil, nil
	case *networking.StringMatch_Exact:
		return func(s string) bool { return s == of.Exact }, nil
	case *networking.StringMatch_Prefix:
		return func(s string) bool { return strings.HasPrefix(s, of.Prefix) }, nil
	case *networking.StringMatch_Regex:
		expression, err := whole(of.Regex)
		if err != nil {
			return nil, err
		}
		return expression.MatchString, nil
	default:
		return nil, fmt.Errorf("%T: %s", of, notExecuted)
	}
}

// whole compiles an expression that has to match a whole text, as in Envoy.
func whole(expression string) (*regexp.Regexp, error) {
	return regexp.Compile(`\A(?:` + expression + `)\z`)
}

// firstQuery returns the first value of a parameter.
func firstQuery(raw, name string) (string, bool) {
	for pair := range strings.SplitSeq(raw, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if pair != "" && unescaped(key) == name {
			return unescaped(value), true
		}
	}
	return "", false
}

func unescaped(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		return decoded
	}
	return s
}
