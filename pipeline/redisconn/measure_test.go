package redisconn_test

import (
	"log/slog"
	"net"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/redisconn"
)

// reachable measures a Redis. It returns what waits until the gauge shows a value.
func reachable(t *testing.T, url string) (await func(want int64)) {
	t.Helper()
	conn, err := redisconn.Open(slog.New(slog.DiscardHandler), url, redisconn.Options{Timeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	reader := sdkmetric.NewManualReader()
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")
	ended := make(chan error)
	go func() { ended <- conn.Measure(t.Context(), meter, 10*time.Millisecond) }()
	read := func() []metricdata.DataPoint[int64] {
		return pipelinetest.Metric[metricdata.Gauge[int64]](t, reader, "meshweir.redis.reachable").DataPoints
	}
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Error(err)
		}
		conn.Close()
	})
	return func(want int64) {
		t.Helper()
		for late := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			got := read()
			if len(got) == 1 && got[0].Value == want {
				return
			}
			if time.Now().After(late) {
				t.Fatalf("got %+v, want one of %d", got, want)
			}
		}
	}
}

func TestSaysWhetherRedisAnswers(t *testing.T) {
	server, err := redisconn.StartEmbedded(slog.New(slog.DiscardHandler), "")
	if err != nil {
		t.Fatal(err)
	}
	await := reachable(t, server.URL())
	await(1)
	server.Close()
	await(0)
}

func TestSaysOfARedisThatHangsThatItDoesNotAnswer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	reachable(t, "redis://"+listener.Addr().String())(0)
}
