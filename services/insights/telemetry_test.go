package insights_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/services/insights"
)

func TestTheGaugeTellsWhatIsUnknownFromWhatHolds(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		b := newBed(t, client, "east", "west")
		reader := sdkmetric.NewManualReader()
		b.meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")
		b.start("a")
		b.publish("east", virtualService("web", "gone"))
		b.await(missing("east", "web", "gone"))
		if holds, unknown := counted(t, reader, "CFG0101"); holds != 1 || unknown != 0 {
			t.Errorf("the gauge counts %d that hold and %d unknown ones, want 1 and 0", holds, unknown)
		}
		if err := b.store.Drop(t.Context(), "snapshot/west"); err != nil {
			t.Fatal(err)
		}
		b.await("?"+missing("east", "web", "gone"), "CFG0102/east")
		if holds, unknown := counted(t, reader, "CFG0101"); holds != 0 || unknown != 1 {
			t.Errorf("while west is missing the gauge counts %d that hold and %d unknown ones, want 0 and 1", holds, unknown)
		}
	})
}

// counted returns what the gauge counts of a code.
func counted(t *testing.T, reader *sdkmetric.ManualReader, code string) (holds, unknown int64) {
	t.Helper()
	for _, point := range pipelinetest.Metric[metricdata.Gauge[int64]](t, reader, "meshweir.insights").DataPoints {
		if of, _ := point.Attributes.Value("code"); of.AsString() != code {
			continue
		}
		if is, _ := point.Attributes.Value("unknown"); is.AsBool() {
			unknown += point.Value
		} else {
			holds += point.Value
		}
	}
	return holds, unknown
}

// A replica that another one gets the event of writes all the same where that one does not; its write belongs to the trace of the change.
func TestWhatIsWrittenWithoutAnEventBelongsToTheTraceOfTheChange(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		b := newBed(t, client, "east")
		spans := tracetest.NewSpanRecorder()
		tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
		store, err := keyspace.NewStore(slog.New(slog.DiscardHandler), client, keyspace.Config{Block: 50 * time.Millisecond, Tracer: tracer})
		if err != nil {
			t.Fatal(err)
		}
		b.store = store
		b.startAndPass("a")
		// From now on the group gets no event.
		events := keyspace.Name("snapshot/east").EventsKey()
		if _, err := client.TxPipelined(t.Context(), func(p redis.Pipeliner) error {
			p.XGroupDestroy(t.Context(), events, insights.Group)
			return p.XGroupCreate(t.Context(), events, insights.Group, "9999999999999-0").Err()
		}); err != nil {
			t.Fatal(err)
		}
		ctx, change := tracer.Start(t.Context(), "change")
		route := virtualService("web", "gone")
		agent := store.Owned("snapshot/east", "uid of east")
		agent.Complete()
		agent.Set(route.key().String(), route.json())
		if err := agent.Check(ctx); err != nil {
			t.Fatal(err)
		}
		change.End()
		b.await(missing("east", "web", "gone"))
		for _, span := range spans.Ended() {
			if span.Name() == "publish insight" && span.SpanContext().TraceID() == change.SpanContext().TraceID() {
				return
			}
		}
		t.Error("what was written for the change is no part of its trace")
	})
}
