package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// scope names the tracer and the meter.
const scope = "github.com/meshweir/meshweir"

// Config says who speaks, and to whom besides what the OTEL_* variables say.
type Config struct {
	// Service is the name of the service, "translator". It must be set;
	// OTEL_SERVICE_NAME goes before it.
	Service string
	// Version is the program's version; may be empty.
	Version string
	// Registry takes the metrics for Prometheus, each with the label service.
	// Services of one process may share it. Nil means a new one, with metrics of
	// the Go runtime and the process.
	Registry *prometheus.Registry
	// SpanProcessors get every span, besides the exporter.
	SpanProcessors []sdktrace.SpanProcessor
	// MetricReaders get every metric, besides Prometheus and the exporter.
	MetricReaders []sdkmetric.Reader
}

// Telemetry is one service's tracer and meter.
type Telemetry struct {
	traces   *sdktrace.TracerProvider
	metrics  *sdkmetric.MeterProvider
	registry *prometheus.Registry
}

// Setup makes the tracer and the meter. A variable that it cannot use is an
// error; a collector that does not answer is not.
func Setup(ctx context.Context, cfg Config) (*Telemetry, error) {
	if cfg.Service == "" {
		return nil, errors.New("setting up telemetry: the service has no name")
	}
	who, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", cfg.Service), attribute.String("service.version", cmp.Or(cfg.Version, "unknown"))),
		resource.WithFromEnv(), // later ones win
		resource.WithHost(),
		resource.WithTelemetrySDK(),
	)
	if err != nil {
		return nil, fmt.Errorf("setting up telemetry: reading OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	t := &Telemetry{registry: cfg.Registry}
	if t.registry == nil {
		t.registry = prometheus.NewRegistry()
		t.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	if t.traces, err = newTraces(ctx, cfg, who); err != nil {
		return nil, fmt.Errorf("setting up traces%s: %w", asked("TRACES"), err)
	}
	if t.metrics, err = newMetrics(ctx, cfg, who, t.registry); err != nil {
		return nil, errors.Join(fmt.Errorf("setting up metrics%s: %w", asked("METRICS"), err), t.traces.Shutdown(ctx))
	}
	return t, nil
}

func newTraces(ctx context.Context, cfg Config, who *resource.Resource) (*sdktrace.TracerProvider, error) {
	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(who)}
	for _, p := range cfg.SpanProcessors {
		options = append(options, sdktrace.WithSpanProcessor(p))
	}
	switch {
	case exports("TRACES"):
		exporter, err := autoexport.NewSpanExporter(ctx)
		if err != nil {
			return nil, err
		}
		options = append(options, sdktrace.WithBatcher(exporter))
	case len(cfg.SpanProcessors) == 0:
		// Nobody looks: spans carry ids, for the log, and record nothing.
		options = append(options, sdktrace.WithSampler(sdktrace.NeverSample()))
	}
	return sdktrace.NewTracerProvider(options...), nil
}

func newMetrics(ctx context.Context, cfg Config, who *resource.Resource, registry *prometheus.Registry) (*sdkmetric.MeterProvider, error) {
	scrape, err := otelprometheus.New(
		// Without the label, two services that share a registry would collide.
		otelprometheus.WithRegisterer(prometheus.WrapRegistererWith(prometheus.Labels{"service": cfg.Service}, registry)),
		otelprometheus.WithoutScopeInfo(),
		otelprometheus.WithoutTargetInfo(),
	)
	if err != nil {
		return nil, err
	}
	options := []sdkmetric.Option{sdkmetric.WithResource(who), sdkmetric.WithReader(scrape)}
	for _, r := range cfg.MetricReaders {
		options = append(options, sdkmetric.WithReader(r))
	}
	if exports("METRICS") {
		reader, err := autoexport.NewMetricReader(ctx)
		if err != nil {
			return nil, err
		}
		options = append(options, sdkmetric.WithReader(reader))
	}
	return sdkmetric.NewMeterProvider(options...), nil
}

// exports reports whether the environment asks for TRACES or METRICS to be
// exported. The specification's default, OTLP to localhost, would make every
// program without a collector complain once a minute. Prometheus needs no
// exporter: /metrics is always there.
func exports(signal string) bool {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return false
	}
	switch os.Getenv("OTEL_" + signal + "_EXPORTER") {
	case "":
		return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") != ""
	case "none", "prometheus":
		return false
	}
	return true
}

// asked quotes the variable that an error may be about: the library's errors do not.
func asked(signal string) string {
	name := "OTEL_" + signal + "_EXPORTER"
	if value := os.Getenv(name); value != "" {
		return fmt.Sprintf(" for %s=%q", name, value)
	}
	return ""
}

// Tracer makes the service's spans.
func (t *Telemetry) Tracer() trace.Tracer { return t.traces.Tracer(scope) }

// Meter makes the service's instruments.
func (t *Telemetry) Meter() metric.Meter { return t.metrics.Meter(scope) }

// Registry holds the metrics for Prometheus.
func (t *Telemetry) Registry() *prometheus.Registry { return t.registry }

// Flush exports what is still held back.
func (t *Telemetry) Flush(ctx context.Context) error {
	if err := errors.Join(t.traces.ForceFlush(ctx), t.metrics.ForceFlush(ctx)); err != nil {
		return fmt.Errorf("exporting telemetry: %w", err)
	}
	return nil
}

// Shutdown exports what is still held back and ends the exporters.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	if err := errors.Join(t.traces.Shutdown(ctx), t.metrics.Shutdown(ctx)); err != nil {
		return fmt.Errorf("ending telemetry: %w", err)
	}
	return nil
}

// RouteLibraryErrors sends the errors of exporters, which OpenTelemetry would
// print to stderr, to log. OpenTelemetry has one handler for the whole process;
// call this once, in main.
func RouteLibraryErrors(log *slog.Logger) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.Warn("telemetry not exported", "error", err)
	}))
}
