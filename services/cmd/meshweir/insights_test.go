package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/insight"
)

func ids(all []finding) (ids []string) {
	for _, i := range all {
		ids = append(ids, i.ID)
	}
	return ids
}

func TestTheFilterOfInsightsIsThatOfTheDashboard(t *testing.T) {
	all := []finding{
		{"a", insight.Insight{Code: "CFG0101", Severity: insight.Error, Target: insight.Ref{Cluster: "east"}}},
		{"b", insight.Insight{Code: "CFG0103", Severity: insight.Warning, Target: insight.Ref{Cluster: "west"}, Also: []insight.Ref{{Cluster: "east"}}}},
		{"c", insight.Insight{Code: "CFG0101", Severity: insight.Error, Target: insight.Ref{Cluster: "east"}, MutedBy: &insight.Ref{Cluster: "mgmt"}}},
		{"d", insight.Insight{Code: "HLT0113", Severity: insight.Warning, Target: insight.Ref{}}},
	}
	tests := []struct {
		name   string
		filter insightFilter
		want   []string
		muted  int
	}{
		{"none", insightFilter{severity: anySeverity}, []string{"a", "b", "d"}, 1},
		{"muted too", insightFilter{severity: anySeverity, muted: true}, []string{"a", "b", "c", "d"}, 0},
		{"a cluster that takes part", insightFilter{severity: anySeverity, cluster: "east"}, []string{"a", "b"}, 1},
		{"a severity", insightFilter{severity: "warning"}, []string{"b", "d"}, 0},
		{"a code, in any case", insightFilter{severity: anySeverity, code: "cfg0103"}, []string{"b"}, 0},
		{"both", insightFilter{severity: "warning", cluster: "west", code: "HLT0113"}, nil, 0},
	}
	for _, tt := range tests {
		if got, muted := tt.filter.of(all); !slices.Equal(ids(got), tt.want) || muted != tt.muted {
			t.Errorf("%s: got %v and %d muted, want %v and %d", tt.name, ids(got), muted, tt.want, tt.muted)
		}
	}
}

// insights writes what the service would have found.
func (r *redisWithFleet) insights(name keyspace.Name, found map[string]insight.Insight) {
	r.t.Helper()
	derived := r.store.Derived(name)
	for id, i := range found {
		value, err := json.Marshal(i)
		if err != nil {
			r.t.Fatal(err)
		}
		derived.Set(id, value)
	}
	derived.Complete()
	if err := derived.Flush(r.t.Context(), nil); err != nil {
		r.t.Fatal(err)
	}
}

const eastInsight = "CFG0101/east/HTTPRoute.gateway.networking.k8s.io/shop/cart#cart.shop"

func newRedisWithInsights(t *testing.T) *redisWithFleet {
	t.Helper()
	r := newRedisWithFleet(t)
	route := insight.Ref{Cluster: "east", Object: "HTTPRoute.gateway.networking.k8s.io/shop/cart"}
	hour := time.Now().Add(-time.Hour)
	r.insights("insight/east", map[string]insight.Insight{eastInsight: {
		Code: "CFG0101", Severity: insight.Error, Title: "Route to nowhere", Summary: "HTTPRoute shop/cart leads nowhere", Target: route,
		Evidence:    []insight.Evidence{{Says: "the route leads there", Source: route, Field: "spec.rules[0]", Value: "cart"}},
		Remediation: []insight.Step{{Do: "Correct it.", Commands: []string{"kubectl edit it"}}},
		Closes:      "it is there", FirstSeen: hour, LastChanged: hour, Unknown: "west cannot be seen",
	}})
	west := insight.Ref{Cluster: "west"}
	r.insights("insight/fleet", map[string]insight.Insight{
		"CFG0102/east": {Code: "CFG0102", Severity: insight.Info, Target: insight.Ref{Cluster: "east"}},
		"HLT0113/west": {Code: "HLT0113", Severity: insight.Warning, Summary: "no agent of west is heard", Target: west},
		"HLT0999/west": {Code: "HLT0999", Severity: insight.Warning, Target: west, MutedBy: &insight.Ref{Cluster: "mgmt", Object: "InsightsConfig.meshweir.io/a/b"}},
	})
	return r
}

func TestInsightsAreListedTheGravestFirst(t *testing.T) {
	r := newRedisWithInsights(t)
	for _, command := range [][]string{{"insights"}, {"insights", "ls"}} {
		out, notes := r.meshweir(0, append(command, "-o", "json")...)
		var got found
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatal(err)
		}
		if want := []string{eastInsight, "HLT0113/west", "CFG0102/east"}; !slices.Equal(ids(got.Insights), want) || !got.Looked || notes != "" {
			t.Errorf("%v: got %v, looked %v, notes %q, want %v", command, ids(got.Insights), got.Looked, notes, want)
		}
	}
	table, notes := r.meshweir(0, "insights", "--muted")
	rows := strings.Split(strings.TrimSpace(table), "\n")
	if len(rows) != 5 || !strings.HasPrefix(rows[1], "error     unknown") || !strings.Contains(rows[3], "open, muted") || !strings.Contains(notes, "1 error, 2 warnings") {
		t.Errorf("got\n%s%s", table, notes)
	}
	if _, notes := r.meshweir(0, "insights", "--cluster", "west"); !strings.Contains(notes, "1 warning.\n1 more is muted") {
		t.Errorf("got %s", notes)
	}
	if _, notes := r.meshweir(2, "insights", "--cluster", "north"); !strings.Contains(notes, "there are east, south, west") && !strings.Contains(notes, "there are east, west") {
		t.Errorf("got %s", notes)
	}
	if _, notes := r.meshweir(2, "insights", "--code", "CFG9"); !strings.Contains(notes, "CFG0101, ") {
		t.Errorf("got %s", notes)
	}
}

func TestThatNobodyLookedForInsightsIsSaid(t *testing.T) {
	r := newRedisWithFleet(t)
	if out, notes := r.meshweir(0, "insights"); out != "" || !strings.Contains(notes, "Nobody has looked") {
		t.Errorf("got %q, %q", out, notes)
	}
}

func TestAnInsightIsShownWithEvidenceAndHowToMendIt(t *testing.T) {
	r := newRedisWithInsights(t)
	text, _ := r.meshweir(0, "insights", "show", "CFG0101")
	for _, want := range []string{
		eastInsight + "\n", "error: Route to nowhere\n", "about      east HTTPRoute", "since      60m, ", "unknown    west cannot be seen", "when it is there",
		"1. the route leads there\n     east HTTPRoute.gateway.networking.k8s.io/shop/cart spec.rules[0]\n     = cart\n", "1. Correct it.\n     $ kubectl edit it\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if text, _ := r.meshweir(0, "insights", "show", "HLT0999/west"); !strings.Contains(text, "muted by   mgmt InsightsConfig") {
		t.Errorf("got\n%s", text)
	}
	if document, _ := r.meshweir(0, "insights", "show", eastInsight, "-o", "yaml"); !strings.Contains(document, "id: "+eastInsight) || !strings.Contains(document, "\n- commands:\n") {
		t.Errorf("got\n%s", document)
	}
	if _, notes := r.meshweir(2, "insights", "show", "HLT"); !strings.Contains(notes, "HLT0113/west, HLT0999/west") {
		t.Errorf("got %s", notes)
	}
	r.meshweir(1, "insights", "show", "CFG0104")
	if offers, _ := r.meshweir(0, "__complete", "insights", "show", ""); !strings.HasPrefix(offers, eastInsight+"\n") {
		t.Errorf("completion offers %q", offers)
	}
}
