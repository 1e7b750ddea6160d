// Package limit executes Envoy's rate limit filter (envoy.filters.http.ratelimit): of the rate_limits of a route it makes
// descriptors, asks the real rate limit service (envoy.service.ratelimit.v3) about them, and answers as it says. What is not
// executed is refused by [NewFilter] and [NewRule].
package limit

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	config "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ratelimit/v3"
	service "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc/codes"

	"github.com/meshweir/meshweir/services/devgateway/guard"
)

// defaultTimeout is Envoy's, for a filter that sets none.
const defaultTimeout = 20 * time.Millisecond

// Ask asks a rate limit service.
type Ask func(ctx context.Context, request *service.RateLimitRequest) (*service.RateLimitResponse, error)

// Filter is one rate limit filter of a proxy.
type Filter struct {
	// Service is the name of the cluster of the rate limit service, "outbound|8081||ratelimiter.meshweir.svc.cluster.local".
	Service string
	// Domain is the domain of all its descriptors.
	Domain string

	log          *slog.Logger
	ask          Ask
	stage        uint32
	timeout      time.Duration
	deny         bool // when the service fails
	headers      bool // x-ratelimit-*
	mark         bool // x-envoy-ratelimited
	status       int  // of what is over its limit
	errorStatus  int
	grpcStatus   codes.Code
	limitHeaders http.Header
}

// NewFilter reads a filter's configuration. dial makes what asks the service of a name.
func NewFilter(log *slog.Logger, from *config.RateLimit, dial func(cluster string) Ask) (*Filter, error) {
	grpc := from.GetRateLimitService().GetGrpcService()
	f := &Filter{
		Service: grpc.GetEnvoyGrpc().GetClusterName(), Domain: from.GetDomain(), log: log, stage: from.GetStage(), timeout: defaultTimeout,
		deny: from.GetFailureModeDeny(), mark: !from.GetDisableXEnvoyRatelimitedHeader(),
		headers: from.GetEnableXRatelimitHeaders() == config.RateLimit_DRAFT_VERSION_03,
		status:  statusOr(int(from.GetRateLimitedStatus().GetCode()), http.StatusTooManyRequests), grpcStatus: codes.Unavailable,
		errorStatus: statusOr(int(from.GetStatusOnError().GetCode()), http.StatusInternalServerError),
	}
	if from.GetRateLimitedAsResourceExhausted() {
		f.grpcStatus = codes.ResourceExhausted
	}
	if from.GetTimeout() != nil {
		f.timeout = from.GetTimeout().AsDuration()
	}
	switch {
	case f.Service == "":
		return nil, fmt.Errorf("rate_limit_service.grpc_service.envoy_grpc.cluster_name: is needed")
	case f.Domain == "":
		return nil, fmt.Errorf("domain: is needed")
	case from.GetRequestType() != "" && from.GetRequestType() != "both":
		return nil, fmt.Errorf("request_type %q: %w", from.GetRequestType(), errNotExecuted)
	case len(from.GetRateLimits()) > 0:
		return nil, fmt.Errorf("rate_limits: %w", errNotExecuted)
	case from.GetFilterEnabled() != nil || from.GetFilterEnforced() != nil || from.GetFailureModeDenyPercent() != nil:
		return nil, fmt.Errorf("filter_enabled, filter_enforced, failure_mode_deny_percent: %w", errNotExecuted)
	}
	f.limitHeaders = headersOf(from.GetResponseHeadersToAdd())
	f.ask = dial(f.Service)
	return f, nil
}

// statusOr returns an HTTP status that a filter sets for a failure; what is below 400 counts as unset, as in Envoy.
func statusOr(status, otherwise int) int {
	if status < http.StatusBadRequest {
		return otherwise
	}
	return status
}

// For returns the guard of a route with these rules; nil when none of them is of the filter's stage.
func (f *Filter) For(rules []*Rule) guard.Guard {
	var own []*Rule
	for _, rule := range rules {
		if rule.stage == f.stage {
			own = append(own, rule)
		}
	}
	if len(own) == 0 {
		return nil
	}
	return &limiter{f, own}
}

type limiter struct {
	*Filter
	rules []*Rule
}

