package web

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/services/ui/view"
)

func insightKeys(all []*Insight) []string {
	var keys []string
	for _, i := range all {
		keys = append(keys, i.Key)
	}
	return keys
}

func TestInsightsAreFilteredAndTheGravestComeFirst(t *testing.T) {
	f := fullFleet()
	const route, fleet, away = "CFG0101/west/VirtualService.networking.istio.io/ingress/cart#a b", "SEC0103/fleet", "HLT0102/west"
	tests := []struct {
		query string
		want  []string
	}{
		{"", []string{route, away}},
		{"muted=true", []string{route, away, fleet}},
		{"severity=warning", []string{away}},
		{"code=CFG0101", []string{route}},
		{"cluster=west", []string{route, away}},
		{"cluster=east", nil},
	}
	for _, tt := range tests {
		values, err := url.ParseQuery(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		q, err := parseInsightQuery(values)
		if err != nil {
			t.Fatal(err)
		}
		rows, total, next := q.find(f)
		if diff := cmp.Diff(tt.want, insightKeys(rows)); diff != "" || total != len(tt.want) || next != "" {
			t.Errorf("?%s finds %d, next %q (-want +got):\n%s", tt.query, total, next, diff)
		}
	}
	for _, bad := range []url.Values{{"severity": {"odd"}}, {"muted": {"odd"}}} {
		if _, err := parseInsightQuery(bad); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

func TestPagesOfInsightsLeaveNothingOut(t *testing.T) {
	f := &Fleet{}
	for n := range 2*pageSize + 7 {
		i := fullInsight(fmt.Sprintf("CFG%04d/west", n), insight.Warning, time.Unix(0, 0))
		if n%3 == 0 {
			i.Severity = insight.Error
		}
		f.Insights = append(f.Insights, i)
	}
	sortInsights(f.Insights)
	var seen []string
	for address := "/insights"; address != ""; {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		q, err := parseInsightQuery(u.Query())
		if err != nil {
			t.Fatal(err)
		}
		rows, total, next := q.find(f)
		if total != len(f.Insights) {
			t.Fatalf("%s counts %d of %d", address, total, len(f.Insights))
		}
		seen, address = append(seen, insightKeys(rows)...), next
	}
	if !slices.Equal(seen, insightKeys(f.Insights)) {
		t.Errorf("the pages together show %d insights, want all %d in order", len(seen), len(f.Insights))
	}
}

func TestAnInsightIsShownOnWhatTakesPartInIt(t *testing.T) {
	f := fullFleet()
	cart := view.Ref{Cluster: "west", Key: "VirtualService.networking.istio.io/ingress/cart"}
	if got := f.insightsOf(cart); len(got) != 2 {
		t.Errorf("the object has the insights %v", insightKeys(got))
	}
	if got := f.insightsOf(view.Ref{Cluster: "east", Key: cart.Key}); got != nil {
		t.Errorf("an object of another cluster has the insights %v", insightKeys(got))
	}
	if got := insightKeys(f.insightsOn("west")); len(got) != 2 {
		t.Errorf("the cluster has the insights %v, want those that are not muted", got)
	}
}

func TestInsightsCountInTheStateOfTheFleet(t *testing.T) {
	at := time.Unix(0, 0)
	severe, risky := fullInsight("CFG0101/east", insight.Error, at), fullInsight("HLT0102/east", insight.Warning, at)
	muted := fullInsight("SEC0103/fleet", insight.Info, at)
	muted.Severity = insight.Error
	known := []*Cluster{{Name: "east", Cluster: view.Cluster{Known: true, Counts: view.Counts{Errors: 1, Warnings: 1}}}}
	good := []*Cluster{{Name: "east", Cluster: view.Cluster{Known: true}}}
	for _, tt := range []struct {
		name  string
		fleet *Fleet
		want  shellFleet
	}{
		{"errors of both kinds", &Fleet{Clusters: known, Insights: []*Insight{severe, risky, muted}, Looked: true}, shellFleet{"error", "2 errors"}},
		{"a warning", &Fleet{Clusters: good, Insights: []*Insight{risky}, Looked: true}, shellFleet{"warning", "1 warning"}},
		{"muted", &Fleet{Clusters: good, Insights: []*Insight{muted}, Looked: true}, shellFleet{"ok", "All good"}},
		{"nobody looked", &Fleet{Clusters: good}, shellFleet{"unknown", "No insights yet"}},
	} {
		if got := fleetState(tt.fleet); got != tt.want {
			t.Errorf("%s: the fleet is %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestWhatIsNotKnownIsNotGood(t *testing.T) {
	r, _ := testRenderer(t)
	good := `class="empty empty-good"`
	unknown := &Fleet{Clusters: []*Cluster{{Name: "east"}}}
	known := &Fleet{Clusters: []*Cluster{{Name: "east", Cluster: view.Cluster{Known: true}}}, Looked: true}
	for _, p := range []*page{overview(), insights(), cluster()} {
		for _, tt := range []struct {
			fleet *Fleet
			want  bool
		}{{unknown, false}, {known, true}} {
			data, _, err := p.data(t.Context(), tt.fleet, address{ref: view.Ref{Cluster: "east"}})
			if err != nil {
				t.Fatal(err)
			}
			regions, err := r.regions(p, tt.fleet, data)
			if err != nil {
				t.Fatal(err)
			}
			var all strings.Builder
			for _, made := range regions {
				all.WriteString(string(made.html))
			}
			if got := strings.Contains(all.String(), good); got != tt.want {
				t.Errorf("%s of a fleet that is known: %t; it says that all is good: %t", p.name, tt.want, got)
			}
		}
	}
}

func TestInsightsOfADeregisteredClusterGoWithIt(t *testing.T) {
	s := newSite(t, Config{})
	write := func(name keyspace.Name, code string) {
		t.Helper()
		found := s.store.Derived(name)
		found.Set(code, fmt.Appendf(nil, `{"code":%q,"severity":"error","title":"Title of %[1]s"}`, code))
		found.Complete()
		if err := found.Flush(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	s.eventually("/insights", "Nobody has looked yet")
	write("insight/east", "CFG0101")
	write(view.FleetInsightsName, "SEC0103")
	s.eventually("/insights", "CFG0101")
	s.eventually("/insights", "SEC0103")
	s.clusters.Delete("east")
	s.flush()
	s.goes("/insights", "CFG0101")
	// What is written before the command drops it goes, too, once it does.
	write("insight/east", "CFG0102")
	s.eventually("/insights", "CFG0102")
	if err := s.store.Drop(t.Context(), "insight/east"); err != nil {
		t.Fatal(err)
	}
	s.goes("/insights", "CFG0102")
	if _, body := s.get("/insights"); !strings.Contains(body, "SEC0103") {
		t.Error("what is said of the fleet went with a cluster")
	}
}
