package limit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	config "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ratelimit/v3"
	service "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/meshweir/meshweir/services/devgateway/guard"
)

func sample() *guard.Request {
	return &guard.Request{
		Method: "POST", Host: "shop.example.com", Path: "/a?plan=gold&plan=iron&x=%20y", Scheme: "http", Remote: netip.MustParseAddr("192.0.2.77"),
		Cluster: "outbound|80||a.shop.svc.cluster.local",
		Header:  http.Header{"X-User": {"ann", "bob"}, "X-Empty": {""}},
		Metadata: func(filter string, path []string) (any, bool) {
			known := map[string]any{
				"envoy.filters.http.jwt_authn/payload/sub": "ann", "envoy.filters.http.jwt_authn/payload/age": 7.0,
				"limits/own": map[string]any{"requests_per_unit": 3.0, "unit": "HOUR"}, "limits/bad": map[string]any{"requests_per_unit": "3", "unit": "HOUR"},
			}
			v, ok := known[filter+"/"+strings.Join(path, "/")]
			return v, ok
		},
	}
}

// TestActionsMakeDescriptorsAsEnvoyDoes: in each row are the actions, and the descriptor; "none" where there is to be none.
func TestActionsMakeDescriptorsAsEnvoyDoes(t *testing.T) {
	for _, tt := range []struct{ name, actions, want string }{
		{"a constant", `{"generic_key":{"descriptor_value":"a"}}`, "generic_key=a"},
		{"a constant under a key", `{"generic_key":{"descriptor_key":"k","descriptor_value":"a"}}`, "k=a"},
		{"a header, its first value", `{"request_headers":{"header_name":"x-user","descriptor_key":"user"}}`, "user=ann"},
		{"an empty header", `{"request_headers":{"header_name":"x-empty","descriptor_key":"e"}}`, "e="},
		{"pseudo-headers", `{"request_headers":{"header_name":":path","descriptor_key":"p"}},{"request_headers":{"header_name":":method","descriptor_key":"m"}}`, "p=/a?plan=gold&plan=iron&x=%20y m=POST"},
		{"a header that is missing drops all", `{"generic_key":{"descriptor_value":"a"}},{"request_headers":{"header_name":"x-none","descriptor_key":"n"}}`, "none"},
		{"unless it may be missing", `{"generic_key":{"descriptor_value":"a"}},{"request_headers":{"header_name":"x-none","descriptor_key":"n","skip_if_absent":true}}`, "generic_key=a"},
		{"nothing but what may be missing", `{"request_headers":{"header_name":"x-none","descriptor_key":"n","skip_if_absent":true}}`, "none"},
		{"the address", `{"remote_address":{}}`, "remote_address=192.0.2.77"},
		{"the network", `{"masked_remote_address":{"v4_prefix_mask_len":24}}`, "masked_remote_address=192.0.2.0/24"},
		{"the network without a length", `{"masked_remote_address":{}}`, "masked_remote_address=192.0.2.77/32"},
		{"the destination", `{"destination_cluster":{}}`, "destination_cluster=outbound|80||a.shop.svc.cluster.local"},
		{"the path", `{"extension":{"name":"envoy.rate_limit_descriptors.expr","typed_config":{"@type":"type.googleapis.com/envoy.extensions.rate_limit_descriptors.expr.v3.Descriptor","descriptor_key":"path","text":"request.url_path"}}}`, "path=/a"},
		{"a parameter, its first value", `{"query_parameters":{"query_parameter_name":"plan","descriptor_key":"plan"}}`, "plan=gold"},
		{"a parameter that is encoded", `{"query_parameters":{"query_parameter_name":"x","descriptor_key":"x"}}`, "x= y"},
		{"a parameter that is missing", `{"query_parameters":{"query_parameter_name":"none","descriptor_key":"n"}}`, "none"},
		{"headers that match", `{"header_value_match":{"descriptor_value":"v","headers":[{"name":"x-user","string_match":{"exact":"ann,bob"}}]}}`, "header_match=v"},
		{"headers that do not match", `{"header_value_match":{"descriptor_value":"v","headers":[{"name":"x-user","string_match":{"exact":"ann"}}]}}`, "none"},
		{"headers that must not match", `{"header_value_match":{"descriptor_key":"k","descriptor_value":"v","expect_match":false,"headers":[{"name":"x-user","string_match":{"exact":"ann"}}]}}`, "k=v"},
		{"a header that is there", `{"header_value_match":{"descriptor_value":"v","headers":[{"name":"x-user","present_match":true},{"name":"x-none","present_match":true,"invert_match":true}]}}`, "header_match=v"},
		{"a whole expression", `{"header_value_match":{"descriptor_value":"v","headers":[{"name":":path","string_match":{"safe_regex":{"regex":"/a"}}}]}}`, "none"},
		{"parameters that match", `{"query_parameter_value_match":{"descriptor_value":"v","query_parameters":[{"name":"plan","string_match":{"prefix":"go"}}]}}`, "query_match=v"},
		{"parameters that do not match", `{"query_parameter_value_match":{"descriptor_value":"v","query_parameters":[{"name":"plan","string_match":{"exact":"iron"}}]}}`, "none"},
		{"a claim", `{"metadata":{"descriptor_key":"sub","metadata_key":{"key":"envoy.filters.http.jwt_authn","path":[{"key":"payload"},{"key":"sub"}]}}}`, "sub=ann"},
		{"a claim that is no text", `{"metadata":{"descriptor_key":"age","metadata_key":{"key":"envoy.filters.http.jwt_authn","path":[{"key":"payload"},{"key":"age"}]}}}`, "none"},
		{"a claim with a default", `{"metadata":{"descriptor_key":"sub","default_value":"nobody","metadata_key":{"key":"x","path":[{"key":"y"}]}}}`, "sub=nobody"},
		{"a claim that may be missing", `{"generic_key":{"descriptor_value":"a"}},{"metadata":{"descriptor_key":"sub","skip_if_absent":true,"metadata_key":{"key":"x","path":[{"key":"y"}]}}}`, "generic_key=a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := describe(t, `{"actions":[`+tt.actions+`]}`); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func describe(t *testing.T, text string) string {
	t.Helper()
	rule, err := NewRule(rateLimit(t, text))
	if err != nil {
		t.Fatal(err)
	}
	d := rule.descriptor(sample())
	if d == nil {
		return "none"
	}
	var parts []string
	for _, entry := range d.Entries {
		parts = append(parts, entry.Key+"="+entry.Value)
	}
	if d.Limit != nil {
		parts = append(parts, fmt.Sprintf("limit=%d/%s", d.Limit.RequestsPerUnit, d.Limit.Unit))
	}
	return strings.Join(parts, " ")
}

func rateLimit(t testing.TB, text string) *route.RateLimit {
	t.Helper()
	from := &route.RateLimit{}
	if err := protojson.Unmarshal([]byte(text), from); err != nil {
		t.Fatal(err)
	}
	return from
}

func TestALimitOfMetadataOverrides(t *testing.T) {
	const actions = `"actions":[{"generic_key":{"descriptor_value":"a"}}]`
	for path, want := range map[string]string{"own": "generic_key=a limit=3/HOUR", "bad": "generic_key=a", "none": "generic_key=a"} {
		text := `{` + actions + `,"limit":{"dynamic_metadata":{"metadata_key":{"key":"limits","path":[{"key":"` + path + `"}]}}}}`
		if got := describe(t, text); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

func TestWhatWouldCountSomethingElseIsRefused(t *testing.T) {
	for _, text := range []string{
		`{}`,
		`{"actions":[{"source_cluster":{}}]}`,
		`{"actions":[{"extension":{"name":"x"}}]}`,
		`{"actions":[{"extension":{"name":"x","typed_config":{"@type":"type.googleapis.com/envoy.extensions.rate_limit_descriptors.expr.v3.Descriptor","descriptor_key":"path","text":"request.host"}}}]}`,
		`{"actions":[{"header_value_match":{"descriptor_value":"v","headers":[{"name":"a","string_match":{"safe_regex":{"regex":"("}}}]}}]}`,
		`{"actions":[{"generic_key":{"descriptor_value":"a"}}],"apply_on_stream_done":true}`,
		`{"actions":[{"generic_key":{"descriptor_value":"a"}}],"hits_addend":{"number":2}}`,
		`{"actions":[{"metadata":{"descriptor_key":"k","source":"ROUTE_ENTRY","metadata_key":{"key":"x","path":[{"key":"y"}]}}}]}`,
	} {
		if _, err := NewRule(rateLimit(t, text)); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

func filterOf(t *testing.T, change func(*config.RateLimit), ask Ask) *Filter {
	t.Helper()
	from := &config.RateLimit{}
	if err := protojson.Unmarshal([]byte(`{"domain":"meshweir","enableXRatelimitHeaders":"DRAFT_VERSION_03","timeout":"1s",
		"rateLimitService":{"transportApiVersion":"V3","grpcService":{"envoyGrpc":{"clusterName":"outbound|8081||limits.x.svc.cluster.local"}}}}`), from); err != nil {
		t.Fatal(err)
	}
	change(from)
	f, err := NewFilter(slog.New(slog.DiscardHandler), from, func(string) Ask { return ask })
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func rules(t *testing.T, texts ...string) (all []*Rule) {
	t.Helper()
	for _, text := range texts {
		rule, err := NewRule(rateLimit(t, text))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rule)
	}
	return all
}

const constantRule = `{"actions":[{"generic_key":{"descriptor_value":"a"}}]}`

func TestOverTheLimitIsAnsweredWithItsHeaders(t *testing.T) {
	limited := func(requests, left uint32, unit service.RateLimitResponse_RateLimit_Unit, name string) *service.RateLimitResponse_DescriptorStatus {
		return &service.RateLimitResponse_DescriptorStatus{
			CurrentLimit:   &service.RateLimitResponse_RateLimit{RequestsPerUnit: requests, Unit: unit, Name: name},
			LimitRemaining: left, DurationUntilReset: durationpb.New(time.Duration(left+1) * time.Second),
		}
	}
	response := &service.RateLimitResponse{
		OverallCode: service.RateLimitResponse_OVER_LIMIT, RawBody: []byte("slowly"),
		ResponseHeadersToAdd: []*core.HeaderValue{{Key: "x-own", Value: "1"}},
		Statuses: []*service.RateLimitResponse_DescriptorStatus{
			limited(100, 7, service.RateLimitResponse_RateLimit_HOUR, ""), {}, limited(10, 0, service.RateLimitResponse_RateLimit_SECOND, "per-ip"),
		},
	}
	var asked *service.RateLimitRequest
	f := filterOf(t, func(*config.RateLimit) {}, func(_ context.Context, request *service.RateLimitRequest) (*service.RateLimitResponse, error) {
		asked = request
		return response, nil
	})
	verdict := f.For(rules(t, constantRule, `{"actions":[{"request_headers":{"header_name":"x-none","descriptor_key":"n"}}]}`)).Judge(t.Context(), sample())
	if asked.Domain != "meshweir" || len(asked.Descriptors) != 1 {
		t.Errorf("asked %v", asked)
	}
	if verdict.Answer == nil || verdict.Answer.Status != 429 || verdict.Answer.Body != "slowly" || verdict.Answer.GRPCStatus != 14 {
		t.Errorf("got %+v", verdict.Answer)
	}
	for name, want := range map[string]string{
		"X-Envoy-Ratelimited": "true", "X-Own": "1", "X-Ratelimit-Limit": `10, 100;w=3600, 10;w=1;name="per-ip"`,
		"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "1",
	} {
		if got := verdict.Response.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	response.OverallCode = service.RateLimitResponse_OK
	verdict = f.For(rules(t, constantRule)).Judge(t.Context(), sample())
	if verdict.Answer != nil || verdict.Response.Get("X-Envoy-Ratelimited") != "" || verdict.Response.Get("X-Ratelimit-Limit") == "" {
		t.Errorf("below the limit: got %+v", verdict)
	}
}

func TestAServiceThatFailsLetsThroughUnlessTheFilterDenies(t *testing.T) {
	fails := func(context.Context, *service.RateLimitRequest) (*service.RateLimitResponse, error) {
		return nil, errors.New("away")
	}
	if v := filterOf(t, func(*config.RateLimit) {}, fails).For(rules(t, constantRule)).Judge(t.Context(), sample()); v.Answer != nil {
		t.Errorf("allow: got %+v", v.Answer)
	}
	deny := filterOf(t, func(c *config.RateLimit) { c.FailureModeDeny = true }, fails)
	if v := deny.For(rules(t, constantRule)).Judge(t.Context(), sample()); v.Answer == nil || v.Answer.Status != 500 {
		t.Errorf("deny: got %+v", v.Answer)
	}
}

func TestAServiceIsWaitedForAsLongAsTheFilterSays(t *testing.T) {
	f := filterOf(t, func(c *config.RateLimit) { c.Timeout = durationpb.New(time.Millisecond) },
		func(ctx context.Context, _ *service.RateLimitRequest) (*service.RateLimitResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
	if v := f.For(rules(t, constantRule)).Judge(t.Context(), sample()); v.Answer != nil {
		t.Errorf("got %+v", v.Answer)
	}
}

func TestAFilterAsksOfItsOwnStageAlone(t *testing.T) {
	asked := 0
	ask := func(_ context.Context, request *service.RateLimitRequest) (*service.RateLimitResponse, error) {
		asked += len(request.Descriptors)
		return &service.RateLimitResponse{OverallCode: service.RateLimitResponse_OK}, nil
	}
	all := rules(t, constantRule, `{"stage":1,"actions":[{"generic_key":{"descriptor_value":"b"}}]}`)
	filterOf(t, func(c *config.RateLimit) { c.Stage = 1 }, ask).For(all).Judge(t.Context(), sample())
	if asked != 1 {
		t.Errorf("asked about %d descriptors, want 1", asked)
	}
	if g := filterOf(t, func(c *config.RateLimit) { c.Stage = 2 }, ask).For(all); g != nil {
		t.Errorf("a stage without rules has the guard %v", g)
	}
}

func FuzzActions(f *testing.F) {
	f.Add(constantRule, "/a?b=c", "v")
	f.Add(`{"actions":[{"header_value_match":{"descriptor_value":"v","headers":[{"name":"x-user","string_match":{"safe_regex":{"regex":"a*"}}}]}}]}`, "/?&=&%zz", "")
	f.Add(`{"actions":[{"masked_remote_address":{"v4_prefix_mask_len":99}}],"limit":{"dynamic_metadata":{"metadata_key":{"key":"limits"}}}}`, "", "v")
	f.Fuzz(func(t *testing.T, text, path, value string) {
		from := &route.RateLimit{}
		if protojson.Unmarshal([]byte(text), from) != nil {
			return
		}
		rule, err := NewRule(from)
		if err != nil {
			return
		}
		r := sample()
		r.Path, r.Header = path, http.Header{"X-User": {value}}
		if d := rule.descriptor(r); d != nil && (len(d.Entries) == 0 || len(d.Entries) > len(from.Actions)) {
			t.Errorf("%d actions made %d entries", len(from.Actions), len(d.Entries))
		}
	})
}
