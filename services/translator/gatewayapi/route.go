package gatewayapi

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	networking "istio.io/api/networking/v1"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/inventory"
	"github.com/meshweir/meshweir/services/translator/output"
)

// route is a route as rules of VirtualServices, before it is known where it attaches.
type route struct {
	Created time.Time
	// Refused says why no Gateway can serve the route; it has no rules then.
	Refused refusal
	// Unresolved says which references of the route lead nowhere.
	Unresolved refusal
	Rules      []rule
	// Sources are objects of other clusters that the rules are made from.
	Sources []inventory.Ref
}

// rule is one match of a rule of a route.
type rule struct {
	// Name tells the rule apart: "namespace/name/rule/match", of a GRPCRoute "grpc/namespace/name/rule/match".
	Name       string
	Precedence precedence
	// Matches are the same match, said once or more.
	Matches []*networking.HTTPMatchRequest
	// Action is all but the name and the matches.
	Action *networking.HTTPRoute
}

// ruleReader collects what is found while a route is read.
type ruleReader struct {
	t          *Translator
	r          *graph.Reader
	ref        inventory.Ref
	refused    []string
	reason     gatewayv1.RouteConditionReason
	unresolved []refusal
	sources    *output.Sources
}

// unsupported notes a field that no VirtualService can express.
func (rr *ruleReader) unsupported(field, message string) {
	rr.refuse(gatewayv1.RouteReasonUnsupportedValue, field, message)
}

func (rr *ruleReader) refuse(reason gatewayv1.RouteConditionReason, field, message string) {
	if rr.reason == "" {
		rr.reason = reason
	}
	rr.refused = append(rr.refused, field+": "+message)
}

func (t *Translator) translateRoute(r *graph.Reader, ref inventory.Ref) route {
	source := t.source(r, ref)
	if source == nil {
		return route{}
	}
	if source.Problem != "" {
		return route{Refused: refuse(gatewayv1.RouteReasonUnsupportedValue, source.Problem)}
	}
	rr := &ruleReader{t: t, r: r, ref: ref, sources: output.NewSources()}
	for i, hostname := range source.Hostnames {
		if !validHostname(string(hostname)) {
			rr.unsupported(fmt.Sprintf("spec.hostnames[%d]", i), fmt.Sprintf("%q is no DNS name", hostname))
		}
	}
	rules := source.Rules
	if len(rules) == 0 {
		rules = []sourceRule{{}} // what an API server makes of an HTTPRoute without rules
	}
	translated := route{Created: source.CreationTimestamp.Time}
	for i, rule := range rules {
		translated.Rules = append(translated.Rules, rr.readRule(i, rule)...)
	}
	if rr.reason != "" {
		return route{Created: translated.Created, Refused: refuse(rr.reason, strings.Join(rr.refused, "; "))}
	}
	if len(rr.unresolved) > 0 {
		var messages []string
		for _, u := range rr.unresolved {
			messages = append(messages, u.Message)
		}
		translated.Unresolved = refusal{rr.unresolved[0].Reason, strings.Join(messages, "; ")}
	}
	translated.Sources = rr.sources.Objects()
	return translated
}

func (rr *ruleReader) readRule(index int, source sourceRule) []rule {
	field := fmt.Sprintf("spec.rules[%d].", index)
	if source.Retry != nil {
		rr.unsupported(field+"retry", "not supported")
	}
	if source.SessionPersistence != nil {
		rr.unsupported(field+"sessionPersistence", "not supported")
	}
	filters := rr.readFilters(field, source.Filters)
	action := rr.action(field, source.HTTPRouteRule, filters)
	if rr.ref.Key.Kind == kindGRPCRoute {
		return rr.grpcRules(index, source.GRPCMatches, action)
	}
	matches := source.Matches
	if len(matches) == 0 {
		matches = []gatewayv1.HTTPRouteMatch{{}}
	}
	var rules []rule
	for i, match := range matches {
		m, ok := rr.readMatch(fmt.Sprintf("%smatches[%d].", field, i), match)
		if !ok {
			continue
		}
		m.precedence.rule, m.precedence.match = index, i
		name := fmt.Sprintf("%s/%s/%d/%d", rr.ref.Key.Namespace, rr.ref.Key.Name, index, i)
		rules = append(rules, filters.rules(rr, fmt.Sprintf("%smatches[%d]", field, i), name, m, action)...)
	}
	return rules
}