// Judge implements [guard.Guard].
func (l *limiter) Judge(ctx context.Context, r *guard.Request) guard.Verdict {
	request := &service.RateLimitRequest{Domain: l.Domain}
	for _, rule := range l.rules {
		if d := rule.descriptor(r); d != nil {
			request.Descriptors = append(request.Descriptors, d)
		}
	}
	if len(request.Descriptors) == 0 {
		return guard.Verdict{}
	}
	waiting := ctx
	if l.timeout > 0 { // 0 waits for as long as it takes, as in Envoy
		var cancel context.CancelFunc
		waiting, cancel = context.WithTimeout(ctx, l.timeout)
		defer cancel()
	}
	response, err := l.ask(waiting, request)
	if err != nil || response.GetOverallCode() == service.RateLimitResponse_UNKNOWN {
		l.log.WarnContext(ctx, "the rate limit service gave no answer", "service", l.Service, "denied", l.deny, "error", err)
		if l.deny {
			return guard.Verdict{Answer: &guard.Answer{Status: l.errorStatus}}
		}
		return guard.Verdict{}
	}
	verdict := guard.Verdict{Request: added(response.GetRequestHeadersToAdd()), Response: added(response.GetResponseHeadersToAdd())}
	if l.headers {
		addLimits(verdict.Response, response.GetStatuses())
	}
	if response.GetOverallCode() != service.RateLimitResponse_OVER_LIMIT {
		return verdict
	}
	if l.mark {
		verdict.Response.Set("X-Envoy-Ratelimited", "true")
	}
	for name, values := range l.limitHeaders {
		verdict.Response[name] = append(verdict.Response[name], values...)
	}
	verdict.Answer = &guard.Answer{Status: l.status, Body: string(response.GetRawBody()), GRPCStatus: uint32(l.grpcStatus)}
	return verdict
}

// addLimits adds what the IETF's draft 03 says of limits: the one with the least left, and the policy of all of them.
func addLimits(to http.Header, statuses []*service.RateLimitResponse_DescriptorStatus) {
	var least *service.RateLimitResponse_DescriptorStatus
	var policy strings.Builder
	for _, s := range statuses {
		limit := s.GetCurrentLimit()
		if limit == nil {
			continue
		}
		if least == nil || s.GetLimitRemaining() < least.GetLimitRemaining() {
			least = s
		}
		if window := seconds(limit.GetUnit()); window > 0 {
			fmt.Fprintf(&policy, ", %d;w=%d", limit.GetRequestsPerUnit(), window)
			if limit.GetName() != "" {
				fmt.Fprintf(&policy, ";name=%q", limit.GetName())
			}
		}
	}
	if least == nil {
		return
	}
	to.Set("X-Ratelimit-Limit", strconv.FormatUint(uint64(least.GetCurrentLimit().GetRequestsPerUnit()), 10)+policy.String())
	to.Set("X-Ratelimit-Remaining", strconv.FormatUint(uint64(least.GetLimitRemaining()), 10))
	to.Set("X-Ratelimit-Reset", strconv.FormatInt(least.GetDurationUntilReset().GetSeconds(), 10))
}

func seconds(unit service.RateLimitResponse_RateLimit_Unit) int {
	const day = 24 * 60 * 60
	return map[service.RateLimitResponse_RateLimit_Unit]int{
		service.RateLimitResponse_RateLimit_SECOND: 1, service.RateLimitResponse_RateLimit_MINUTE: 60, service.RateLimitResponse_RateLimit_HOUR: 60 * 60,
		service.RateLimitResponse_RateLimit_DAY: day, service.RateLimitResponse_RateLimit_WEEK: 7 * day,
		service.RateLimitResponse_RateLimit_MONTH: 30 * day, service.RateLimitResponse_RateLimit_YEAR: 365 * day,
	}[unit]
}

func headersOf(options []*core.HeaderValueOption) http.Header {
	header := http.Header{}
	for _, option := range options {
		header.Add(option.GetHeader().GetKey(), option.GetHeader().GetValue())
	}
	return header
}

func added(values []*core.HeaderValue) http.Header {
	header := http.Header{}
	for _, value := range values {
		header.Add(value.GetKey(), valueOf(value))
	}
	return header
}

// valueOf returns a header's value, which is in one of two fields.
func valueOf(value *core.HeaderValue) string {
	return or(value.GetValue(), string(value.GetRawValue()))
}
