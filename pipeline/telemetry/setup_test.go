package telemetry_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/meshweir/meshweir/pipeline/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// setup returns telemetry whose spans are in the returned recorder.
func setup(t *testing.T) (*telemetry.Telemetry, *tracetest.SpanRecorder) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	tel, err := telemetry.Setup(t.Context(), telemetry.Config{Service: "tester", SpanProcessors: []sdktrace.SpanProcessor{spans}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tel.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return tel, spans
}

// scrape returns what Prometheus would read.
func scrape(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	telemetry.NewHealth(slog.New(slog.DiscardHandler), registry).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("/metrics: got %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestWithoutACollectorNothingIsExportedAndNothingComplains(t *testing.T) {
	var complaints bytes.Buffer
	telemetry.RouteLibraryErrors(slog.New(slog.NewTextHandler(&complaints, nil)))
	tel, err := telemetry.Setup(t.Context(), telemetry.Config{Service: "tester"})
	if err != nil {
		t.Fatal(err)
	}
	_, span := tel.Tracer().Start(t.Context(), "work")
	if span.IsRecording() || !span.SpanContext().TraceID().IsValid() {
		t.Errorf("with nobody to look: got recording %v, trace id %s, want none and an id", span.IsRecording(), span.SpanContext().TraceID())
	}
	span.End()
	if err := tel.Shutdown(t.Context()); err != nil || complaints.Len() > 0 {
		t.Errorf("got %v and complaints %q", err, &complaints)
	}
}

func TestSpansGoToTheCollectorThatTheEnvironmentNames(t *testing.T) {
	var traces, metrics atomic.Int32
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/traces":
			traces.Add(1)
		case "/v1/metrics":
			metrics.Add(1)
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")

	tel, err := telemetry.Setup(t.Context(), telemetry.Config{Service: "tester"})
	if err != nil {
		t.Fatal(err)
	}
	_, span := tel.Tracer().Start(t.Context(), "work")
	span.End()
	counter, err := tel.Meter().Int64Counter("work")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 1)
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if traces.Load() == 0 || metrics.Load() == 0 {
		t.Errorf("the collector got %d trace and %d metric requests, want some of each", traces.Load(), metrics.Load())
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestACollectorThatIsDownIsLoggedOnly(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:1/v1/traces")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	var out bytes.Buffer
	telemetry.RouteLibraryErrors(slog.New(slog.NewTextHandler(&out, nil)))
	otel.Handle(context.DeadlineExceeded)
	if !strings.Contains(out.String(), "telemetry not exported") {
		t.Errorf("a library error: got log %q", out.String())
	}
	tel, err := telemetry.Setup(t.Context(), telemetry.Config{Service: "tester"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	tel.Shutdown(ctx) //nolint:errcheck // nothing was to be exported
}

func TestSetupRefusesWhatItCannotUse(t *testing.T) {
	if _, err := telemetry.Setup(t.Context(), telemetry.Config{}); err == nil || !strings.Contains(err.Error(), "no name") {
		t.Errorf("no name: got %v", err)
	}
	t.Setenv("OTEL_TRACES_EXPORTER", "jeager")
	if _, err := telemetry.Setup(t.Context(), telemetry.Config{Service: "tester"}); err == nil || !strings.Contains(err.Error(), "jeager") {
		t.Errorf("unknown exporter: got %v, want an error that names it", err)
	}
	t.Setenv("OTEL_TRACES_EXPORTER", "")
	t.Setenv("OTEL_METRICS_EXPORTER", "promteus")
	if _, err := telemetry.Setup(t.Context(), telemetry.Config{Service: "tester"}); err == nil || !strings.Contains(err.Error(), "promteus") {
		t.Errorf("unknown exporter: got %v, want an error that names it", err)
	}
}

func TestServicesOfOneProcessShareARegistry(t *testing.T) {
	t.Setenv("OTEL_SERVICE_NAME", "all-of-them")
	registry := prometheus.NewRegistry()
	for _, name := range []string{"agent", "translator"} {
		tel, err := telemetry.Setup(t.Context(), telemetry.Config{Service: name, Registry: registry})
		if err != nil {
			t.Fatal(err)
		}
		counter, err := tel.Meter().Int64Counter("meshweir.work")
		if err != nil {
			t.Fatal(err)
		}
		counter.Add(t.Context(), 1)
		defer tel.Shutdown(context.Background()) //nolint:errcheck // nothing is exported
	}
	got := scrape(t, registry)
	for _, want := range []string{`meshweir_work_total{service="agent"} 1`, `meshweir_work_total{service="translator"} 1`} {
		if !strings.Contains(got, want) {
			t.Errorf("/metrics has no %s:\n%s", want, got)
		}
	}
}

func TestResourceNamesTheServiceUnlessTheEnvironmentDoes(t *testing.T) {
	for _, test := range []struct{ environment, want string }{{"", "tester"}, {"mine", "mine"}} {
		t.Setenv("OTEL_SERVICE_NAME", test.environment)
		tel, spans := setup(t)
		_, span := tel.Tracer().Start(t.Context(), "work", trace.WithNewRoot())
		span.End()
		got, _ := spans.Ended()[0].Resource().Set().Value("service.name")
		if got.AsString() != test.want {
			t.Errorf("OTEL_SERVICE_NAME=%q: got service %q, want %q", test.environment, got.AsString(), test.want)
		}
	}
}
