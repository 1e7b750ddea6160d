package telemetry_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meshweir/meshweir/pipeline/telemetry"
)

func newHealth() *telemetry.Health {
	return telemetry.NewHealth(slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

func get(h http.Handler, path, accept string) (status int, body string) {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestReadyWhenEveryCheckPasses(t *testing.T) {
	h := newHealth()
	var redis error
	h.AddReady("translator", func(context.Context) error { return nil })
	h.AddReady("redis", func(context.Context) error { return redis })
	if status, body := get(h, "/readyz", ""); status != 200 || body != "[+] redis\n[+] translator\nready\n" {
		t.Errorf("got %d, %q", status, body)
	}
	redis = errors.New("connection refused")
	if status, body := get(h, "/readyz", "*/*"); status != 503 || body != "[-] redis: connection refused\n[+] translator\nnot ready\n" {
		t.Errorf("got %d, %q", status, body)
	}
	want := `{"checks":[{"name":"redis","error":"connection refused"},{"name":"translator"}],"ready":false}`
	if status, body := get(h, "/readyz", "application/json"); status != 503 || strings.TrimSpace(body) != want {
		t.Errorf("as JSON: got %d, %s, want %s", status, body, want)
	}
	if status, _ := get(h, "/livez", ""); status != 200 {
		t.Errorf("/livez: got %d, want 200 whatever the checks say", status)
	}
}

func TestACheckThatHangsIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHealth()
		stop := make(chan struct{})
		h.AddReady("hangs", func(context.Context) error { <-stop; return nil })
		h.AddReady("works", func(context.Context) error { return nil })
		started := time.Now()
		states, ready := h.Ready(t.Context())
		if ready || len(states) != 2 || states[0].Error == "" || states[1].Error != "" {
			t.Errorf("got %v, %+v", ready, states)
		}
		if took := time.Since(started); took >= time.Second {
			t.Errorf("the answer took %v, want less than a probe's second", took)
		}
		close(stop)
	})
}

func TestServesHealthUntilTheContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	address := make(chan string, 1)
	h := telemetry.NewHealth(slog.New(addressHandler{slog.DiscardHandler, address}), prometheus.NewRegistry())
	go func() { ended <- h.Serve(ctx, "127.0.0.1:0") }()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	response, err := client.Get("http://" + <-address + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); string(body) != "ok\n" || err != nil {
		t.Errorf("got %q, %v", body, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("after the context's end: got %v, want nil", err)
	}
	if err := newHealth().Serve(t.Context(), "127.0.0.1:-1"); err == nil {
		t.Error("served on port -1")
	}
}

// addressHandler passes on the address that a log line tells.
type addressHandler struct {
	slog.Handler
	address chan string
}

func (addressHandler) Enabled(context.Context, slog.Level) bool { return true }

func (a addressHandler) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(attr slog.Attr) bool {
		if attr.Key == "address" {
			a.address <- attr.Value.String()
		}
		return true
	})
	return nil
}

func TestReadinessIsAMetricOfEachCheck(t *testing.T) {
	registry := prometheus.NewRegistry()
	h := telemetry.NewHealth(slog.New(slog.DiscardHandler), registry)
	registry.MustRegister(h)
	h.AddReady("redis", func(context.Context) error { return nil })
	h.AddReady("dashboard", func(context.Context) error { return errors.New("not yet") })
	_, body := get(h, "/metrics", "")
	for _, want := range []string{`meshweir_ready{check="redis"} 1`, `meshweir_ready{check="dashboard"} 0`} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("/metrics has no %s:\n%s", want, body)
		}
	}
}
