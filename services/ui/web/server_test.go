package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/services/ui/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a running server, and what writes the views that it shows.
type site struct {
	t        *testing.T
	client   redis.UniversalClient
	store    *keyspace.Store
	url      string
	server   *Server
	http     *http.Client
	clusters *keyspace.Derived
	rows     *keyspace.Derived
	stop     func()
}

const cart = "HTTPRoute.gateway.networking.k8s.io/shop/cart"

// newSite runs a server on a fleet of one cluster, east, with one row.
func newSite(t *testing.T, cfg Config) *site {
	t.Helper()
	return newSiteOn(t, pipelinetest.Embedded(t), cfg)
}

func newSiteOn(t *testing.T, client redis.UniversalClient, cfg Config) *site {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	store, err := keyspace.NewStore(log, client, keyspace.Config{Block: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := view.ResourcesName("east")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, client: client, store: store, clusters: store.Derived(view.ClustersName), rows: store.Derived(rows)}
	s.clusters.Complete()
	s.rows.Complete()
	s.set(cart, view.Row{Place: view.PlaceLive, Detail: "cart.example"})
	snapshot := store.Owned("snapshot/east", "uid")
	snapshot.Set(cart, []byte(`{"apiVersion":"gateway.networking.k8s.io/v1","kind":"HTTPRoute","metadata":{"name":"cart"},"spec":{"hostnames":["<cart>.example"]}}`))
	snapshot.Complete()
	if err := snapshot.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := snapshot.Beat(t.Context(), []byte(`{"version":"v7"}`), time.Minute); err != nil {
		t.Fatal(err)
	}
	if cfg.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if cfg.BeatEvery == 0 {
		cfg.BeatEvery = 50 * time.Millisecond
	}
	if cfg.Interval == 0 {
		cfg.Interval = 20 * time.Millisecond
	}
	s.url = "http://" + cfg.Listener.Addr().String()
	if s.server, err = New(log, store, cfg); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	s.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.server.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v", err)
		}
		transport.CloseIdleConnections()
	})
	t.Cleanup(s.stop)
	return s
}

// set writes a row, and the cluster that has it.
func (s *site) set(key string, row view.Row) {
	s.t.Helper()
	record := view.Record{Row: &row}
	value, err := record.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	s.rows.Set(key, value)
	value, err = view.Record{Cluster: &view.Cluster{Known: true, Counts: view.Counts{Objects: 1}}}.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	s.clusters.Set("east", value)
	s.flush()
}

