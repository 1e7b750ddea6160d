package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/services/ui/view"
)

// fullFleet has something of everything that a page can show.
func fullFleet() *Fleet {
	at := time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)
	stand := view.Stand{Position: "1795382636811-cddfc6b9/12", Complete: true, ChangedAt: at}
	route := view.Ref{Cluster: "east", Key: "HTTPRoute.gateway.networking.k8s.io/shop/cart"}
	made := view.Ref{Cluster: "west", Key: "VirtualService.networking.istio.io/ingress/cart"}
	rows := map[string]map[string]view.Row{
		"east": {
			route.Key: {
				Place: view.PlaceLive, File: "apps/cart.yaml", Created: "2026-11-12T14:03:27Z", Labels: map[string]string{"app": "cart", "a/b": "<x>"},
				Detail: "cart.example", Outputs: []view.Ref{made, {Cluster: "gone", Key: "A/b/c"}},
				Conditions: []view.Condition{
					{Scope: "parent shop", Type: "Accepted", Status: "False", Reason: "UnsupportedValue", Message: "spec.rules[0]: <b>no</b>"},
					{Scope: "parent shop", Type: "ResolvedRefs", Status: "True", Reason: "ResolvedRefs"},
					{Type: "Programmed", Status: "Unknown"},
				},
			},
			"Namespace//shop": {Place: view.PlaceLive},
			"ManifestProblem.internal.meshweir.io//broken": {
				Place: view.PlaceLive, File: "broken.yaml",
				Manifest: &internalv1.ManifestProblemSpec{File: "broken.yaml", Line: 7, Message: "did not find expected key", LastGood: true},
			},
			"Gateway.networking.istio.io/ingress/a":       {Place: view.PlaceWanted, Managed: true, Applied: &view.Applied{Result: view.ResultPending}},
			"Gateway.gateway.networking.k8s.io/ingress/a": {Place: view.PlaceLive, Conditions: []view.Condition{{Type: "Accepted", Status: "True"}}},
		},
		"west": {
			made.Key:     {Place: view.PlaceLive, Managed: true, Sources: []view.Ref{route}, Applied: &view.Applied{Result: internalv1.ResultApplied, Output: "1-a/2"}},
			"Service//a": {Place: view.PlaceGone, Managed: true, Applied: &view.Applied{Result: internalv1.ResultError, Message: "refused"}},
		},
		"quiet": {},
	}
	f := &Fleet{Notice: Notice{Stale: at}}
	for _, name := range []string{"east", "quiet", "west"} {
		c := &Cluster{Name: name, Cluster: view.Cluster{
			Known: name != "west", Owner: "uid", Snapshot: stand, Output: stand, Counts: view.Counts{
				Objects: 12345, Kinds: map[string]int{"Pod": 3, "Deployment.apps": 9},
				Results: map[internalv1.Result]int{internalv1.ResultApplied: 3, view.ResultPending: 1, internalv1.ResultError: 1}, Errors: 2, Warnings: 1,
			},
		}}
		switch name {
		case "east":
			c.Beat = Beat{Alive: true, Since: at, Version: "v1", StartedAt: at, Unknown: map[string]int{"Job.batch": 4}}
		case "west":
			c.Beat = Beat{Since: at}
		}
		for key, row := range rows[name] {
			c.Items = append(c.Items, newItem(name, key, row))
		}
		slices.SortFunc(c.Items, func(a, b *Item) int { return view.CompareKeys(a.Key, b.Key) })
		f.Clusters = append(f.Clusters, c)
	}
	for key, severity := range map[string]insight.Severity{
		"CFG0101/west/VirtualService.networking.istio.io/ingress/cart#a b": insight.Error, "SEC0103/fleet": insight.Info, "HLT0102/west": insight.Warning,
	} {
		f.Insights = append(f.Insights, fullInsight(key, severity, at))
	}
	sortInsights(f.Insights)
	f.Histories, f.Looked = fullHistories(at), true
	return f
}

// fullInsight has everything that an insight can say.
func fullInsight(key string, severity insight.Severity, at time.Time) *Insight {
	cluster := insight.Ref{Cluster: "west"}
	object := insight.Ref{Cluster: "west", Object: "VirtualService.networking.istio.io/ingress/cart"}
	i := &Insight{Key: key, Insight: insight.Insight{
		Code: key[:7], Severity: severity, Title: "A title", Summary: "A summary.", FirstSeen: at, LastChanged: at, Closes: "When it is mended.",
		Target: object, Also: []insight.Ref{cluster, {}, {Cluster: "gone", Object: "A/b/c"}},
		Evidence:    []insight.Evidence{{Says: "It says so.", Source: object, Field: "spec.hosts[0]", Value: "<x>"}, {Says: "It is silent.", Source: cluster}},
		Remediation: []insight.Step{{Do: "Mend it.", Commands: []string{"kubectl get <x>", "true"}}, {Do: "Wait."}},
	}}
	if severity == insight.Info {
		i.Target, i.MutedBy, i.Unknown = insight.Ref{}, &object, "the cluster is away"
	}
	return i
}

