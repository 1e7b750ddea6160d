package ratelimiter_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectpb "google.golang.org/grpc/reflection/grpc_reflection_v1"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/schemas/limits"
	"github.com/meshweir/meshweir/services/ratelimiter"
)

// post asks by HTTP, and returns the status and the body.
func (l *limiter) post(body string) (int, string) {
	l.t.Helper()
	return l.do(http.MethodPost, "/json", body)
}

func (l *limiter) do(method, path, body string) (int, string) {
	l.t.Helper()
	request, err := http.NewRequestWithContext(l.t.Context(), method, l.http+path, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	r, err := http.DefaultClient.Do(request)
	if err != nil {
		l.t.Fatal(err)
	}
	defer r.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

func TestAnswersByHTTP(t *testing.T) {
	server := pipelinetest.RealServer(t)
	conn, err := redisconn.Open(slog.New(slog.DiscardHandler), server.URL(), redisconn.Options{Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	l := start(t, conn.Client, ratelimiter.Config{Deadline: 200 * time.Millisecond}, limits.Domain{Domain: "shop", Descriptors: []limits.Rule{rule("user", "", limited(per("year", 1, "u")))}})
	const call = `{"domain": "shop", "descriptors": [{"entries": [{"key": "user", "value": "a"}]}], "unknown": 1}`
	for deadline := time.Now().Add(time.Minute); ; { // a busy machine may miss the deadline
		if status, _ := l.post(strings.Replace(call, `"a"`, `"b"`, 1)); status != http.StatusServiceUnavailable || time.Now().After(deadline) {
			break
		}
	}
	for _, tt := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"within the limit", call, http.StatusOK, `"overallCode":"OK"`},
		{"over it", call, http.StatusTooManyRequests, `"overallCode":"OVER_LIMIT"`},
		{"no JSON", "{", http.StatusBadRequest, "no RateLimitRequest"},
		{"no domain", "{}", http.StatusBadRequest, "no domain"},
		{"too long", `{"domain": "` + strings.Repeat("x", 1<<21) + `"}`, http.StatusBadRequest, "too large"},
	} {
		status, body := l.post(tt.body)
		if status != tt.status || !strings.Contains(strings.ReplaceAll(body, " ", ""), strings.ReplaceAll(tt.want, " ", "")) {
			t.Errorf("%s: got %d, %s; want %d with %s", tt.name, status, body, tt.status, tt.want)
		}
	}
	if status, body := l.do(http.MethodGet, "/healthcheck", ""); status != http.StatusOK || body != "OK" {
		t.Errorf("/healthcheck: got %d, %q", status, body)
	}
	if err := l.service.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	server.Kill()
	status, body := l.post(strings.Replace(call, `"a"`, `"c"`, 1))
	if status != http.StatusServiceUnavailable || !json.Valid([]byte(body)) || !strings.Contains(body, "asking Redis") {
		t.Errorf("without Redis: got %d, %s; want 503 and why as JSON", status, body)
	}
	if err := l.service.Ready(t.Context()); err == nil {
		t.Error("it is ready without Redis")
	}
}

// Whoever is close to a limit, or over it, is listed, the tightest first, and no secret with it.
func TestListsWhoIsCloseToALimit(t *testing.T) {
	l := start(t, pipelinetest.Embedded(t), ratelimiter.Config{Hide: []string{"account"}}, limits.Domain{Domain: "shop", Descriptors: []limits.Rule{
		rule("user", "", limited(per("year", 10, "u"))), rule("api_key", "", limited(per("year", 1, "k"))), rule("account", "", limited(per("year", 1, "a"))),
	}})
	for range 9 {
		l.ask(descriptor("user=near"))
	}
	l.ask(descriptor("user=far"))
	for range 2 {
		l.ask(descriptor("api_key=hunter2"))
	}
	l.ask(descriptor("account=4711"))
	status, body := l.do(http.MethodGet, "/counters?n=10&domain=shop", "")
	var got struct{ Counters []ratelimiter.Counter }
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK {
		t.Fatalf("got %d, %s: %v", status, body, err)
	}
	var order []string
	for _, c := range got.Counters {
		order = append(order, c.Limit)
	}
	if strings.Join(order, "") != "kau" || !got.Counters[0].Over || got.Counters[2].Remaining != 1 || got.Counters[2].Entries[0].Value != "near" {
		t.Errorf("got %+v", got.Counters)
	}
	if strings.Contains(body, "hunter2") || strings.Contains(body, "4711") || !strings.Contains(body, "sha256:") {
		t.Errorf("a secret is shown: %s", body)
	}
	for _, query := range []string{"?n=0", "?n=x", "?n=1001"} {
		if status, _ := l.do(http.MethodGet, "/counters"+query, ""); status != http.StatusBadRequest {
			t.Errorf("%s: got %d, want 400", query, status)
		}
	}
}

// Secrets are not in Redis either.
func TestSecretsAreCountedAsDigests(t *testing.T) {
	client := pipelinetest.Embedded(t)
	l := start(t, client, ratelimiter.Config{}, limits.Domain{Domain: "shop", Descriptors: []limits.Rule{rule("X-Auth-Token", "", limited(per("year", 1, "k")))}})
	l.ask(descriptor("X-Auth-Token=hunter2"))
	if keys := client.Keys(t.Context(), "*X-Auth-Token*").Val(); len(keys) != 1 || strings.Contains(keys[0], "hunter2") {
		t.Errorf("got keys %q", keys)
	}
}

func TestServesHealthAndReflection(t *testing.T) {
	l := start(t, pipelinetest.Embedded(t), ratelimiter.Config{}, limits.Domain{Domain: "shop"})
	r, err := healthpb.NewHealthClient(l.conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil || r.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health: got %v, %v", r, err)
	}
	stream, err := reflectpb.NewServerReflectionClient(l.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectpb.ServerReflectionRequest{MessageRequest: &reflectpb.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	list, err := stream.Recv()
	if err != nil || !strings.Contains(list.String(), "envoy.service.ratelimit.v3.RateLimitService") {
		t.Errorf("reflection: got %v, %v", list, err)
	}
}

// New rules take the place of old ones under load, and counters go on.
func TestRulesChangeUnderLoad(t *testing.T) {
	domain := func(n uint32) limits.Domain {
		return limits.Domain{Domain: "shop", Descriptors: []limits.Rule{rule("user", "", limited(per("year", n, "u")))}}
	}
	l := start(t, pipelinetest.Embedded(t), ratelimiter.Config{}, domain(1_000_000))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				l.ask(descriptor("user=a"))
			}
		})
	}
	for i := range 20 {
		l.set(domain(1_000_000 + uint32(i)))
	}
	all.Wait()
	l.set(domain(300))
	if got := short(l.ask(descriptor("user=a"))); got != "OK u:99" {
		t.Errorf("after 200 calls and a new limit of 300: got %q, want 99 to remain", got)
	}
}
