package pipelinetest

import (
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Metric returns what a reader has of an instrument, by its name; the zero value where nothing was measured.
func Metric[T metricdata.Aggregation](t testing.TB, reader sdkmetric.Reader, name string) (data T) {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name == name {
				data, _ = m.Data.(T)
			}
		}
	}
	return data
}
