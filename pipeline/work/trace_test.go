package work_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshweir/meshweir/pipeline/telemetry"
	"github.com/meshweir/meshweir/pipeline/work"
)

// traced runs a worker whose spans are recorded; its passes tell which span they work in.
func traced(t *testing.T, b *bench) (w *work.Worker, spans *tracetest.SpanRecorder, tracer trace.Tracer, worked <-chan trace.SpanContext) {
	t.Helper()
	spans = tracetest.NewSpanRecorder()
	tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
	in := make(chan trace.SpanContext, 100)
	w, _ = b.run(func(ctx context.Context, _ bool) error {
		in <- trace.SpanContextFromContext(ctx)
		return nil
	}, work.Config{Tracer: tracer, Operation: "tester.work"})
	b.eventually("the first pass, and the event of before it", func() bool { return len(in) > 0 && b.read() && b.acked() })
	for len(in) > 0 {
		<-in
	}
	return w, spans, tracer, in
}

func cause(tracer trace.Tracer, name string) telemetry.Cause {
	_, span := tracer.Start(context.Background(), name)
	span.End()
	return telemetry.Cause{Span: span.SpanContext()}
}

func TestAPassIsAChildOfWhatAskedForItAndLinksToWhatItTakesAlong(t *testing.T) {
	b := newBench(t)
	w, spans, tracer, worked := traced(t, b)
	asked, noted := cause(tracer, "asked"), cause(tracer, "noted")
	_, publish := tracer.Start(trace.ContextWithSpanContext(t.Context(), asked.Span), "of the same trace")
	publish.End()
	w.Note(noted, telemetry.Cause{Span: publish.SpanContext()})
	w.Ask(asked)
	pass := <-worked
	b.eventually("its span", func() bool { return ended(spans, pass) != nil })
	got := ended(spans, pass)
	if got.Name() != "tester.work" || got.Parent().SpanID() != asked.Span.SpanID() {
		t.Errorf("the pass is span %q with parent %s, want tester.work, a child of what asked", got.Name(), got.Parent().SpanID())
	}
	if links := got.Links(); len(links) != 1 || links[0].SpanContext.SpanID() != noted.Span.SpanID() {
		t.Errorf("its links are %v, want what was noted, of another trace", links)
	}
}

func TestALookAtAnotherReplicasEventIsNoSpanButStaysInItsTrace(t *testing.T) {
	b := newBench(t)
	w, spans, tracer, worked := traced(t, b)
	noted := cause(tracer, "noted")
	before := len(spans.Ended())
	w.Note(noted)
	if got := <-worked; got.SpanID() != noted.Span.SpanID() || !got.IsRemote() {
		t.Errorf("the pass works in span %s, want that of the change, %s", got.SpanID(), noted.Span.SpanID())
	}
	if n := len(spans.Ended()); n != before {
		t.Errorf("the pass has made %d spans, want none", n-before)
	}
}

func TestAWorkersContextKnowsTheAgeOfTheChange(t *testing.T) {
	b := newBench(t)
	var age atomic.Int64
	w, _ := b.run(func(ctx context.Context, _ bool) error {
		age.Store(telemetry.ChangedAtOf(ctx).UnixMilli())
		return nil
	}, work.Config{})
	at := time.UnixMilli(1_795_000_000_000)
	b.eventually("the age", func() bool {
		w.Ask(telemetry.Cause{At: at})
		return age.Load() == at.UnixMilli()
	})
}

func ended(spans *tracetest.SpanRecorder, of trace.SpanContext) sdktrace.ReadOnlySpan {
	for _, s := range spans.Ended() {
		if s.SpanContext().SpanID() == of.SpanID() {
			return s
		}
	}
	return nil
}
