package prometheus

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// step is how often rules are evaluated, and the distance of the samples of the series below.
const step = 30 * time.Second

// ready are services that are there, besides a translator.
const ready = `meshweir_ready{check="insights"} 1x60
meshweir_ready{check="dashboard"} 1x60`

// Series are written as in Prometheus' own tests: "0+1x9" are ten samples from 0 that rise by 1, "_" is none.
func TestAlertsFireWhenTheyMustAndOnlyThen(t *testing.T) {
	tests := []struct{ alert, name, series, fires string }{
		{"MeshweirAgentSilent", "insights hears nothing of a cluster", `meshweir_insights{code="HLT0113",cluster="east"} _x5 1x10`, "yes"},
		{"MeshweirAgentSilent", "of two replicas one says so", `meshweir_insights{code="HLT0113",cluster="east",instance="a"} 1x10`, "yes"},
		{"MeshweirAgentSilent", "an agent was restarted", `meshweir_insights{code="HLT0113",cluster="east"} 1 stale _x60`, "no"},
		{"MeshweirAgentSilent", "something else is found", `meshweir_insights{code="SEC0109",cluster="east"} 1x60`, "no"},
		{"MeshweirServiceGone", "all translators are gone", ready + "\n" + `meshweir_ready{check="translator"} 1x5 _x20`, "yes"},
		{"MeshweirServiceGone", "a translator never was", ready, "yes"},
		{"MeshweirServiceGone", "a translator starts again", ready + "\n" + `meshweir_ready{check="translator"} 1x5 _x3 1x60`, "no"},
		{"MeshweirServiceGone", "one of two is left", ready + "\n" + `meshweir_ready{check="translator",instance="a"} 1x5 _x20
meshweir_ready{check="translator",instance="b"} 1x60`, "no"},
		{"MeshweirRedisUnreachable", "Redis is gone", `meshweir_redis_reachable{service="translator"} 1x5 0x10`, "yes"},
		{"MeshweirRedisUnreachable", "Redis starts again", `meshweir_redis_reachable{service="translator"} 1x5 0x1 1x20`, "no"},
		{"MeshweirNotReady", "a translator cannot read", `meshweir_ready{check="translator"} 0x20`, "yes"},
		{"MeshweirNotReady", "a translator starts", `meshweir_ready{check="translator"} 0x3 1x20`, "no"},
		{"MeshweirNotReady", "an agent is the business of another alert", `meshweir_ready{check="snapshot of east"} 0x20`, "no"},
		{"MeshweirLagGrows", "no pass succeeds", `meshweir_work_lag{group="translator",keyspace="snapshot/east"} 0x5 1+1x20`, "yes"},
		{"MeshweirLagGrows", "changes come faster than scrapes, and are worked on", `meshweir_work_lag{group="translator",keyspace="snapshot/east"} 3 0 2 0 4 0 1 0 3 0 2 0`, "no"},
		{"MeshweirLagGrows", "another replica keeps up", `meshweir_work_lag{group="translator",keyspace="snapshot/east",instance="a"} 1+1x20
meshweir_work_lag{group="translator",keyspace="snapshot/east",instance="b"} 0x20`, "no"},
		{"MeshweirEventsWait", "an event is not acked", `meshweir_work_age_seconds{group="ui",keyspace="output/east"} 0+30x20`, "yes"},
		{"MeshweirEventsWait", "events come and go", `meshweir_work_age_seconds{group="ui",keyspace="output/east"} 2x20`, "no"},
		{"MeshweirDeadLetters", "one message is given up", `meshweir_dead_letters_total{group="ui",class="permanent"} 0x10 1x10`, "yes"},
		{"MeshweirDeadLetters", "none is", `meshweir_dead_letters_total{group="ui",class="permanent"} 3x20`, "no"},
		{"MeshweirRedisRefusesWrites", "the Redis is full", `meshweir_keyspace_failures_total{keyspace="snapshot",error="OOM"} 0x5 1+1x5`, "yes"},
		{"MeshweirRedisRefusesWrites", "a connection broke", `meshweir_keyspace_failures_total{keyspace="snapshot",error="error"} 0x5 1+1x5`, "no"},
		{"MeshweirDriftAgain", "somebody else writes the object too", `meshweir_agent_drift_total{cluster="east"} 0+1x20`, "yes"},
		{"MeshweirDriftAgain", "somebody tried something once", `meshweir_agent_drift_total{cluster="east"} 0x5 2x20`, "no"},
		{"MeshweirNotApplied", "the API server refuses", `meshweir_agent_applied_total{cluster="east",result="Error"} 0+1x30`, "yes"},
		{"MeshweirNotApplied", "one try failed, the next did not", `meshweir_agent_applied_total{cluster="east",result="Error"} 0x5 1x30`, "no"},
		{"MeshweirNotApplied", "all is taken", `meshweir_agent_applied_total{cluster="east",result="Applied"} 0+9x30`, "no"},
		{"MeshweirListsAgain", "a stream is too short", `meshweir_keyspace_relists_total{keyspace="snapshot",reason="gap"} 0+1x30`, "yes"},
		{"MeshweirListsAgain", "somebody asked for repair", `meshweir_keyspace_relists_total{keyspace="snapshot",reason="asked"} 0+1x30`, "no"},
		{"MeshweirListsAgain", "services start", `meshweir_keyspace_relists_total{keyspace="snapshot",reason="first"} 0+1x30`, "no"},
		{"MeshweirChangesAreSlow", "changes take half a minute", `meshweir_agent_change_age_seconds_bucket{cluster="east",le="10"} 0x60
meshweir_agent_change_age_seconds_bucket{cluster="east",le="60"} 0+1x60
meshweir_agent_change_age_seconds_bucket{cluster="east",le="+Inf"} 0+1x60`, "yes"},
		{"MeshweirChangesAreSlow", "changes take a second", `meshweir_agent_change_age_seconds_bucket{cluster="east",le="1"} 0+1x60
meshweir_agent_change_age_seconds_bucket{cluster="east",le="10"} 0+1x60
meshweir_agent_change_age_seconds_bucket{cluster="east",le="+Inf"} 0+1x60`, "no"},
	}
	rules := readRules(t)
	tested := map[string]map[string]bool{}
	for _, test := range tests {
		rule, ok := rules[test.alert]
		if !ok {
			t.Fatalf("there is no alert %s", test.alert)
		}
		if tested[test.alert] == nil {
			tested[test.alert] = map[string]bool{}
		}
		tested[test.alert][test.fires] = true
		t.Run(test.alert+"/"+test.name, func(t *testing.T) {
			if got := fires(t, rule.Expr, time.Duration(rule.For), test.series); got != (test.fires == "yes") {
				t.Errorf("it fires: %t, want %s", got, test.fires)
			}
		})
	}
	for name := range rules {
		if len(tested[name]) != 2 {
			t.Errorf("%s is not tested both ways", name)
		}
	}
}