// action returns what a rule does with a request that it takes, but for paths, whose change depends on the match.
func (rr *ruleReader) action(field string, source gatewayv1.HTTPRouteRule, f filters) *networking.HTTPRoute {
	if f.redirect != nil {
		if len(source.BackendRefs) > 0 {
			rr.refuse(gatewayv1.RouteReasonIncompatibleFilters, field+"backendRefs", "must be empty beside a RequestRedirect filter")
		}
		rr.timeouts(field, source.Timeouts, nil)
		return &networking.HTTPRoute{Headers: f.headers}
	}
	destinations, invalid, total := rr.readBackends(field, source.BackendRefs)
	if len(destinations) == 0 {
		rr.timeouts(field, source.Timeouts, nil)
		return &networking.HTTPRoute{DirectResponse: &networking.HTTPDirectResponse{Status: rr.failure()}}
	}
	action := &networking.HTTPRoute{Route: destinations, Headers: f.headers, Mirrors: f.mirrors}
	if invalid > 0 {
		action.Fault = &networking.HTTPFaultInjection{Abort: &networking.HTTPFaultInjection_Abort{
			ErrorType:  &networking.HTTPFaultInjection_Abort_HttpStatus{HttpStatus: int32(rr.failure())},
			Percentage: &networking.Percent{Value: percentage(invalid, total)},
		}}
	}
	rr.timeouts(field, source.Timeouts, action)
	return action
}

// failure is the HTTP status for requests that have no backend. Of 503, gRPC makes UNAVAILABLE.
func (rr *ruleReader) failure() uint32 {
	if rr.ref.Key.Kind == kindGRPCRoute {
		return 503
	}
	return 500
}

// istioAttempts is how often Istio retries a request by itself. Naming a time
// limit for an attempt needs a retry policy, which must not change the number.
const istioAttempts = 2

// timeouts reads the timeouts of a rule into an action; a nil action only has them checked.
func (rr *ruleReader) timeouts(field string, source *gatewayv1.HTTPRouteTimeouts, action *networking.HTTPRoute) {
	if source == nil {
		return
	}
	read := func(name string, text *gatewayv1.Duration) *durationpb.Duration {
		if text == nil {
			return nil
		}
		d, err := time.ParseDuration(string(*text))
		if err != nil || d < 0 || d > 0 && d < time.Millisecond {
			rr.unsupported(field+"timeouts."+name, fmt.Sprintf("%q is no duration of 1ms or more", *text))
			return nil
		}
		if d == 0 {
			return nil // 0s stands for no limit, which is Istio's default
		}
		return durationpb.New(d)
	}
	request, backend := read("request", source.Request), read("backendRequest", source.BackendRequest)
	if action == nil {
		return
	}
	action.Timeout = request
	if backend != nil {
		action.Retries = &networking.HTTPRetry{Attempts: istioAttempts, PerTryTimeout: backend}
	}
}

// readBackends returns the destinations of a rule, and which part of the total weight has none.
func (rr *ruleReader) readBackends(field string, refs []gatewayv1.HTTPBackendRef) (destinations []*networking.HTTPRouteDestination, invalid, total int64) {
	for i, ref := range refs {
		at := fmt.Sprintf("%sbackendRefs[%d]", field, i)
		headers := rr.backendHeaders(at+".", ref.Filters)
		destination := rr.destination(at, ref.BackendObjectReference)
		weight := int64(ptr.Deref(ref.Weight, 1))
		if weight < 0 || weight > 1_000_000 {
			rr.unsupported(at+".weight", "must be from 0 to 1000000")
		}
		total += weight
		if destination == nil {
			invalid += weight
			continue
		}
		if weight > 0 {
			destinations = append(destinations, &networking.HTTPRouteDestination{
				Destination: destination, Weight: int32(weight), Headers: headers,
			})
		}
	}
	return destinations, invalid, total
}
