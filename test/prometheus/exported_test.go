package prometheus

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
)

// added are the labels that Prometheus itself adds, and those that histograms have.
var added = []string{"__name__", "instance", "job", "le"}

// A product runs with demo clusters until each metric is there that alerts and dashboard name; each with the labels that they use.
func TestWhatIsNamedIsExportedByARunningProduct(t *testing.T) {
	wanted := map[string]map[string]bool{} // metric → labels
	want := func(expr string) {
		t.Helper()
		parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			return
		}
		note(parsed, wanted)
	}
	for _, rule := range readRules(t) {
		want(rule.Expr)
	}
	for _, queries := range readQueries(t) {
		for _, query := range queries {
			want(query)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	address := startProduct(t)
	var missing []string
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); <-time.After(time.Second) {
		exported, err := scrape(t.Context(), address)
		if err != nil {
			missing = []string{err.Error()}
			continue
		}
		if missing = lacking(wanted, exported); len(missing) == 0 {
			return
		}
	}
	t.Errorf("a running product does not export\n%s", strings.Join(missing, "\n"))
}

// note enters the metrics that an expression names, with the labels that it matches or groups by.
func note(expr parser.Expr, wanted map[string]map[string]bool) {
	var metrics []string
	labels := map[string]bool{}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			metrics = append(metrics, n.Name)
			if wanted[n.Name] == nil {
				wanted[n.Name] = map[string]bool{}
			}
			for _, m := range n.LabelMatchers {
				wanted[n.Name][m.Name] = true
			}
		case *parser.AggregateExpr:
			for _, label := range n.Grouping {
				labels[label] = true
			}
		}
		return nil
	})
	for _, metric := range metrics {
		for label := range labels {
			wanted[metric][label] = true
		}
	}
}

func lacking(wanted, exported map[string]map[string]bool) (missing []string) {
	for metric, labels := range wanted {
		has, ok := exported[metric]
		if !ok {
			missing = append(missing, metric)
			continue
		}
		for label := range labels {
			if !has[label] && !slices.Contains(added, label) {
				missing = append(missing, fmt.Sprintf("%s{%s}", metric, label))
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// scrape returns the series' names with their labels.
func scrape(ctx context.Context, address string) (map[string]map[string]bool, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(response.Body)
	if err != nil {
		return nil, err
	}
	exported := map[string]map[string]bool{}
	for name, family := range families {
		names := []string{name}
		if family.GetType().String() == "HISTOGRAM" {
			names = []string{name + "_bucket", name + "_sum", name + "_count"}
		}
		for _, name := range names {
			exported[name] = map[string]bool{}
			for _, metric := range family.GetMetric() {
				for _, label := range metric.GetLabel() {
					exported[name][label.GetName()] = true
				}
			}
		}
	}
	return exported, nil
}

// startProduct runs `meshweir up` and returns where it serves its metrics.
func startProduct(t *testing.T) (address string) {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "meshweir")
	build := exec.Command("go", "build", "-o", program, "./services/cmd/meshweir")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the product: %v\n%s", err, out)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = listener.Addr().String()
	listener.Close()
	ctx, cancel := context.WithCancel(context.Background())
	up := exec.CommandContext(ctx, program, "up", "--listen", "127.0.0.1:0", "--health-listen", address)
	up.Dir = dir // the demo clusters are unpacked there
	var said strings.Builder
	up.Stdout, up.Stderr = io.Discard, &said
	up.Env = append(os.Environ(), "MESHWEIR_REDIS_CONTROL=")
	if err := up.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = up.Wait() // it was killed
		if t.Failed() {
			t.Logf("it said\n%s", said.String())
		}
	})
	return address
}
