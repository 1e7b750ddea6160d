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
