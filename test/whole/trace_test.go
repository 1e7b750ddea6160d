package whole

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/pipelinetest/program"
)

// A change of a manifest in west is one trace in a real Jaeger, over three processes and two streams.
func TestOneChangeIsOneTraceInJaeger(t *testing.T) {
	j := startJaeger(t)
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", j.otlp+"/v1/traces")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
	s := separateProcesses(t)
	// The event may go to either translator.
	way := func(translator string) []string {
		return []string{
			"agent.watch of agent-west", "publish snapshot of agent-west",
			"translator.snapshot of " + translator, "translator.translate of " + translator, "publish output of " + translator,
			"agent.apply of agent-east",
		}
	}
	address := []string{"198.51.100.20", "198.51.100.21"}
	var longest []string
	// Of changes that meet in one pass one is the parent, the others are links; and the translator that was not given the
	// event may be faster. Then the next change tells.
	for range 5 {
		s.awaitRest()
		s.edit(gateways, address[0], address[1])
		eventually(t, "the new address in east", func() (string, bool) {
			return "", strings.Contains(strings.Join(valuesOf(s.applied("east")), "\n"), address[1])
		})
		slices.Reverse(address)
		for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); <-time.After(100 * time.Millisecond) {
			spans := j.spans("agent", "agent.watch")
			for _, want := range [][]string{way("translator-0"), way("translator-1")} {
				got := pipelinetest.Chain(spans, want)
				if len(got) == len(want) {
					return
				}
				if len(got) > len(longest) {
					longest = got
				}
			}
		}
	}
	t.Errorf("no trace has the whole way, each hop the child of the one before; the longest has %v", longest)
}

// jaeger is a running Jaeger that keeps traces in memory.
type jaeger struct {
	t           *testing.T
	otlp, query string // where it takes spans, and answers for them
}

func startJaeger(t *testing.T) jaeger {
	t.Helper()
	path := pipelinetest.Require(t, "jaeger")
	otlp, query := "127.0.0.1:"+pipelinetest.FreePort(t), "127.0.0.1:"+pipelinetest.FreePort(t)
	config := fmt.Sprintf(`
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines: {traces: {receivers: [otlp], exporters: [jaeger_storage_exporter]}}
  telemetry: {metrics: {level: none}}
receivers: {otlp: {protocols: {http: {endpoint: %q}}}}
exporters: {jaeger_storage_exporter: {trace_storage: memory}}
extensions:
  jaeger_storage: {backends: {memory: {memory: {max_traces: 10000}}}}
  jaeger_query: {storage: {traces: memory}, http: {endpoint: %q}, grpc: {endpoint: "127.0.0.1:%s"}}
`, otlp, query, pipelinetest.FreePort(t))
	file := filepath.Join(t.TempDir(), "jaeger.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	program.Start(t, program.Config{Path: path, Args: []string{"--config", file}, Log: filepath.Join(t.TempDir(), "jaeger.log")})
	j := jaeger{t: t, otlp: "http://" + otlp, query: "http://" + query}
	eventually(t, "Jaeger to answer", func() (string, bool) {
		_, err := get(t.Context(), j.query+"/api/services")
		return fmt.Sprint(err), err == nil
	})
	return j
}

// spans returns those of the traces in which a service did something, each called "operation of process".
func (j jaeger) spans(service, operation string) (spans []pipelinetest.Span) {
	j.t.Helper()
	query := url.Values{"service": {service}, "operation": {operation}, "limit": {"1000"}, "lookback": {"1h"}}
	body, err := get(j.t.Context(), j.query+"/api/traces?"+query.Encode())
	if err != nil {
		j.t.Fatal(err)
	}
	var answer struct { // as of Jaeger's HTTP API
		Data []struct {
			Spans []struct {
				TraceID, SpanID, OperationName, ProcessID string

				References []struct{ RefType, SpanID string }
			}
			Processes map[string]struct {
				Tags []struct {
					Key   string
					Value any
				}
			}
		}
		Errors []struct{ Msg string }
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.Errors) > 0 {
		j.t.Fatalf("asking Jaeger for traces: %v %v: %s", err, answer.Errors, body)
	}
	for _, trace := range answer.Data {
		for _, s := range trace.Spans {
			span := pipelinetest.Span{Trace: s.TraceID, ID: s.SpanID, Name: s.OperationName}
			for _, r := range s.References {
				if r.RefType == "CHILD_OF" {
					span.Parent = r.SpanID
				}
			}
			for _, tag := range trace.Processes[s.ProcessID].Tags {
				if tag.Key == "service.instance.id" { // see start
					span.Name += fmt.Sprint(" of ", tag.Value)
				}
			}
			spans = append(spans, span)
		}
	}
	return spans
}
