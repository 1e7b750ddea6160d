package telemetry_test

import (
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/meshweir/meshweir/pipeline/telemetry"
)

func TestWorkIsAsOldAsItsOldestChange(t *testing.T) {
	now := time.UnixMilli(1_795_000_000_000)
	ctx := telemetry.WithChangedAt(t.Context(), time.Time{})
	if age, known := telemetry.Since(ctx, now); known {
		t.Errorf("of a change that nobody timed: got %s, want that nobody knows", age)
	}
	for _, at := range []time.Duration{-3 * time.Second, -5 * time.Second, -time.Second, 0} {
		ctx = telemetry.WithChangedAt(ctx, now.Add(at))
	}
	if age, known := telemetry.Since(ctx, now); age != 5*time.Second || !known {
		t.Errorf("got %s, %t, want 5s", age, known)
	}
	if age, _ := telemetry.Since(ctx, now.Add(-time.Minute)); age != 0 {
		t.Errorf("by a clock that is late: got %s, want 0", age)
	}
}

func TestAgeCrossesAMessage(t *testing.T) {
	at := time.UnixMilli(1_795_000_000_000)
	m := newMessage()
	telemetry.Inject(telemetry.WithChangedAt(t.Context(), at), m.Metadata)
	if got := telemetry.CauseOf(telemetry.Extract(t.Context(), m.Metadata)).At; !got.Equal(at) {
		t.Errorf("got %s, want %s", got, at)
	}
	m.Metadata.Set("changed_at", "soon")
	if got := telemetry.ChangedAtOf(telemetry.Extract(t.Context(), m.Metadata)); !got.IsZero() {
		t.Errorf("a damaged time: got %s, want none", got)
	}
}

func TestContinueBeginsNoSpan(t *testing.T) {
	tel, spans := setup(t)
	_, cause := tel.Tracer().Start(t.Context(), "publish")
	cause.End()
	at := time.UnixMilli(1_795_000_000_000)
	ctx := telemetry.Continue(t.Context(), []telemetry.Cause{{At: at}, {Span: cause.SpanContext()}, {Span: trace.SpanContext{}}})
	_, span := tel.Tracer().Start(ctx, "child")
	span.End()
	if ended := spans.Ended(); len(ended) != 2 || ended[1].Parent().SpanID() != cause.SpanContext().SpanID() {
		t.Errorf("got %d spans, the last with parent %s, want the cause and its child", len(ended), ended[len(ended)-1].Parent().SpanID())
	}
	if got := telemetry.ChangedAtOf(ctx); !got.Equal(at) {
		t.Errorf("the age is of %s, want %s", got, at)
	}
}