func (s *site) flush() {
	s.t.Helper()
	for _, d := range []*keyspace.Derived{s.rows, s.clusters} {
		if err := d.Flush(s.t.Context(), nil); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *site) request(method, path string, change func(*http.Request)) (*http.Response, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	response, err := s.http.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response, string(body)
}

func (s *site) get(path string) (int, string) {
	s.t.Helper()
	response, body := s.request(http.MethodGet, path, nil)
	return response.StatusCode, body
}

// eventually waits until a page says text, goes until it does not.
func (s *site) eventually(path, text string) { s.t.Helper(); s.await(path, text, true) }
func (s *site) goes(path, text string)       { s.t.Helper(); s.await(path, text, false) }

func (s *site) await(path, text string, says bool) {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		_, body := s.get(path)
		if strings.Contains(body, text) == says {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain for %s to say %q: %t. It says:\n%s", path, text, says, body)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestPagesAndTheirTwins(t *testing.T) {
	s := newSite(t, Config{})
	s.eventually("/", "Connected")
	tests := []struct {
		path   string
		status int
		says   string
	}{
		{"/", 200, `href="/clusters/east"`},
		{"/clusters", 200, `href="/clusters/east"`},
		{"/clusters/east", 200, "version v7"},
		{"/clusters/west", 404, "There is nothing here"},
		{"/resources", 200, "1 resource"},
		{"/resources?q=nothing", 200, "Nothing matches"},
		{"/resources?sort=odd", 400, "it can be kind, name"},
		{"/resources/east/HTTPRoute.gateway.networking.k8s.io/shop/cart", 200, "&lt;cart&gt;.example"},
		{"/resources/east/HTTPRoute.gateway.networking.k8s.io/shop/other", 404, "There is nothing here"},
		{"/resources/east/Namespace/-/shop", 404, "There is nothing here"},
		{"/nothing", 404, "There is nothing here"},
		{"/api/", 200, `"connected": 1`},
		{"/api/clusters/east", 200, `"version": "v7"`},
		{"/api/clusters/west", 404, `"status": 404`},
		{"/api/resources?q=cart", 200, `"object": "east:` + cart + `"`},
		{"/api/resources?state=odd", 400, `"detail"`},
		{"/api/resources/east/HTTPRoute.gateway.networking.k8s.io/shop/cart", 200, `"from": "snapshot/east"`},
		{"/api/resources/east/HTTPRoute.gateway.networking.k8s.io/shop/cart?format=yaml", 200, "kind: HTTPRoute\n"},
		{"/assets/none.js", 404, ""},
	}
	for _, tt := range tests {
		status, body := s.get(tt.path)
		if status != tt.status || !strings.Contains(body, tt.says) {
			t.Errorf("%s answers %d, want %d and %q:\n%s", tt.path, status, tt.status, tt.says, body)
		}
		if strings.HasPrefix(tt.path, "/api/") && !strings.Contains(tt.path, "yaml") && !json.Valid([]byte(body)) {
			t.Errorf("%s is no JSON: %s", tt.path, body)
		}
	}
	for url := range s.server.assets.content {
		if response, _ := s.request(http.MethodGet, url, nil); response.StatusCode != 200 || !strings.Contains(response.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s answers %s, cached as %q", url, response.Status, response.Header.Get("Cache-Control"))
		}
	}
}

func TestKeepsOthersOut(t *testing.T) {
	s := newSite(t, Config{})
	response, _ := s.request(http.MethodGet, "/", nil)
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'self';", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
		"Referrer-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store",
	} {
		if got := response.Header.Get(name); !strings.Contains(got, want) || strings.Contains(got, "unsafe") {
			t.Errorf("%s is %q, want %q in it", name, got, want)
		}
	}
	if response, _ := s.request(http.MethodGet, "/", func(r *http.Request) { r.Host = "rebound.example" }); response.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("a request for another host answers %s", response.Status)
	}
	if response, _ := s.request(http.MethodGet, "/", func(r *http.Request) { r.Host = "localhost:1" }); response.StatusCode != http.StatusOK {
		t.Errorf("a request for localhost answers %s", response.Status)
	}
	response, _ = s.request(http.MethodPost, "/", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") })
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("a POST from another site answers %s", response.Status)
	}
}

