package gatewayapi

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// grpcRules returns a rule for each match of a GRPCRoute's rule.
func (rr *ruleReader) grpcRules(index int, matches []gatewayv1.GRPCRouteMatch, action *networking.HTTPRoute) []rule {
	if len(matches) == 0 {
		matches = []gatewayv1.GRPCRouteMatch{{}}
	}
	rules := make([]rule, 0, len(matches))
	for i, source := range matches {
		field := fmt.Sprintf("spec.rules[%d].matches[%d].", index, i)
		request := &networking.HTTPMatchRequest{Uri: startingWith("/"), Headers: rr.readHeaderMatches(field, httpHeaders(source.Headers))}
		p := precedence{headers: len(request.Headers), rule: index, match: i}
		if source.Method != nil {
			request.Uri = rr.readMethod(field+"method.", *source.Method, &p)
		}
		name := fmt.Sprintf("grpc/%s/%s/%d/%d", rr.ref.Key.Namespace, rr.ref.Key.Name, index, i)
		rules = append(rules, rule{Name: name, Precedence: p, Matches: []*networking.HTTPMatchRequest{request}, Action: action})
	}
	return rules
}

func httpHeaders(source []gatewayv1.GRPCHeaderMatch) []gatewayv1.HTTPHeaderMatch {
	headers := make([]gatewayv1.HTTPHeaderMatch, 0, len(source))
	for _, header := range source {
		headers = append(headers, gatewayv1.HTTPHeaderMatch{
			Type: (*gatewayv1.HeaderMatchType)(header.Type), Name: gatewayv1.HTTPHeaderName(header.Name), Value: header.Value,
		})
	}
	return headers
}

// readMethod returns the match for the path of a request, "/service/method", and says in p what it takes precedence by.
func (rr *ruleReader) readMethod(field string, source gatewayv1.GRPCMethodMatch, p *precedence) *networking.StringMatch {
	service, method := ptr.Deref(source.Service, ""), ptr.Deref(source.Method, "")
	p.pathLength, p.method = len(service), len(method)
	if service == "" && method == "" {
		rr.unsupported(strings.TrimSuffix(field, "."), "service or method must be set")
	}
	switch kind := ptr.Deref(source.Type, gatewayv1.GRPCMethodMatchExact); kind {
	case gatewayv1.GRPCMethodMatchExact:
		p.path = rankExact
		rr.checkName(field+"service", service, serviceName)
		rr.checkName(field+"method", method, methodName)
		switch {
		case service == "":
			return matching("/[^/]+/" + method)
		case method == "":
			return startingWith("/" + service + "/")
		}
		return exactly("/" + service + "/" + method)
	case gatewayv1.GRPCMethodMatchRegularExpression:
		p.path = rankRegex
		return matching("/" + rr.readExpression(field+"service", service) + "/" + rr.readExpression(field+"method", method))
	default:
		rr.unsupported(field+"type", fmt.Sprintf("%s is not supported", kind))
		return nil
	}
}

// The names that the Gateway API takes.
var (
	serviceName = regexp.MustCompile(`^\.?[A-Za-z_][A-Za-z_0-9]*(\.[A-Za-z_][A-Za-z_0-9]*)*$`)
	methodName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z_0-9]*$`)
)

// checkName refuses what is no name of a service or a method. An empty one stands for all.
func (rr *ruleReader) checkName(field, name string, pattern *regexp.Regexp) {
	if name != "" && !pattern.MatchString(name) {
		rr.unsupported(field, fmt.Sprintf("%q is no name of this kind, which matches %s", name, pattern))
	}
}

// readExpression returns a regular expression for one part of a path. An empty one stands for all.
func (rr *ruleReader) readExpression(field, expression string) string {
	if expression == "" {
		return "[^/]+"
	}
	parsed, err := syntax.Parse(expression, syntax.Perl)
	switch {
	case err != nil:
		rr.unsupported(field, fmt.Sprintf("%q is no regular expression (RE2)", expression))
	case anchored(parsed):
		rr.unsupported(field, fmt.Sprintf("%q has an anchor: leave it out, the expression has to match the whole name", expression))
	}
	return "(?:" + expression + ")"
}

// anchored reports whether an expression asks for the beginning or the end of a text, which the inside of a path has not.
func anchored(expression *syntax.Regexp) bool {
	switch expression.Op {
	case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText:
		return true
	default:
		return slices.ContainsFunc(expression.Sub, anchored)
	}
}

// carriesGRPC reports whether Istio calls a Service's port with HTTP/2 when a
// request is one of gRPC. It does, unless the port is declared to be something
// else; see Istio's "Protocol Selection".
func carriesGRPC(port corev1.ServicePort) (declared string, ok bool) {
	declared = ptr.Deref(port.AppProtocol, port.Name)
	protocol, _, _ := strings.Cut(strings.ToLower(declared), "-")
	switch protocol {
	case "http", "https", "tls", "tcp", "mongo", "mysql", "redis", "kubernetes.io/ws", "kubernetes.io/wss":
		return declared, false
	}
	return declared, true
}
