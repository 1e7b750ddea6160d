package prometheus

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

const root = "../.."

// readRules returns the alert rules by name.
func readRules(t *testing.T) map[string]rulefmt.Rule {
	t.Helper()
	p := parser.NewParser(parser.Options{})
	groups, errs := rulefmt.ParseFile(filepath.Join(root, "deploy/monitoring/alerts.yaml"), false, model.UTF8Validation, p, slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatalf("reading the rules: %v", errs)
	}
	rules := map[string]rulefmt.Rule{}
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			rules[rule.Alert] = rule
		}
	}
	if len(rules) < 8 {
		t.Fatalf("found %d alerts", len(rules))
	}
	return rules
}

// readQueries returns the queries of the dashboard by the panel's title.
func readQueries(t *testing.T) map[string][]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "deploy/monitoring/dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(data, &dashboard); err != nil {
		t.Fatal(err)
	}
	queries, ids := map[string][]string{}, map[int]bool{}
	for _, panel := range dashboard.Panels {
		if ids[panel.ID] || panel.Title == "" || queries[panel.Title] != nil {
			t.Errorf("panel %d, %q, is there twice or has no title", panel.ID, panel.Title)
		}
		ids[panel.ID] = true
		for _, target := range panel.Targets {
			expr := strings.NewReplacer("$__rate_interval", "1m", "$__range", "1h").Replace(target.Expr)
			queries[panel.Title] = append(queries[panel.Title], expr)
		}
	}
	if len(queries) < 8 {
		t.Fatalf("the dashboard has %d panels", len(queries))
	}
	return queries
}

func TestEveryAlertHasARunbookThatIsThere(t *testing.T) {
	const page = "docs/troubleshooting.md"
	guide, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	heading := regexp.MustCompile(`(?m)^#+ (.+)$`)
	anchors := map[string]bool{}
	for _, found := range heading.FindAllStringSubmatch(string(guide), -1) {
		anchors[page+"#"+strings.ReplaceAll(strings.ToLower(found[1]), " ", "-")] = true
	}
	for name, rule := range readRules(t) {
		if runbook := rule.Annotations["runbook"]; !anchors[runbook] {
			t.Errorf("%s: %s has no heading for its runbook %q", name, page, runbook)
		}
		if rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
			t.Errorf("%s lacks a severity, a summary or a description", name)
		}
	}
}
