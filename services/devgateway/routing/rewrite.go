package routing

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

// substitution replaces all matches of an expression in a text.
type substitution struct {
	expression *regexp.Regexp
	template   string
}

// newSubstitution reads a RegexRewrite, whose replacement names groups by "\1".
func newSubstitution(from *networking.RegexRewrite) (*substitution, error) {
	expression, err := regexp.Compile(from.GetMatch())
	if err != nil {
		return nil, err
	}
	var template strings.Builder
	text := from.GetRewrite()
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '$':
			template.WriteString("$$")
		case c != '\\':
			template.WriteByte(c)
		case i+1 == len(text):
			return nil, errors.New("a backslash at its end")
		default:
			i++
			switch next := text[i]; {
			case next == '\\':
				template.WriteByte(next)
			case next >= '0' && next <= '9':
				template.WriteString("${" + string(next) + "}")
			default:
				return nil, fmt.Errorf("a backslash before %q", next)
			}
		}
	}
	return &substitution{expression, template.String()}, nil
}

func (s *substitution) apply(text string) string {
	return s.expression.ReplaceAllString(text, s.template)
}

// replace replaces what a match took of a path: a prefix, and all of it otherwise.
func (m *match) replace(path, by string) string {
	if m.kind == prefixPath {
		return by + path[min(len(m.path), len(path)):]
	}
	return by
}

// Redirect is an answer that sends a client elsewhere.
type Redirect struct {
	Code                         int
	scheme, authority, uri, path string
	port                         uint32
	prefix                       bool // path replaces what was matched
	match                        *match
}

func newRedirect(from *networking.HTTPRedirect, m *match, port uint32) *Redirect {
	r := &Redirect{
		Code: int(from.GetRedirectCode()), scheme: from.GetScheme(), authority: from.GetAuthority(),
		uri: from.GetUri(), path: from.GetPrefixRewrite(), prefix: from.GetPrefixRewrite() != "", port: from.GetPort(), match: m,
	}
	if r.Code == 0 {
		r.Code = 301
	}
	if _, derive := from.GetRedirectPort().(*networking.HTTPRedirect_DerivePort); derive &&
		from.GetDerivePort() == networking.HTTPRedirect_FROM_REQUEST_PORT && port != 80 && port != 443 {
		r.port = port
	}
	return r
}

// Location returns where a request is sent.
func (r *Redirect) Location(request *Request) string {
	scheme := request.Scheme()
	if r.scheme != "" {
		scheme = r.scheme
	}
	host := request.Authority
	if name, port, err := net.SplitHostPort(host); err == nil {
		isDefault := request.TLS && port == "443" || !request.TLS && port == "80"
		if r.port != 0 || scheme != request.Scheme() && isDefault {
			host = name
		}
	}
	if r.authority != "" {
		host = r.authority
	}
	if r.port != 0 {
		host += ":" + strconv.FormatUint(uint64(r.port), 10)
	}
	path, query := request.Path, request.Query
	switch {
	case r.prefix:
		path = r.match.replace(path, r.path)
	case r.uri != "":
		var own bool
		var q string
		if path, q, own = strings.Cut(r.uri, "?"); own {
			query = q
		}
	}
	if query != "" {
		path += "?" + query
	}
	return scheme + "://" + host + path
}
