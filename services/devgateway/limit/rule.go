package limit

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	common "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	expr "github.com/envoyproxy/go-control-plane/envoy/extensions/rate_limit_descriptors/expr/v3"
	metadata "github.com/envoyproxy/go-control-plane/envoy/type/metadata/v3"
	kind "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/meshweir/meshweir/services/devgateway/guard"
)

// Rule makes one descriptor of a request: an entry of the rate_limits of a route.
type Rule struct {
	stage    uint32
	actions  []action
	override *metadata.MetadataKey
}

// action appends the entry that it makes of a request, or says that there is to be no descriptor.
type action func(entries []*common.RateLimitDescriptor_Entry, r *guard.Request) ([]*common.RateLimitDescriptor_Entry, bool)

// NewRule reads an entry of rate_limits. It refuses what it cannot execute, for a descriptor that lacks a part would count something else.
func NewRule(from *route.RateLimit) (*Rule, error) {
	rule := &Rule{stage: from.GetStage().GetValue()}
	switch {
	case from.GetHitsAddend() != nil:
		return nil, fmt.Errorf("hits_addend: %w", errNotExecuted)
	case from.GetApplyOnStreamDone():
		return nil, fmt.Errorf("apply_on_stream_done: %w", errNotExecuted)
	case len(from.GetActions()) == 0:
		return nil, fmt.Errorf("actions: at least one is needed")
	}
	if limit := from.GetLimit(); limit != nil {
		if rule.override = limit.GetDynamicMetadata().GetMetadataKey(); rule.override == nil {
			return nil, fmt.Errorf("limit: %w", errNotExecuted)
		}
	}
	for i, a := range from.GetActions() {
		made, err := newAction(a)
		if err != nil {
			return nil, fmt.Errorf("actions[%d]: %w", i, err)
		}
		rule.actions = append(rule.actions, made)
	}
	return rule, nil
}

func newAction(from *route.RateLimit_Action) (action, error) {
	switch a := from.GetActionSpecifier().(type) {
	case *route.RateLimit_Action_GenericKey_:
		return constant(or(a.GenericKey.GetDescriptorKey(), "generic_key"), a.GenericKey.GetDescriptorValue()), nil
	case *route.RateLimit_Action_DestinationCluster_:
		return func(e []*common.RateLimitDescriptor_Entry, r *guard.Request) ([]*common.RateLimitDescriptor_Entry, bool) {
			return with(e, "destination_cluster", r.Cluster), true
		}, nil
	case *route.RateLimit_Action_RequestHeaders_:
		h := a.RequestHeaders
		return valued(h.GetDescriptorKey(), h.GetSkipIfAbsent(), func(r *guard.Request) (string, bool) { return headerOf(r, h.GetHeaderName()) }), nil
	case *route.RateLimit_Action_RemoteAddress_:
		return valued("remote_address", false, func(r *guard.Request) (string, bool) { return r.Remote.String(), r.Remote.IsValid() }), nil
	case *route.RateLimit_Action_MaskedRemoteAddress_:
		return masked(a.MaskedRemoteAddress), nil
	case *route.RateLimit_Action_HeaderValueMatch_:
		return headerMatch(a.HeaderValueMatch)
	case *route.RateLimit_Action_QueryParameters_:
		q := a.QueryParameters
		return valued(q.GetDescriptorKey(), q.GetSkipIfAbsent(), func(r *guard.Request) (string, bool) { return queryOf(r, q.GetQueryParameterName()) }), nil
	case *route.RateLimit_Action_QueryParameterValueMatch_:
		return queryMatch(a.QueryParameterValueMatch)
	case *route.RateLimit_Action_Metadata:
		m := a.Metadata
		if m.GetSource() != route.RateLimit_Action_MetaData_DYNAMIC {
			return nil, fmt.Errorf("metadata.source %s: %w", m.GetSource(), errNotExecuted)
		}
		return valued(m.GetDescriptorKey(), m.GetSkipIfAbsent(), func(r *guard.Request) (string, bool) {
			value := lookup(r, m.GetMetadataKey())
			text, _ := value.(string)
			text = or(text, m.GetDefaultValue())
			return text, text != ""
		}), nil
	case *route.RateLimit_Action_Extension:
		return expression(a.Extension)
	default:
		return nil, fmt.Errorf("%s: %w", strings.TrimPrefix(fmt.Sprintf("%T", a), "*routev3.RateLimit_Action_"), errNotExecuted)
	}
}

