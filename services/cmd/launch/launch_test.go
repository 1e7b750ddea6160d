package launch_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"github.com/meshweir/meshweir/deploy/compose/demo"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/pipeline/telemetry"
	"github.com/meshweir/meshweir/services/agent"
	"github.com/meshweir/meshweir/services/cmd/launch"
	"github.com/meshweir/meshweir/services/translator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A change of a manifest in west is one trace: seen and published by west's agent, translated, applied by east's.
func TestOneChangeIsOneTraceFromWatchToApply(t *testing.T) {
	defer goleak.VerifyNone(t)
	log := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	if err := demo.Unpack(dir); err != nil {
		t.Fatal(err)
	}
	server, err := redisconn.StartEmbedded(log, "")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	spans := tracetest.NewInMemoryExporter()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	var runs []func(context.Context) error
	env := func(service string) process.Env {
		tel, err := telemetry.Setup(ctx, telemetry.Config{Service: service, SpanProcessors: []sdktrace.SpanProcessor{sdktrace.NewSimpleSpanProcessor(spans)}})
		if err != nil {
			t.Fatal(err)
		}
		return process.Env{
			Log: log, Telemetry: tel, Health: telemetry.NewHealth(log, tel.Registry()),
			ServeHealth: func(context.Context) error { return nil },
		}
	}
	redis := launch.Redis{URLs: redisconn.URLs{Control: server.URL()}}
	for _, cluster := range demo.Clusters() {
		e := env("agent")
		runs = append(runs, func(ctx context.Context) error {
			return launch.Agent(ctx, e, redis, agent.Config{Cluster: cluster, Dir: dir})
		})
	}
	e := env("translator")
	runs = append(runs, func(ctx context.Context) error { return launch.Translator(ctx, e, redis, translator.Config{}) })
	go func() { done <- process.Together(ctx, runs...) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()

	const before, after = "198.51.100.20", "198.51.100.21"
	awaitInEast(t, dir, before)
	path := filepath.Join(dir, "west/istio/eastwest-gateway/workload.yaml")
	manifest, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"agent.watch", "publish snapshot", "translator.snapshot", "translator.translate", "publish output", "agent.apply"}
	var got []string
	// Changes that meet in one pass have one parent, the others are links. On a busy machine something may still be
	// under way after a rest; then the next change tells.
	for try := range 4 {
		awaitRest(t, spans)
		spans.Reset()
		to := []string{after, before}[try%2]
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(manifest), before, to)), 0o600); err != nil {
			t.Fatal(err)
		}
		awaitInEast(t, dir, to)
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
			if got = pipelinetest.Chain(spansOf(spans.GetSpans()), want); slices.Equal(got, want) {
				return
			}
			<-time.After(20 * time.Millisecond)
		}
	}
	for _, s := range spans.GetSpans() {
		t.Log(s.SpanContext.TraceID(), s.SpanContext.SpanID(), s.Parent.SpanID(), s.Name, s.StartTime.Format("05.000"), s.Attributes)
	}
	t.Errorf("no trace has the spans %v, each the child of the one before; the longest has %v", want, got)
}

// spansOf returns spans as [pipelinetest.Chain] takes them.
func spansOf(stubs tracetest.SpanStubs) (spans []pipelinetest.Span) {
	for _, s := range stubs {
		span := pipelinetest.Span{Trace: s.SpanContext.TraceID().String(), ID: s.SpanContext.SpanID().String(), Name: s.Name}
		if s.Parent.IsValid() {
			span.Parent = s.Parent.SpanID().String()
		}
		spans = append(spans, span)
	}
	return spans
}

// awaitRest waits until no spans come any more.
func awaitRest(t *testing.T, spans *tracetest.InMemoryExporter) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		n := len(spans.GetSpans())
		<-time.After(time.Second)
		if len(spans.GetSpans()) == n {
			return
		}
	}
	t.Fatal("spans keep coming at rest")
}

func awaitInEast(t *testing.T, dir, text string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		files, err := filepath.Glob(filepath.Join(dir, "applied/east/ServiceEntry*catalog*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if data, err := os.ReadFile(file); err == nil && strings.Contains(string(data), text) {
				return
			}
		}
		<-time.After(20 * time.Millisecond)
	}
	t.Fatalf("east was not given %s", text)
}
