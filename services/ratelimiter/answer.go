package ratelimiter

import (
	"strconv"
	"time"

	corepb "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/meshweir/meshweir/services/ratelimiter/counter"
)

// response is an answer and all that it usually points to, in one piece of memory.
type response struct {
	response pb.RateLimitResponse
	statuses []pb.RateLimitResponse_DescriptorStatus
	resets   []durationpb.Duration
	shown    []int // the ask that each status is about

	few struct {
		statuses [2]pb.RateLimitResponse_DescriptorStatus
		pointers [2]*pb.RateLimitResponse_DescriptorStatus
		resets   [2]durationpb.Duration
		shown    [2]int
	}
}

func newResponse(descriptors int) *response {
	r := &response{}
	if descriptors <= len(r.few.statuses) {
		r.statuses, r.resets, r.shown = r.few.statuses[:descriptors], r.few.resets[:descriptors], r.few.shown[:descriptors]
		r.response.Statuses = r.few.pointers[:descriptors]
	} else {
		r.statuses = make([]pb.RateLimitResponse_DescriptorStatus, descriptors)
		r.resets, r.shown = make([]durationpb.Duration, descriptors), make([]int, descriptors)
		r.response.Statuses = make([]*pb.RateLimitResponse_DescriptorStatus, descriptors)
	}
	for i := range r.statuses {
		r.statuses[i].Code = pb.RateLimitResponse_OK
		r.response.Statuses[i], r.shown[i] = &r.statuses[i], -1
	}
	return r
}

// show fills the status of a descriptor from one of its limits.
func (d *decider) show(s *pb.RateLimitResponse_DescriptorStatus, reset *durationpb.Duration, l *limit, a counter.Answer, v verdict) {
	if denies(l, a, v) {
		s.Code = pb.RateLimitResponse_OVER_LIMIT
	}
	s.CurrentLimit, s.LimitRemaining = l.shown, a.Remaining
	reset.Seconds = seconds(untilReset(a))
	s.DurationUntilReset = reset
}

// untilReset is how long a caller should wait: until one more hit passes, or, where it passes now, until all do.
func untilReset(a counter.Answer) time.Duration {
	if a.Over {
		return max(a.Retry, 0)
	}
	return a.Reset
}

// seconds rounds up.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// addHeaders adds what the caller is told: when to come again if it was denied, and the tightest limit where that is asked for.
func (d *decider) addHeaders(r *pb.RateLimitResponse, s *scratch, v verdict) {
	if r.OverallCode == pb.RateLimitResponse_OVER_LIMIT {
		r.ResponseHeadersToAdd = append(r.ResponseHeadersToAdd, header("Retry-After", max(seconds(v.retry), 1)))
	}
	if !d.cfg.Headers || v.tightest < 0 {
		return
	}
	l, a := s.limits[s.asked[v.tightest]], s.answers[v.tightest]
	r.ResponseHeadersToAdd = append(r.ResponseHeadersToAdd,
		header("RateLimit-Limit", int64(l.Requests)),
		header("RateLimit-Remaining", int64(a.Remaining)),
		header("RateLimit-Reset", seconds(untilReset(a))),
		&corepb.HeaderValue{Key: "RateLimit-Policy", Value: policy(l)},
	)
}

// policy says how much a limit allows in which time, as draft-ietf-httpapi-ratelimit-headers-03 does.
func policy(l *limit) string {
	return strconv.FormatUint(uint64(l.Requests), 10) + ";w=" + strconv.FormatInt(int64(l.count.Period/time.Second), 10)
}

func header(key string, value int64) *corepb.HeaderValue {
	return &corepb.HeaderValue{Key: key, Value: strconv.FormatInt(value, 10)}
}

// metadata tells the gateway what was asked and what became of it, in envoyproxy/ratelimit's words; shadowModeViolations and
// metadata are ours.
func (d *decider) metadata(s *scratch, request *pb.RateLimitRequest, v verdict) *structpb.Struct {
	fields := map[string]*structpb.Value{}
	if len(v.shadowed) > 0 {
		var over []*structpb.Value
		for _, n := range v.shadowed {
			l := s.limits[s.asked[n]]
			over = append(over, structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
				"descriptor": structpb.NewNumberValue(float64(s.mets[s.asked[n]].Descriptor)),
				"rule":       structpb.NewStringValue(l.Rule),
				"name":       structpb.NewStringValue(l.Name),
			}}))
		}
		fields["shadowModeViolations"] = list(over)
	}
	if !d.cfg.Metadata {
		return &structpb.Struct{Fields: fields}
	}
	fields["domain"] = structpb.NewStringValue(request.Domain)
	if request.HitsAddend != 0 {
		fields["hitsAddend"] = structpb.NewNumberValue(float64(request.HitsAddend))
	}
	var descriptors, quotas, passed []*structpb.Value
	for _, descriptor := range request.Descriptors {
		descriptors = append(descriptors, structpb.NewStructValue(d.describe(descriptor)))
	}
	quota := false
	for n, a := range s.answers {
		l := s.limits[s.asked[n]]
		quota = quota || l.count.Effect == counter.Spends
		if a.Over && l.count.Effect == counter.Spends {
			quotas = append(quotas, structpb.NewNumberValue(float64(s.mets[s.asked[n]].Descriptor)))
		}
		if !a.Over && len(l.Metadata) > 0 {
			if m, err := structpb.NewStruct(l.Metadata); err == nil {
				passed = append(passed, structpb.NewStructValue(m))
			}
		}
	}
	fields["descriptors"], fields["quotaModeEnabled"] = list(descriptors), structpb.NewBoolValue(quota)
	if len(quotas) > 0 {
		fields["quotaModeViolations"] = list(quotas)
	}
	if len(passed) > 0 {
		fields["metadata"] = list(passed)
	}
	return &structpb.Struct{Fields: fields}
}

func list(values []*structpb.Value) *structpb.Value {
	return structpb.NewListValue(&structpb.ListValue{Values: values})
}
