package limit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcher "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/meshweir/meshweir/services/devgateway/guard"
)

var errNotExecuted = errors.New("the development gateway does not execute this")

// header returns whether a request fulfils a HeaderMatcher.
//
//nolint:staticcheck // Envoy still executes what its API calls deprecated.
func header(m *route.HeaderMatcher) (func(*guard.Request) bool, error) {
	var matches func(value string, is bool) bool
	onText := func(holds func(string) bool) {
		empty := m.GetTreatMissingHeaderAsEmpty()
		matches = func(value string, is bool) bool { return (is || empty) && holds(value) }
	}
	switch specifier := m.GetHeaderMatchSpecifier().(type) {
	case nil:
		matches = func(_ string, is bool) bool { return is }
	case *route.HeaderMatcher_PresentMatch:
		matches = func(_ string, is bool) bool { return is == specifier.PresentMatch }
	case *route.HeaderMatcher_StringMatch:
		holds, err := text(specifier.StringMatch)
		if err != nil {
			return nil, err
		}
		onText(holds)
	case *route.HeaderMatcher_ExactMatch:
		onText(func(value string) bool { return value == specifier.ExactMatch })
	case *route.HeaderMatcher_PrefixMatch:
		onText(func(value string) bool { return strings.HasPrefix(value, specifier.PrefixMatch) })
	case *route.HeaderMatcher_SuffixMatch:
		onText(func(value string) bool { return strings.HasSuffix(value, specifier.SuffixMatch) })
	case *route.HeaderMatcher_ContainsMatch:
		onText(func(value string) bool { return strings.Contains(value, specifier.ContainsMatch) })
	case *route.HeaderMatcher_SafeRegexMatch:
		expression, err := whole(specifier.SafeRegexMatch.GetRegex())
		if err != nil {
			return nil, err
		}
		onText(expression.MatchString)
	case *route.HeaderMatcher_RangeMatch:
		onText(func(value string) bool {
			n, err := strconv.ParseInt(value, 10, 64)
			return err == nil && n >= specifier.RangeMatch.GetStart() && n < specifier.RangeMatch.GetEnd()
		})
	default:
		return nil, fmt.Errorf("%T: %w", specifier, errNotExecuted)
	}
	return func(r *guard.Request) bool {
		value, is := joined(r, m.GetName())
		return matches(value, is) != m.GetInvertMatch()
	}, nil
}

// joined returns all values of a header, as Envoy's matchers see them.
func joined(r *guard.Request, name string) (string, bool) {
	if values := r.Header.Values(name); len(values) > 1 {
		return strings.Join(values, ","), true
	}
	return headerOf(r, name)
}

func text(m *matcher.StringMatcher) (func(string) bool, error) {
	fold := func(s string) string { return s }
	if m.GetIgnoreCase() {
		fold = strings.ToLower
	}
	switch pattern := m.GetMatchPattern().(type) {
	case *matcher.StringMatcher_Exact:
		want := fold(pattern.Exact)
		return func(s string) bool { return fold(s) == want }, nil
	case *matcher.StringMatcher_Prefix:
		want := fold(pattern.Prefix)
		return func(s string) bool { return strings.HasPrefix(fold(s), want) }, nil
	case *matcher.StringMatcher_Suffix:
		want := fold(pattern.Suffix)
		return func(s string) bool { return strings.HasSuffix(fold(s), want) }, nil
	case *matcher.StringMatcher_Contains:
		want := fold(pattern.Contains)
		return func(s string) bool { return strings.Contains(fold(s), want) }, nil
	case *matcher.StringMatcher_SafeRegex:
		expression, err := whole(pattern.SafeRegex.GetRegex())
		if err != nil {
			return nil, err
		}
		return expression.MatchString, nil // ignore_case is without effect here, says its reference
	default:
		return nil, fmt.Errorf("%T: %w", pattern, errNotExecuted)
	}
}