// fires evaluates a rule step by step, and says whether one of its alerts ever stood for as long as it must.
func fires(t *testing.T, expr string, wait time.Duration, described string) bool {
	t.Helper()
	all := series(t, described)
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 100_000, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{})})
	defer engine.Close()
	active := map[string]time.Time{}
	for at := time.Unix(0, 0); at.Before(time.Unix(0, 0).Add(60 * step)); at = at.Add(step) {
		query, err := engine.NewInstantQuery(t.Context(), all, nil, expr, at)
		if err != nil {
			t.Fatal(err)
		}
		vector, err := query.Exec(t.Context()).Vector()
		if err != nil {
			t.Fatal(err)
		}
		stands := map[string]time.Time{}
		for _, sample := range vector {
			key := sample.Metric.String()
			stands[key] = at
			if since, was := active[key]; was {
				stands[key] = since
			}
			if at.Sub(stands[key]) >= wait {
				query.Close()
				return true
			}
		}
		active = stands
		query.Close()
	}
	return false
}

// series holds series that are described one a line. Prometheus' own storage for tests would do, and brings the clients of every cloud.
func series(t *testing.T, described string) storage.Queryable {
	t.Helper()
	var all []storage.Series
	for line := range strings.Lines(described) {
		metric, values, err := parser.NewParser(parser.Options{}).ParseSeriesDesc(line)
		if err != nil {
			t.Fatal(err)
		}
		one := promql.Series{Metric: metric}
		for i, v := range values {
			if !v.Omitted {
				one.Floats = append(one.Floats, promql.FPoint{T: (time.Duration(i) * step).Milliseconds(), F: v.Value})
			}
		}
		all = append(all, promql.NewStorageSeries(one))
	}
	find := func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
		found := &seriesSet{at: -1}
		for _, one := range all {
			if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(one.Labels().Get(m.Name)) }) {
				found.all = append(found.all, one)
			}
		}
		return found
	}
	return &storage.MockQueryable{MockQuerier: &storage.MockQuerier{SelectMockFunction: find}}
}

// seriesSet goes through series.
type seriesSet struct {
	all []storage.Series
	at  int
}

func (s *seriesSet) Next() bool                      { s.at++; return s.at < len(s.all) }
func (s *seriesSet) At() storage.Series              { return s.all[s.at] }
func (*seriesSet) Err() error                        { return nil }
func (*seriesSet) Warnings() annotations.Annotations { return nil }