// expression makes an entry of the one expression that is executed, the path without its query.
func expression(from *core.TypedExtensionConfig) (action, error) {
	var of expr.Descriptor
	if err := from.GetTypedConfig().UnmarshalTo(&of); err != nil {
		return nil, fmt.Errorf("extension %s: %w", from.GetName(), errNotExecuted)
	}
	if of.GetText() != "request.url_path" {
		return nil, fmt.Errorf("the expression %q: %w", of.GetText(), errNotExecuted)
	}
	return valued(of.GetDescriptorKey(), false, func(r *guard.Request) (string, bool) {
		path, _, _ := strings.Cut(r.Path, "?")
		return path, true
	}), nil
}

func with(entries []*common.RateLimitDescriptor_Entry, key, value string) []*common.RateLimitDescriptor_Entry {
	return append(entries, &common.RateLimitDescriptor_Entry{Key: key, Value: value})
}

func constant(key, value string) action {
	return valued(key, false, func(*guard.Request) (string, bool) { return value, true })
}

// valued makes an entry of what a request has; where it has none, the entry is left out, or the descriptor with it.
func valued(key string, skip bool, of func(*guard.Request) (string, bool)) action {
	return func(entries []*common.RateLimitDescriptor_Entry, r *guard.Request) ([]*common.RateLimitDescriptor_Entry, bool) {
		value, ok := of(r)
		if !ok {
			return entries, skip
		}
		return with(entries, key, value), true
	}
}

// conditional makes an entry if a condition is what it is expected to be.
func conditional(key, value string, expect bool, holds func(*guard.Request) bool) action {
	return func(entries []*common.RateLimitDescriptor_Entry, r *guard.Request) ([]*common.RateLimitDescriptor_Entry, bool) {
		if holds(r) != expect {
			return entries, false
		}
		return with(entries, key, value), true
	}
}

func masked(m *route.RateLimit_Action_MaskedRemoteAddress) action {
	bits := func(length interface{ GetValue() uint32 }, set bool, all int) int {
		if !set {
			return all
		}
		return min(int(length.GetValue()), all)
	}
	v4 := bits(m.GetV4PrefixMaskLen(), m.GetV4PrefixMaskLen() != nil, 32)
	v6 := bits(m.GetV6PrefixMaskLen(), m.GetV6PrefixMaskLen() != nil, 128)
	return valued("masked_remote_address", false, func(r *guard.Request) (string, bool) {
		length := v6
		if r.Remote.Is4() {
			length = v4
		}
		prefix, err := r.Remote.Prefix(length)
		return prefix.String(), err == nil && r.Remote.IsValid()
	})
}

func headerMatch(m *route.RateLimit_Action_HeaderValueMatch) (action, error) {
	var all []func(*guard.Request) bool
	for i, h := range m.GetHeaders() {
		matches, err := header(h)
		if err != nil {
			return nil, fmt.Errorf("header_value_match.headers[%d]: %w", i, err)
		}
		all = append(all, matches)
	}
	expect := m.GetExpectMatch() == nil || m.GetExpectMatch().GetValue()
	return conditional(or(m.GetDescriptorKey(), "header_match"), m.GetDescriptorValue(), expect, every(all)), nil
}

