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
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// added are the labels that Prometheus itself adds, and those that histograms have.
var added = []string{"__name__", "instance", "job", "le"}

// A product runs with demo clusters until each metric is there that alerts and dashboard name; each with the labels that they use.
func TestWhatIsNamedIsExportedByARunningProduct(t *testing.T) {
	wanted := map[string]map[string]bool{} // metric → labels
	var present [][]*labels.Matcher        // of series whose absence is an alert
	want := func(expr string) {
		t.Helper()
		parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			return
		}
		note(parsed, wanted)
		parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
			if call, ok := node.(*parser.Call); ok && call.Func.Name == "absent" {
				present = append(present, call.Args[0].(*parser.VectorSelector).LabelMatchers)
			}
			return nil
		})
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
		if missing = append(lacking(wanted, exported), absent(present, exported)...); len(missing) == 0 {
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

func lacking(wanted map[string]map[string]bool, exported map[string][]model.LabelSet) (missing []string) {
	for metric, names := range wanted {
		all, ok := exported[metric]
		if !ok {
			missing = append(missing, metric)
			continue
		}
		for name := range names {
			has := slices.ContainsFunc(all, func(series model.LabelSet) bool { _, ok := series[model.LabelName(name)]; return ok })
			if !has && !slices.Contains(added, name) {
				missing = append(missing, fmt.Sprintf("%s{%s}", metric, name))
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// absent returns the matchers that no series of the product matches.
func absent(present [][]*labels.Matcher, exported map[string][]model.LabelSet) (missing []string) {
	for _, matchers := range present {
		found := false
		for metric, all := range exported {
			found = found || slices.ContainsFunc(all, func(series model.LabelSet) bool {
				return !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool {
					if m.Name == model.MetricNameLabel {
						return !m.Matches(metric)
					}
					return !m.Matches(string(series[model.LabelName(m.Name)]))
				})
			})
		}
		if !found {
			missing = append(missing, fmt.Sprint(matchers))
		}
	}
	return missing
}

// scrape returns the series: name → the labels of each.
func scrape(ctx context.Context, address string) (map[string][]model.LabelSet, error) {
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
	exported := map[string][]model.LabelSet{}
	for name, family := range families {
		names := []string{name}
		if family.GetType().String() == "HISTOGRAM" {
			names = []string{name + "_bucket", name + "_sum", name + "_count"}
		}
		for _, name := range names {
			for _, metric := range family.GetMetric() {
				series := model.LabelSet{}
				for _, label := range metric.GetLabel() {
					series[model.LabelName(label.GetName())] = model.LabelValue(label.GetValue())
				}
				exported[name] = append(exported[name], series)
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
	up := exec.CommandContext(ctx, program, "up", "--listen", "127.0.0.1:0", "--gateway-listen", "", "--health-listen", address)
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
