// Package telemetry gives a service its traces, metrics and health pages.
//
// [Setup] makes a tracer and a meter from the standard OTEL_* variables: spans
// and metrics go to an OTLP collector where OTEL_EXPORTER_OTLP_ENDPOINT or an
// OTEL_*_EXPORTER variable asks for it, and nowhere otherwise. Metrics are in a
// Prometheus registry always. Nothing is global: two services in one process
// have a [Telemetry] each.
//
// A trace crosses Redis in the metadata of a stream entry ([Inject], [Extract],
// W3C trace context). The Watermill middlewares [Tracing] and [Metrics] watch
// the handlers of a router, and [Start] begins a span that several changes caused.
package telemetry