func TestFlushedViewsKeepShowingWhatWasKnown(t *testing.T) {
	s := newSite(t, Config{})
	s.eventually("/resources", "1 resource")
	if err := s.client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	s.eventually("/", "Disconnected") // the heartbeat is gone, too
	time.Sleep(200 * time.Millisecond)
	if _, body := s.get("/resources"); !strings.Contains(body, "1 resource") {
		t.Error("a flush took the rows from the page")
	}
	// What comes back complete counts, also where it is less.
	s.rows.Delete(cart)
	s.clusters.Set("east", []byte(`{"cluster":{"known":true}}`))
	for _, d := range []*keyspace.Derived{s.rows, s.clusters} {
		if err := d.Check(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	s.eventually("/resources", "No resources yet")
}

func TestSaysThatRedisIsAway(t *testing.T) {
	s := newSite(t, Config{BeatEvery: time.Hour})
	s.eventually("/", "Connected")
	s.server.mirror.heard(nil, nil, context.DeadlineExceeded, time.Now())
	_, body := s.get("/")
	if !strings.Contains(body, "Redis cannot be reached") || !strings.Contains(body, "east") {
		t.Errorf("the page does not say that Redis is away:\n%s", body)
	}
	s.server.mirror.heard(nil, nil, nil, time.Now())
	s.goes("/", "Redis cannot be reached")
}

func TestSaysThatRedisTakesNoWrites(t *testing.T) {
	client := pipelinetest.Real(t)
	s := newSiteOn(t, client, Config{})
	s.eventually("/", "Connected")
	for says, setting := range map[string][2]string{
		"raise maxmemory":             {"config set maxmemory 1mb", "config set maxmemory 0"},
		"lower min-replicas-to-write": {"config set min-replicas-to-write 1", "config set min-replicas-to-write 0"},
		"REPLICAOF NO ONE":            {"replicaof 127.0.0.1 1", "replicaof no one"},
	} {
		s.command(setting[0])
		s.eventually("/clusters/east", says)
		if _, body := s.get("/"); !strings.Contains(body, "Connected") {
			t.Errorf("%s: the page takes the silence of an agent that cannot write for its end:\n%s", setting[0], body)
		}
		s.command(setting[1])
		s.goes("/clusters/east", says)
	}
}

// command sends words to Redis.
func (s *site) command(words string) {
	s.t.Helper()
	var args []any
	for word := range strings.FieldsSeq(words) {
		args = append(args, word)
	}
	if err := s.client.Do(s.t.Context(), args...).Err(); err != nil {
		s.t.Fatalf("%s: %v", words, err)
	}
}

func TestSaysWhyAClusterIsDisconnected(t *testing.T) {
	s := newSite(t, Config{})
	s.eventually("/", "Connected")
	beat := func(info string, ttl time.Duration) {
		t.Helper()
		if err := s.store.Beat(t.Context(), "snapshot/east", []byte(info), ttl); err != nil {
			t.Fatal(err)
		}
	}
	beat(`{"outage":"no such folder","outage_since":"2026-01-02T03:04:05Z"}`, time.Minute)
	s.eventually("/clusters/east", "Agent cannot read the cluster since")
	s.eventually("/clusters/east", "no such folder")
	s.eventually("/api/", `"connected": 0`)
	beat(`{}`, time.Minute)
	s.eventually("/api/", `"connected": 1`)
	beat(`{}`, time.Millisecond)
	s.eventually("/", "No heartbeat since")
	s.eventually("/api/", `"connected": 0`)
}

func TestSilenceAfterATroubleOfRedisSaysNothing(t *testing.T) {
	m := &mirror{beats: map[string]Beat{}, moved: make(chan struct{})}
	east := []keyspace.Name{"snapshot/east"}
	at := time.Unix(1_000_000, 0)
	alive := func(after time.Duration, live map[keyspace.Name][]byte, err error) bool {
		m.heard(east, live, err, at.Add(after))
		return m.beats["east"].Alive
	}
	some, none := map[keyspace.Name][]byte{"snapshot/east": []byte(`{}`)}, map[keyspace.Name][]byte{}
	for i, step := range []struct {
		after time.Duration
		live  map[keyspace.Name][]byte
		err   error
		want  bool
	}{
		{0, some, nil, true},
		{time.Second, none, errors.New("no connection"), true},
		{20 * time.Second, none, errors.New("no connection"), true},
		{20*time.Second + grace/2, none, nil, true},
		{20*time.Second + grace, none, nil, false},
	} {
		if got := alive(step.after, step.live, step.err); got != step.want {
			t.Errorf("step %d: the agent counts as alive: %t, want %t", i, got, step.want)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	store, err := keyspace.NewStore(slog.New(slog.DiscardHandler), pipelinetest.Embedded(t), keyspace.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for i, bad := range []Config{{Listen: "no port"}, {MaxStreams: -1}, {PingEvery: -1}} {
		if _, err := New(slog.New(slog.DiscardHandler), store, bad); err == nil {
			t.Error(fmt.Sprint("configuration ", i, " was taken"))
		}
	}
}