func queryMatch(m *route.RateLimit_Action_QueryParameterValueMatch) (action, error) {
	var all []func(*guard.Request) bool
	for i, q := range m.GetQueryParameters() {
		name := q.GetName()
		switch specifier := q.GetQueryParameterMatchSpecifier().(type) {
		case *route.QueryParameterMatcher_PresentMatch:
			all = append(all, func(r *guard.Request) bool { _, is := queryOf(r, name); return is == specifier.PresentMatch })
		case *route.QueryParameterMatcher_StringMatch:
			matches, err := text(specifier.StringMatch)
			if err != nil {
				return nil, fmt.Errorf("query_parameter_value_match.query_parameters[%d]: %w", i, err)
			}
			all = append(all, func(r *guard.Request) bool { value, is := queryOf(r, name); return is && matches(value) })
		default:
			all = append(all, func(r *guard.Request) bool { _, is := queryOf(r, name); return is })
		}
	}
	expect := m.GetExpectMatch() == nil || m.GetExpectMatch().GetValue()
	return conditional(or(m.GetDescriptorKey(), "query_match"), m.GetDescriptorValue(), expect, every(all)), nil
}

func every(all []func(*guard.Request) bool) func(*guard.Request) bool {
	return func(r *guard.Request) bool {
		for _, holds := range all {
			if !holds(r) {
				return false
			}
		}
		return true
	}
}

// descriptor returns the descriptor that the rule makes of a request, or nil when there is none.
func (rule *Rule) descriptor(r *guard.Request) *common.RateLimitDescriptor {
	d := &common.RateLimitDescriptor{}
	for _, a := range rule.actions {
		entries, ok := a(d.Entries, r)
		if !ok {
			return nil
		}
		d.Entries = entries
	}
	if len(d.Entries) == 0 {
		return nil
	}
	if rule.override != nil {
		d.Limit = overrideOf(r, rule.override)
	}
	return d
}

// overrideOf reads a limit from metadata: what is no limit there counts as none (Envoy, DynamicMetadataRateLimitOverride).
func overrideOf(r *guard.Request, key *metadata.MetadataKey) *common.RateLimitDescriptor_RateLimitOverride {
	value := lookup(r, key)
	fields, _ := value.(map[string]any)
	requests, isNumber := fields["requests_per_unit"].(float64)
	name, _ := fields["unit"].(string)
	unit, isUnit := kind.RateLimitUnit_value[name]
	if !isNumber || !isUnit || requests < 0 {
		return nil
	}
	return &common.RateLimitDescriptor_RateLimitOverride{RequestsPerUnit: uint32(requests), Unit: kind.RateLimitUnit(unit)}
}

// lookup returns a value of the request's metadata, or nil.
func lookup(r *guard.Request, key *metadata.MetadataKey) any {
	if r.Metadata == nil {
		return nil
	}
	path := make([]string, 0, len(key.GetPath()))
	for _, segment := range key.GetPath() {
		path = append(path, segment.GetKey())
	}
	value, _ := r.Metadata(key.GetKey(), path)
	if v, is := value.(*structpb.Value); is {
		return v.AsInterface()
	}
	return value
}

func headerOf(r *guard.Request, name string) (string, bool) {
	switch strings.ToLower(name) {
	case ":method":
		return r.Method, true
	case ":authority", "host":
		return r.Host, true
	case ":path":
		return r.Path, true
	case ":scheme":
		return r.Scheme, true
	}
	values := r.Header.Values(name)
	if len(values) == 0 {
		return "", false
	}
	return values[0], true
}

func queryOf(r *guard.Request, name string) (string, bool) {
	_, raw, _ := strings.Cut(r.Path, "?")
	for pair := range strings.SplitSeq(raw, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(key); err == nil {
			key = decoded
		}
		if key != name || pair == "" {
			continue
		}
		if decoded, err := url.QueryUnescape(value); err == nil {
			value = decoded
		}
		return value, true
	}
	return "", false
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// whole compiles an expression that has to match a whole text, as Envoy wants it everywhere.
func whole(expression string) (*regexp.Regexp, error) {
	return regexp.Compile(`\A(?:` + expression + `)\z`)
}
