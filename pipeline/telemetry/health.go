package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// checkTime bounds each readiness check; Kubernetes waits for a second by default.
const checkTime = 900 * time.Millisecond

// Health is the HTTP handler of what an orchestrator asks a service:
//
//	/livez    200 while the process can answer at all
//	/readyz   200 when every check passes, else 503; each check's state as text, or as JSON to who accepts it
//	/metrics  Prometheus
type Health struct {
	log *slog.Logger
	mux *http.ServeMux

	mu     sync.Mutex
	checks map[string]func(context.Context) error
}

// NewHealth returns a handler with no checks: it is ready.
func NewHealth(log *slog.Logger, metrics prometheus.Gatherer) *Health {
	h := &Health{log: log, mux: http.NewServeMux(), checks: map[string]func(context.Context) error{}}
	h.mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	h.mux.HandleFunc("GET /readyz", h.serveReady)
	h.mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	return h
}

// AddReady adds a check to /readyz, or replaces the one of that name. It is
// called from several goroutines and should answer in less than a second.
func (h *Health) AddReady(name string, check func(context.Context) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks[name] = check
}

// ServeHTTP is [http.Handler].
func (h *Health) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// CheckState is what one check said.
type CheckState struct {
	// Name is the check's.
	Name string `json:"name"`
	// Error says what is wrong; empty when all is well.
	Error string `json:"error,omitempty"`
}

// Ready runs every check at once and returns their states, sorted by name.
func (h *Health) Ready(ctx context.Context) (states []CheckState, ready bool) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	h.mu.Lock()
	answers := make(chan CheckState, len(h.checks)) // of that size, so that a late answer blocks nobody
	waiting := map[string]bool{}
	for name, check := range h.checks {
		waiting[name] = true
		go func() {
			state := CheckState{Name: name}
			if err := check(ctx); err != nil {
				state.Error = err.Error()
			}
			answers <- state
		}()
	}
	h.mu.Unlock()

	ready = true
	for len(waiting) > 0 {
		select {
		case state := <-answers:
			delete(waiting, state.Name)
			ready = ready && state.Error == ""
			states = append(states, state)
		case <-ctx.Done():
			for name := range waiting {
				states = append(states, CheckState{Name: name, Error: "the check did not answer in time"})
			}
			clear(waiting)
			ready = false
		}
	}
	slices.SortFunc(states, func(a, b CheckState) int { return strings.Compare(a.Name, b.Name) })
	return states, ready
}

// Describe is part of [prometheus.Collector].
func (h *Health) Describe(to chan<- *prometheus.Desc) { to <- readyDesc() }

// Collect is part of [prometheus.Collector]: meshweir_ready is 1 for each check that passes, and else 0.
func (h *Health) Collect(to chan<- prometheus.Metric) {
	states, _ := h.Ready(context.Background())
	for _, s := range states {
		value := 1.0
		if s.Error != "" {
			value = 0
		}
		to <- prometheus.MustNewConstMetric(readyDesc(), prometheus.GaugeValue, value, s.Name)
	}
}

func readyDesc() *prometheus.Desc {
	return prometheus.NewDesc("meshweir_ready", "Whether a check of readiness passes.", []string{"check"}, nil)
}

func (h *Health) serveReady(w http.ResponseWriter, r *http.Request) {
	states, ready := h.Ready(r.Context())
	status := http.StatusOK
	if !ready {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Cache-Control", "no-store")
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(map[string]any{"ready": ready, "checks": states}) //nolint:errcheck // the client left
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	for _, s := range states {
		if s.Error == "" {
			fmt.Fprintf(w, "[+] %s\n", s.Name)
		} else {
			fmt.Fprintf(w, "[-] %s: %s\n", s.Name, s.Error)
		}
	}
	fmt.Fprintln(w, map[bool]string{true: "ready", false: "not ready"}[ready])
}

// Serve answers on addr, "host:port", until ctx ends.
func (h *Health) Serve(ctx context.Context, addr string) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("serving health: %w", err)
	}
	h.log.InfoContext(ctx, "health served", "address", listener.Addr().String())
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if server.Shutdown(wait) != nil {
			server.Close()
		}
		err = <-ended
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving health: %w", err)
	}
	return nil
}
