package redisconn_test

import (
	"log/slog"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/redisconn"
)

func TestSaysWhetherRedisAnswers(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	server, err := redisconn.StartEmbedded(log, "")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := redisconn.Open(log, server.URL(), redisconn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	reader := sdkmetric.NewManualReader()
	stop, err := conn.Measure(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test"))
	if err != nil {
		t.Fatal(err)
	}
	expect := func(want int64, when string) {
		t.Helper()
		got := pipelinetest.Metric[metricdata.Gauge[int64]](t, reader, "meshweir.redis.reachable").DataPoints
		if len(got) != 1 || got[0].Value != want {
			t.Errorf("%s: got %+v, want one of %d", when, got, want)
		}
	}
	expect(1, "while it answers")
	server.Close()
	expect(0, "once it is gone")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := pipelinetest.Metric[metricdata.Gauge[int64]](t, reader, "meshweir.redis.reachable").DataPoints; len(got) != 0 {
		t.Errorf("stopped, it shows %+v", got)
	}
}
