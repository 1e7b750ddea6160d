package process_test

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/meshweir/meshweir/pipeline/process"
)

func TestLogHidesSecrets(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		log := process.Logging{Format: format}.Logger(&out)
		log = log.With("redis_password", "hidden1")
		//nolint:sloglint // redaction must not depend on the case of a key
		log.Info("event", "Authorization", "hidden2", "access_token", "hidden3", "user", "shown1", "tokens", 7,
			slog.Group("client_secret", "value", "hidden4"), slog.Group("request", "cookie", "hidden5", "path", "shown2"))
		if strings.Contains(out.String(), "hidden") {
			t.Errorf("%s: the log shows a secret: %s", format, &out)
		}
		for _, want := range []string{"shown1", "shown2", "7", "[redacted]"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: the log does not show %q: %s", format, want, &out)
			}
		}
	}
}

func TestLogCarriesTheTraceOfItsContext(t *testing.T) {
	var out bytes.Buffer
	log := process.Logging{}.Logger(&out).With("service", "x")
	log.InfoContext(t.Context(), "without")
	if strings.Contains(out.String(), "trace_id") {
		t.Errorf("a line without a span has a trace id: %s", &out)
	}
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	log.InfoContext(trace.ContextWithSpanContext(t.Context(), span), "with")
	for _, want := range []string{`"trace_id":"01000000000000000000000000000000"`, `"span_id":"0200000000000000"`, `"service":"x"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log has no %s: %s", want, &out)
		}
	}
}

func TestLogFormatAndLevel(t *testing.T) {
	var out bytes.Buffer
	process.Logging{Level: "warn"}.Logger(&out).Info("quiet")
	process.Logging{Level: "error"}.Logger(&out).Warn("quiet")
	if out.Len() > 0 {
		t.Errorf("a line below the level was logged: %s", &out)
	}
	process.Logging{Level: "debug"}.Logger(&out).Debug("loud")
	if !strings.HasPrefix(out.String(), "{") {
		t.Errorf("not to a terminal: got %s, want JSON", &out)
	}
	out.Reset()
	process.Logging{Format: "text"}.Logger(&out).Info("loud")
	if !strings.HasPrefix(out.String(), "time=") {
		t.Errorf("got %s, want text", &out)
	}
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	process.Logging{}.Logger(file).Info("loud")
	if b, err := os.ReadFile(file.Name()); err != nil || !bytes.HasPrefix(b, []byte("{")) {
		t.Errorf("to a file: got %s, %v, want JSON", b, err)
	}
}
