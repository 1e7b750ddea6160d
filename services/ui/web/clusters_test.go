package web

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meshweir/meshweir/services/ui/view"
)

func TestAClusterThatWasNeverSeenHasAPageThatSaysWhatIsMissing(t *testing.T) {
	s := newSite(t, Config{})
	north := view.Record{Cluster: &view.Cluster{RegisteredAt: time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC), Feeds: map[string]int{"west": 2}}}
	value, err := north.Encode()
	if err != nil {
		t.Fatal(err)
	}
	s.clusters.Set("north", value)
	s.flush()
	s.eventually("/clusters", "/clusters/north")
	for path, want := range map[string][]string{
		"/":                   {`href="/clusters/north"`, "Expected", "Never seen, registered", "1 cluster never seen"},
		"/clusters":           {`href="/clusters/north"`, "Expected", "Never seen, registered", "2 objects in <a href=\"/clusters/west\">west</a>"},
		"/clusters/north":     {"was never seen", "2026-11-30T10:00:00Z", "meshweir cluster register north --create-user", "meshweir cluster deregister north", "2 objects in"},
		"/api/clusters/north": {`"expected": true`, `"registeredAt": "2026-11-30T10:00:00Z"`},
	} {
		_, body := s.get(path)
		for _, text := range want {
			if !strings.Contains(body, text) {
				t.Errorf("%s does not say %q:\n%s", path, text, body)
			}
		}
		for _, text := range []string{"Disconnected", "disconnected", "No heartbeat", "last known"} {
			if strings.Contains(body, text) {
				t.Errorf("%s says %q of a cluster that never was there:\n%s", path, text, body)
			}
		}
	}
}

func TestClustersThatAskForAttentionComeFirst(t *testing.T) {
	f := &Fleet{Looked: true}
	for n := range 30 {
		f.Clusters = append(f.Clusters, &Cluster{Name: fmt.Sprintf("c%02d", n), Cluster: view.Cluster{Known: true}})
	}
	f.Clusters[29].Beat = Beat{Since: time.Unix(1, 0)}
	f.Clusters[28].Errors, f.Clusters[27].Warnings, f.Clusters[26].Known = 1, 1, false
	want := []string{"c26", "c29", "c28", "c27", "c00"}
	for _, p := range []*page{overview(), clusters()} {
		data, _, err := p.data(t.Context(), f, address{})
		if err != nil {
			t.Fatal(err)
		}
		text := regionsOf(t, p, data)
		var got []string
		for _, part := range strings.Split(text, `id="cluster-`)[1:] {
			name, _, _ := strings.Cut(part, `"`)
			got = append(got, name)
		}
		if len(got) < 10 || !slices.Equal(got[:5], want) {
			t.Errorf("%s begins with %v, want %v", p.name, got, want)
		}
		if p.name == "overview" && (len(got) != maxClusters || !strings.Contains(text, "20 more clusters")) {
			t.Errorf("the overview shows %d clusters", len(got))
		}
	}
	data, _, err := clusters().data(t.Context(), f, address{query: url.Values{"q": {"C1"}}})
	if err != nil {
		t.Fatal(err)
	}
	if text := regionsOf(t, clusters(), data); !strings.Contains(text, "10 of 30 clusters") || strings.Contains(text, "cluster-c29") {
		t.Errorf("the list is not filtered:\n%s", text)
	}
}
