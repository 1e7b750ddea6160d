package ratelimiter_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	limitpb "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	unitpb "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/schemas/limits"
	"github.com/meshweir/meshweir/services/ratelimiter"
	"github.com/meshweir/meshweir/services/ratelimiter/rules"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// limiter is a running one, and how it is reached.
type limiter struct {
	t       testing.TB
	service *ratelimiter.Service
	rls     pb.RateLimitServiceClient
	conn    *grpc.ClientConn
	http    string
}

// start runs a limiter until the test ends.
func start(t testing.TB, client redis.UniversalClient, cfg ratelimiter.Config, domains ...limits.Domain) *limiter {
	t.Helper()
	if cfg.Deadline == 0 {
		cfg.Deadline = time.Minute
	}
	cfg.Listener, cfg.ListenerHTTP = listen(t), listen(t)
	address, http := cfg.Listener.Addr().String(), cfg.ListenerHTTP.Addr().String()
	service, err := ratelimiter.New(slog.New(slog.DiscardHandler), client, cfg)
	if err != nil {
		t.Fatal(err)
	}
	l := &limiter{t: t, service: service, http: "http://" + http}
	l.set(domains...)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	l.conn, l.rls = conn, pb.NewRateLimitServiceClient(conn)
	return l
}

// set puts rules into force.
func (l *limiter) set(domains ...limits.Domain) {
	l.t.Helper()
	config, err := rules.Build(domains...)
	if err != nil {
		l.t.Fatal(err)
	}
	l.service.SetRules(config)
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// descriptor makes one of "key=value" texts.
func descriptor(entries ...string) *limitpb.RateLimitDescriptor {
	d := &limitpb.RateLimitDescriptor{}
	for _, e := range entries {
		key, value, _ := strings.Cut(e, "=")
		d.Entries = append(d.Entries, &limitpb.RateLimitDescriptor_Entry{Key: key, Value: value})
	}
	return d
}

func hits(n uint64, d *limitpb.RateLimitDescriptor) *limitpb.RateLimitDescriptor {
	d.HitsAddend = wrapperspb.UInt64(n)
	return d
}

func back(n uint64, d *limitpb.RateLimitDescriptor) *limitpb.RateLimitDescriptor {
	d.IsNegativeHits = true
	return hits(n, d)
}

func override(requests uint32, unit unitpb.RateLimitUnit, d *limitpb.RateLimitDescriptor) *limitpb.RateLimitDescriptor {
	d.Limit = &limitpb.RateLimitDescriptor_RateLimitOverride{RequestsPerUnit: requests, Unit: unit}
	return d
}

func (l *limiter) ask(descriptors ...*limitpb.RateLimitDescriptor) *pb.RateLimitResponse {
	l.t.Helper()
	r, err := l.rls.ShouldRateLimit(l.t.Context(), &pb.RateLimitRequest{Domain: "shop", Descriptors: descriptors})
	if err != nil {
		l.t.Fatalf("asking %v: %v", descriptors, err)
	}
	return r
}

// short is an answer in words: "OK user:4, -" leaves 4 of the limit user to the first descriptor, and nothing limits the second.
func short(r *pb.RateLimitResponse) string {
	var words []string
	for _, s := range r.GetStatuses() {
		word := "-"
		switch {
		case s.GetLimitRemaining() == 1<<32-1:
			word = "unlimited"
		case s.GetCurrentLimit() != nil:
			word = fmt.Sprintf("%s:%d", s.GetCurrentLimit().GetName(), s.GetLimitRemaining())
		}
		if s.GetCode() == pb.RateLimitResponse_OVER_LIMIT {
			word = "OVER " + word
		}
		words = append(words, word)
	}
	return r.GetOverallCode().String() + " " + strings.Join(words, ", ")
}

func per(unit string, requests uint32, name string) *limits.Limit {
	return &limits.Limit{Name: name, Requests: requests, Unit: unit}
}

func rule(key, value string, terms limits.Terms, nested ...limits.Rule) limits.Rule {
	return limits.Rule{Key: key, Value: value, Terms: terms, Descriptors: nested}
}

func limited(l *limits.Limit) limits.Terms { return limits.Terms{Limit: l} }

// Each test asks one call after the other, all of them within one period.
func TestDecides(t *testing.T) {
	type call struct {
		descriptors []*limitpb.RateLimitDescriptor
		want        string
	}
	ask := func(want string, d ...*limitpb.RateLimitDescriptor) call { return call{d, want} }
	tests := []struct {
		name   string
		cfg    ratelimiter.Config
		domain limits.Domain
		calls  []call
	}{
		{"counts each value for itself", ratelimiter.Config{}, limits.Domain{Descriptors: []limits.Rule{rule("user", "", limited(per("year", 1, "u")))}}, []call{
			ask("OK u:0", descriptor("user=a")), ask("OVER_LIMIT OVER u:0", descriptor("user=a")), ask("OK u:0", descriptor("user=b")),
			ask("OK -", descriptor("path=/")),
		}},
		{"denies when one of several descriptors is over, and all have counted", ratelimiter.Config{}, limits.Domain{Descriptors: []limits.Rule{
			rule("user", "", limited(per("year", 1, "u"))), rule("path", "", limited(per("year", 5, "p"))),
		}}, []call{
			ask("OK u:0, p:4", descriptor("user=a"), descriptor("path=/")),
			ask("OVER_LIMIT OVER u:0, p:3", descriptor("user=a"), descriptor("path=/")),
			ask("OK p:2", descriptor("path=/")),
		}},
		{"counts nothing when all or nothing counts", ratelimiter.Config{}, limits.Domain{AllOrNothing: true, Descriptors: []limits.Rule{
			rule("user", "", limited(per("year", 1, "u"))), rule("path", "", limited(per("year", 5, "p"))),
		}}, []call{
			ask("OK u:0, p:4", descriptor("user=a"), descriptor("path=/")),
			ask("OVER_LIMIT OVER u:0, p:4", descriptor("user=a"), descriptor("path=/")),
			ask("OVER_LIMIT OVER u:0, p:4", descriptor("user=a"), descriptor("path=/")),
			ask("OK p:3", descriptor("path=/")),
		}},
		{"a descriptor may say how many hits it is, and give some back", ratelimiter.Config{}, limits.Domain{Descriptors: []limits.Rule{rule("user", "", limited(per("year", 9, "u")))}}, []call{
			ask("OK u:2", hits(7, descriptor("user=a"))), ask("OK u:2", hits(0, descriptor("user=a"))), ask("OVER_LIMIT OVER u:0", hits(3, descriptor("user=a"))),
			ask("OVER_LIMIT OVER u:0", descriptor("user=a")), ask("OK u:4", back(4, descriptor("user=a"))), ask("OK u:3", descriptor("user=a")),
		}},
		{"a descriptor may bring its own limit", ratelimiter.Config{}, limits.Domain{Descriptors: []limits.Rule{rule("user", "", limited(per("year", 9, "u")))}}, []call{
			ask("OK :1", override(2, unitpb.RateLimitUnit_YEAR, descriptor("user=a"))), ask("OK :0", override(2, unitpb.RateLimitUnit_YEAR, descriptor("user=a"))),
			ask("OVER_LIMIT OVER :0", override(2, unitpb.RateLimitUnit_YEAR, descriptor("user=a"))), ask("OK u:8", descriptor("user=a")),
		}},
		{"a shadow limit denies nothing", ratelimiter.Config{}, limits.Domain{Descriptors: []limits.Rule{
			rule("user", "", limits.Terms{Limit: per("year", 1, "u"), Shadow: true}),
		}}, []call{ask("OK u:0", descriptor("user=a")), ask("OK u:0", descriptor("user=a"))}},
		{"quotas deny when all are used up", ratelimiter.Config{}, limits.Domain{Descriptors: []limits.Rule{
			rule("user", "", limits.Terms{Limit: per("year", 1, "u"), Quota: true}), rule("team", "", limits.Terms{Limit: per("year", 2, "t"), Quota: true}),
		}}, []call{
			ask("OK u:0, t:1", descriptor("user=a"), descriptor("team=x")), ask("OK u:0, t:0", descriptor("user=a"), descriptor("team=x")),
			ask("OVER_LIMIT OVER u:0, OVER t:0", descriptor("user=a"), descriptor("team=x")),
		}},
		{"one limit may replace another", ratelimiter.Config{}, limits.Domain{Descriptors: []limits.Rule{
			rule("user", "", limited(per("year", 1, "u"))),
			rule("plan", "gold", limited(&limits.Limit{Name: "gold", Requests: 5, Unit: "year", Replaces: []limits.Replaced{{Name: "u"}}})),
		}}, []call{
			ask("OK -, gold:4", descriptor("user=a"), descriptor("plan=gold")), ask("OK u:0", descriptor("user=a")), ask("OK -, gold:3", descriptor("user=a"), descriptor("plan=gold")),
		}},
		{"what is not limited says so", ratelimiter.Config{}, limits.Domain{Descriptors: []limits.Rule{
			rule("user", "root", limited(&limits.Limit{Unlimited: true})), rule("path", "", limited(per("year", 1, "p"))),
		}}, []call{ask("OK unlimited", descriptor("user=root")), ask("OK unlimited, p:0", descriptor("user=root"), descriptor("path=/"))}},
		{"of several limits the tightest is shown", ratelimiter.Config{}, limits.Domain{Descriptors: []limits.Rule{
			rule("user", "", limits.Terms{Limits: []limits.Limit{*per("year", 5, "year"), *per("month", 2, "month")}}),
		}}, []call{
			ask("OK month:1", descriptor("user=a")), ask("OK month:0", descriptor("user=a")), ask("OVER_LIMIT OVER month:0", descriptor("user=a")),
		}},
		{"nothing is denied where all is shadow", ratelimiter.Config{Shadow: true}, limits.Domain{Descriptors: []limits.Rule{rule("user", "", limited(per("year", 0, "u")))}}, []call{
			ask("OK OVER u:0", descriptor("user=a")),
		}},
	}
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				client.FlushAll(t.Context())
				tt.domain.Domain = "shop"
				l := start(t, client, tt.cfg, tt.domain)
				for i, c := range tt.calls {
					if got := short(l.ask(c.descriptors...)); got != c.want {
						t.Fatalf("call %d, %v: got %q, want %q", i, c.descriptors, got, c.want)
					}
				}
			})
		}
	})
}

