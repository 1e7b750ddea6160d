package keyspace_test

import (
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/telemetry"
)

func TestAWriteIsASpanThatItsEventCarriesOn(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
	store := open(t, pipelinetest.Embedded(t), keyspace.Config{Tracer: tracer})
	f := follow(t, store, snapshot)

	seen := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	ctx, watch := tracer.Start(telemetry.WithChangedAt(t.Context(), seen), "watch")
	owner := store.Owned(snapshot, "uid")
	stage(owner, state{"a": "secret", "b": "2"})
	owner.Complete()
	if err := owner.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	watch.End()
	f.await(t, snapshot, state{"a": "secret", "b": "2"})
	f.stop()

	publish := spans.Ended()[0]
	if publish.Name() != "publish snapshot" || publish.Parent().SpanID() != watch.SpanContext().SpanID() {
		t.Errorf("the first span is %q with parent %s, want the write, below the watch", publish.Name(), publish.Parent().SpanID())
	}
	for _, want := range []attribute.KeyValue{
		attribute.String("meshweir.keyspace", "snapshot/east"), attribute.Int("meshweir.revision", 1), attribute.Int("meshweir.keys.set", 2),
		attribute.String("messaging.destination.name", snapshot.EventsKey()),
	} {
		if !slices.Contains(publish.Attributes(), want) {
			t.Errorf("its attributes are %v, want %v among them", publish.Attributes(), want)
		}
	}
	for _, a := range publish.Attributes() {
		if a.Value.String() == "secret" {
			t.Errorf("attribute %s holds a value of the keyspace", a.Key)
		}
	}
	last := f.events[len(f.events)-1]
	if len(last.Causes) != 1 || last.Causes[0].Span.SpanID() != publish.SpanContext().SpanID() || !last.Causes[0].At.Equal(seen) {
		t.Errorf("who follows was told of %+v, want the span of the write, and that the change was seen at %s", last.Causes, seen)
	}
}

func TestARefusedWriteIsASpanThatSaysSo(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	client := pipelinetest.Embedded(t)
	store := open(t, client, keyspace.Config{Tracer: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")})
	owner := store.Owned(snapshot, "uid")
	flush(t, owner, state{"a": "1"})
	other := store.Owned(snapshot, "uid")
	flush(t, other, state{"a": "2"})
	owner.Set("a", []byte("3"))
	if err := owner.Flush(t.Context()); err == nil {
		t.Fatal("a writer that was overtaken could write")
	}
	refused := spans.Ended()[2]
	if len(refused.Events()) != 1 || refused.Status().Code != codes.Unset {
		t.Errorf("a lost race has events %v and status %v, want the error, and no alarm", refused.Events(), refused.Status())
	}
}

func TestAFirstListMakesNobodyWait(t *testing.T) {
	store := open(t, pipelinetest.Embedded(t), keyspace.Config{})
	flush(t, store.Owned(snapshot, "uid"), state{"a": "1"})
	f := follow(t, store, snapshot)
	f.stop()
	if causes := f.events[0].Causes; len(causes) != 1 || !causes[0].At.IsZero() {
		t.Errorf("a list of what was there before has the causes %+v, want one without an age", causes)
	}
}