func testRenderer(t testing.TB) (*renderer, *assets) {
	t.Helper()
	a, err := newAssets()
	if err != nil {
		t.Fatal(err)
	}
	r, err := newRenderer(a, "v1", (&Server{}).pages())
	if err != nil {
		t.Fatal(err)
	}
	return r, a
}

// TestTemplatesFitTheirStructs renders every page with nothing in it and with
// everything in it, and checks the HTML.
func TestTemplatesFitTheirStructs(t *testing.T) {
	r, a := testRenderer(t)
	lines := yamlLines("kind: Service\nspec:\n  ports:\n  - port: 80\n")
	full := fullFleet()
	item := func(key string) *resourcePage {
		it := full.item(view.Ref{Cluster: key[:4], Key: key[5:]})
		if it == nil {
			t.Fatalf("no item %s", key)
		}
		return &resourcePage{
			Notice: full.Notice, Ref: it.Ref, Item: it, Row: it.Row, Found: it.Found, Cluster: full.cluster(it.Ref.Cluster), Insights: full.insightsOf(it.Ref), History: full.history(it.Ref),
			Sources: links(full, it.Sources), Outputs: links(full, it.Outputs), From: "snapshot/east", At: "1-a/2", Lines: lines,
		}
	}
	shown := func(p *page, f *Fleet, a address) any {
		data, _, err := p.data(context.Background(), f, a)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	empty := &Fleet{}
	tests := map[string]struct {
		page *page
		data []any
	}{
		"overview": {overview(), []any{&overviewPage{}, shown(overview(), empty, address{}), shown(overview(), full, address{})}},
		"clusters": {clusters(), []any{&clustersPage{}, shown(clusters(), empty, address{}), shown(clusters(), full, address{})}},
		"cluster":  {cluster(), []any{&clusterPage{Cluster: &Cluster{}}, shown(cluster(), full, address{ref: view.Ref{Cluster: "east"}}), shown(cluster(), full, address{ref: view.Ref{Cluster: "west"}}), shown(cluster(), full, address{ref: view.Ref{Cluster: "quiet"}})}},
		"pipeline": {(&Server{}).pipeline(), []any{&pipelinePage{Off: true, Trouble: "no", Done: "done"}, shown((&Server{watch: fullWatch()}).pipeline(), empty, address{})}},
		"letter":   {(&Server{}).letter(), []any{&letterPage{}, newLetterPage(empty, "ui", fullWatch().letters["ui"][0])}},
		"policies": {policies(), []any{&policiesPage{}, shown(policies(), empty, address{}), shown(policies(), full, address{}), shown(policies(), policyFleet(t), address{query: map[string][]string{"q": {"cart"}}}), shown(policies(), policyFleet(t), address{})}},
		"policy":   {policyOfRoute(), []any{&policyPage{}, shown(policyOfRoute(), policyFleet(t), address{ref: view.Ref{Cluster: "east", Key: policedRoute}})}},
		"topology": {topologies(), []any{
			&topologyPage{}, shown(topologies(), empty, address{}), shown(topologies(), full, address{}),
			shown(topologies(), full, address{query: map[string][]string{"host": {"nothing"}, "idle": {"1"}}}),
			shown(topologies(), wideFleet(60), address{}), shown(topologies(), manyClusters(), address{query: map[string][]string{"idle": {"1"}}}),
		}},
		"resources": {resources(), []any{&resourcesPage{}, shown(resources(), empty, address{}), shown(resources(), full, address{}), shown(resources(), full, address{query: map[string][]string{"q": {"nothing"}, "sort": {"-name"}}})}},
		"insights":  {insights(), []any{&insightsPage{}, shown(insights(), empty, address{}), shown(insights(), full, address{query: url.Values{"muted": {"true"}}}), shown(insights(), full, address{query: url.Values{"code": {"NONE"}}})}},
		"insight":   {insightDetail(), []any{&insightPage{Insight: &Insight{}, fleet: empty}, shown(insightDetail(), full, address{insight: full.Insights[0].Key}), shown(insightDetail(), full, address{insight: "SEC0103/fleet"})}},
		"resource": {(&Server{}).resource(), []any{
			&resourcePage{Item: &Item{}, Cluster: &Cluster{}},
			item("east:HTTPRoute.gateway.networking.k8s.io/shop/cart"), item("west:VirtualService.networking.istio.io/ingress/cart"), item("east:Namespace//shop"),
			item("east:Gateway.networking.istio.io/ingress/a"), item("west:Service//a"), item("east:ManifestProblem.internal.meshweir.io//broken"),
		}},
	}
	for name, tt := range tests {
		for i, data := range tt.data {
			t.Run(fmt.Sprint(name, " ", i), func(t *testing.T) {
				regions, err := r.regions(tt.page, full, data)
				if err != nil {
					t.Fatal(err)
				}
				f := frame{Title: "A title", Page: name, Live: "/live/x?have=1&page=", API: "/api/x", Data: data}
				f.put(regions)
				body, err := r.document(f)
				if err != nil {
					t.Fatal(err)
				}
				checkHTML(t, a, string(body))
				for _, region := range tt.page.regions {
					if !strings.Contains(string(body), `sse-swap="`+region+`"`) {
						t.Errorf("the page has no place for its region %q", region)
					}
				}
			})
		}
	}
	body, err := r.document(frame{Title: "No", Page: "problem", Data: problemPage{404, "No", "Nothing."}})
	if err != nil {
		t.Fatal(err)
	}
	checkHTML(t, a, string(body))
}

// checkHTML checks that elements nest, ids are unique, references within the page
// and to files lead somewhere, and that nothing needs what the content security policy forbids.
func checkHTML(t *testing.T, a *assets, body string) {
	t.Helper()
	void := []string{"meta", "link", "input", "br", "img", "hr"}
	ids, wanted := map[string]bool{}, map[string]string{}
	var open []string
	z := html.NewTokenizer(strings.NewReader(body))
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			break
		}
		token := z.Token()
		switch kind {
		case html.EndTagToken:
			if len(open) == 0 || open[len(open)-1] != token.Data {
				t.Fatalf("</%s> closes %v", token.Data, open)
			}
			open = open[:len(open)-1]
		case html.StartTagToken:
			if !slices.Contains(void, token.Data) {
				open = append(open, token.Data)
			}
		}
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			continue
		}
		for _, attr := range token.Attr {
			switch {
			case attr.Key == "id" && ids[attr.Val]:
				t.Errorf("id %q stands twice", attr.Val)
			case attr.Key == "id":
				ids[attr.Val] = true
			case attr.Key == "for" || attr.Key == "aria-labelledby":
				wanted[attr.Val] = attr.Key
			case attr.Key == "style" || strings.HasPrefix(attr.Key, "on") || strings.HasPrefix(attr.Key, "hx-on"):
				t.Errorf("<%s %s> needs what the content security policy forbids", token.Data, attr.Key)
			case (attr.Key == "href" || attr.Key == "src") && strings.HasPrefix(attr.Val, "#"):
				wanted[attr.Val[1:]] = attr.Key
			case (attr.Key == "href" || attr.Key == "src") && strings.HasPrefix(attr.Val, "/assets/"):
				if _, ok := a.content[attr.Val]; !ok {
					t.Errorf("%s is not served", attr.Val)
				}
			case (attr.Key == "href" || attr.Key == "src") && !strings.HasPrefix(attr.Val, "/"):
				t.Errorf("%s=%q leads away", attr.Key, attr.Val)
			}
		}
	}
	if len(open) > 0 {
		t.Errorf("%v are not closed", open)
	}
	for id, by := range wanted {
		if !ids[id] {
			t.Errorf("%s names %q, which is not there", by, id)
		}
	}
	if strings.Contains(body, "<no value>") || strings.Contains(body, "ZgotmplZ") || strings.Contains(body, "<x>") || strings.Contains(body, "<b>no") {
		t.Errorf("the page holds what no page should:\n%s", body)
	}
}

func TestVendoredLibrariesAreThoseOfTheTable(t *testing.T) {
	table, err := os.ReadFile("libraries/README.md")
	if err != nil {
		t.Fatal(err)
	}
	err = fs.WalkDir(files, "libraries", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".js" && path.Ext(name) != ".woff2" {
			return err
		}
		body, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		if row := "| " + path.Base(name) + " |"; !strings.Contains(string(table), row) || !strings.Contains(string(table), hex.EncodeToString(sum[:])) {
			t.Errorf("%s, SHA-256 %x, is not as libraries/README.md says", name, sum)
		}
		licence := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(path.Base(name), ".min.js"), ".woff2"), "-ext") + ".LICENSE"
		if _, err := files.ReadFile("libraries/" + licence); err != nil {
			if _, err := files.ReadFile("libraries/" + strings.TrimSuffix(path.Base(name), ".min.js") + ".LICENSE"); err != nil {
				t.Errorf("%s has no licence beside it", name)
			}
		}
		if len(body) > 200<<10 {
			t.Errorf("%s has %d bytes", name, len(body))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