func TestRefusesCallsThatSayNothing(t *testing.T) {
	l := start(t, pipelinetest.Embedded(t), ratelimiter.Config{}, limits.Domain{Domain: "shop"})
	for name, request := range map[string]*pb.RateLimitRequest{
		"no domain":      {Descriptors: []*limitpb.RateLimitDescriptor{descriptor("a=b")}},
		"no descriptors": {Domain: "shop"},
		"a bad override": {Domain: "shop", Descriptors: []*limitpb.RateLimitDescriptor{override(1, unitpb.RateLimitUnit_UNKNOWN, descriptor("a=b"))}},
	} {
		if _, err := l.rls.ShouldRateLimit(t.Context(), request); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: got %v, want InvalidArgument", name, err)
		}
	}
	r, err := l.rls.ShouldRateLimit(t.Context(), &pb.RateLimitRequest{Domain: "elsewhere", Descriptors: []*limitpb.RateLimitDescriptor{descriptor("a=b")}})
	if err != nil || short(r) != "OK -" {
		t.Errorf("a domain that nobody configured: got %v, %v; want OK", r, err)
	}
}

// A caller is told when to come again, and the gateway what a shadow limit would have done.
func TestTellsWhatBecameOfACall(t *testing.T) {
	l := start(t, pipelinetest.Embedded(t), ratelimiter.Config{Headers: true}, limits.Domain{Domain: "shop", Descriptors: []limits.Rule{
		rule("user", "", limited(per("hour", 1, "u"))), rule("path", "", limits.Terms{Limit: per("hour", 0, "p"), Shadow: true}),
	}})
	l.ask(descriptor("user=a"))
	r := l.ask(descriptor("user=a"))
	got := map[string]string{}
	for _, h := range r.GetResponseHeadersToAdd() {
		got[h.GetKey()] = h.GetValue()
	}
	if got["RateLimit-Limit"] != "1" || got["RateLimit-Remaining"] != "0" || got["RateLimit-Policy"] != "1;w=3600" || got["Retry-After"] == "" || got["Retry-After"] != got["RateLimit-Reset"] {
		t.Errorf("got headers %v", got)
	}
	over := l.ask(descriptor("path=/")).GetDynamicMetadata().GetFields()["shadowModeViolations"].GetListValue().GetValues()
	if len(over) != 1 || over[0].GetStructValue().GetFields()["name"].GetStringValue() != "p" {
		t.Errorf("got shadow violations %v, want that of p", over)
	}
}
