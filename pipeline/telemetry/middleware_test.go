package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshweir/meshweir/pipeline/telemetry"
)

func newMessage() *message.Message {
	return message.NewMessage(watermill.NewUUID(), nil)
}

func TestTraceCrossesAMessage(t *testing.T) {
	tel, _ := setup(t)
	ctx, span := tel.Tracer().Start(t.Context(), "publish")
	defer span.End()
	m := newMessage()
	telemetry.Inject(ctx, m.Metadata)
	got := trace.SpanContextFromContext(telemetry.Extract(t.Context(), m.Metadata))
	if got.SpanID() != span.SpanContext().SpanID() || !got.IsRemote() {
		t.Errorf("got %+v, want the span that was injected, as remote", got)
	}
	m.Metadata.Set("traceparent", "00-garbage")
	if got := trace.SpanContextFromContext(telemetry.Extract(t.Context(), m.Metadata)); got.IsValid() {
		t.Errorf("a damaged traceparent: got %+v, want nothing", got)
	}
}

func TestTracingRunsEachTryInASpanOfItsOwn(t *testing.T) {
	tel, spans := setup(t)
	ctx, cause := tel.Tracer().Start(t.Context(), "publish")
	cause.End()
	m := newMessage()
	telemetry.Inject(ctx, m.Metadata)

	broken := errors.New("broken")
	var result error
	handler := telemetry.Tracing(tel.Tracer())(func(m *message.Message) ([]*message.Message, error) {
		if !trace.SpanFromContext(m.Context()).IsRecording() {
			t.Error("the handler's context has no span")
		}
		return []*message.Message{newMessage()}, result
	})
	result = broken
	if _, err := handler(m); !errors.Is(err, broken) {
		t.Errorf("got %v, want the handler's error", err)
	}
	result = nil
	produced, err := handler(m)
	if err != nil {
		t.Fatal(err)
	}

	ended := spans.Ended()
	if len(ended) != 3 {
		t.Fatalf("got %d spans, want the cause and two tries", len(ended))
	}
	for _, try := range ended[1:] {
		if try.Parent().SpanID() != cause.SpanContext().SpanID() || try.SpanKind() != trace.SpanKindConsumer {
			t.Errorf("a try has parent %s and kind %s, want the cause and consumer", try.Parent().SpanID(), try.SpanKind())
		}
	}
	if got := ended[1].Status(); got.Code != codes.Error || len(ended[1].Events()) != 1 {
		t.Errorf("the try that went wrong: got status %+v and %d events", got, len(ended[1].Events()))
	}
	carried := trace.SpanContextFromContext(telemetry.Extract(t.Context(), produced[0].Metadata))
	if carried.SpanID() != ended[2].SpanContext().SpanID() {
		t.Errorf("what the handler produced carries span %s, want %s", carried.SpanID(), ended[2].SpanContext().SpanID())
	}
}

func TestTracingPrefersTheSpanInTheContext(t *testing.T) {
	tel, spans := setup(t)
	other, span1 := tel.Tracer().Start(t.Context(), "in the metadata")
	ctx, span2 := tel.Tracer().Start(t.Context(), "in the context")
	m := newMessage()
	telemetry.Inject(other, m.Metadata)
	m.SetContext(ctx)
	if _, err := telemetry.Tracing(tel.Tracer())(message.PassthroughHandler)(m); err != nil {
		t.Fatal(err)
	}
	if got := spans.Ended()[0].Parent().SpanID(); got != span2.SpanContext().SpanID() {
		t.Errorf("got parent %s, want %s", got, span2.SpanContext().SpanID())
	}
	span1.End()
	span2.End()
}

func TestStartLinksToEveryCauseOnce(t *testing.T) {
	tel, spans := setup(t)
	var causes []telemetry.Cause
	for i := range 3 {
		_, span := tel.Tracer().Start(t.Context(), fmt.Sprint("cause ", i))
		span.End()
		causes = append(causes, telemetry.Cause{Span: span.SpanContext()}, telemetry.Cause{Span: span.SpanContext()})
	}
	_, span := telemetry.Start(t.Context(), tel.Tracer(), "work", append([]telemetry.Cause{{}}, causes...))
	span.End()
	work := spans.Ended()[3]
	if work.Parent().SpanID() != causes[0].Span.SpanID() {
		t.Errorf("got parent %s, want the first cause", work.Parent().SpanID())
	}
	if links := work.Links(); len(links) != 2 || links[0].SpanContext.SpanID() != causes[2].Span.SpanID() || links[1].SpanContext.SpanID() != causes[4].Span.SpanID() {
		t.Errorf("got links %+v, want the second and the third cause", links)
	}

	_, alone := telemetry.Start(t.Context(), tel.Tracer(), "alone", nil)
	alone.End()
	if parent := spans.Ended()[4].Parent(); parent.IsValid() {
		t.Errorf("a span without causes has parent %s", parent.SpanID())
	}
}

type classedError struct{}

func (classedError) Error() string { return "strange" }
func (classedError) Class() string { return "decode" }

func TestErrorClass(t *testing.T) {
	for _, test := range []struct {
		in   error
		want string
	}{
		{nil, "ok"},
		{errors.New("x"), "error"},
		{fmt.Errorf("reading: %w", classedError{}), "decode"},
		{fmt.Errorf("reading: %w", context.DeadlineExceeded), "timeout"},
		{context.Canceled, "canceled"},
	} {
		if got := telemetry.ErrorClass(test.in); got != test.want {
			t.Errorf("%v: got %s, want %s", test.in, got, test.want)
		}
	}
}

func TestMetricsCountAndMeasureARoutersHandlers(t *testing.T) {
	tel, spans := setup(t)
	metrics, err := telemetry.Metrics(tel.Meter())
	if err != nil {
		t.Fatal(err)
	}
	pubsub := gochannel.NewGoChannel(gochannel.Config{Persistent: true}, watermill.NopLogger{})
	router, err := message.NewRouter(message.RouterConfig{}, watermill.NopLogger{})
	if err != nil {
		t.Fatal(err)
	}
	router.AddMiddleware(metrics, telemetry.Tracing(tel.Tracer()))
	handled := make(chan struct{}, 2)
	tries := 0
	router.AddConsumerHandler("apply", "events", pubsub, func(*message.Message) error {
		defer func() { handled <- struct{}{} }()
		tries++
		if tries == 1 {
			return classedError{} // is delivered again
		}
		return nil
	})
	m := newMessage()
	telemetry.SetChangedAt(m.Metadata, time.Now().Add(-3*time.Second))
	if err := pubsub.Publish("events", m); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- router.Run(ctx) }()
	for range 2 {
		select {
		case <-handled:
		case <-time.After(time.Minute):
			t.Fatal("the handler was not called twice in 10 s")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := pubsub.Close(); err != nil {
		t.Error(err)
	}

	got := scrape(t, tel.Registry())
	for _, want := range []string{
		`meshweir_messages_handled_total{handler="apply",outcome="ok",service="tester"} 1`,
		`meshweir_messages_handled_total{handler="apply",outcome="decode",service="tester"} 1`,
		`meshweir_messages_duration_seconds_count{handler="apply",service="tester"} 2`,
		`meshweir_messages_age_seconds_bucket{handler="apply",service="tester",le="1"} 0`,
		`meshweir_messages_age_seconds_count{handler="apply",service="tester"} 1`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
	if name := spans.Ended()[0].Name(); name != "apply" {
		t.Errorf("the span is named %q, want the handler's name", name)
	}
	if t.Failed() {
		t.Log(got)
	}
}
