package web

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
