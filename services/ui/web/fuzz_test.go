package web

import (
	"encoding/base64"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/meshweir/meshweir/pipeline/survey"
)

// What a page takes from an address, it writes into one that it takes as the same: its links and its forms keep what was
// asked. It has rows for it, or says that it has none.
func FuzzQueries(f *testing.F) {
	at := func(text string) string { return "at=" + base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for _, seed := range []string{
		"", "cluster=east&kind=Pod&namespace=a&q=+b+c+&state=problem&sort=-status", "sort=-", "sort=--name", "q=" + strings.Repeat("a", maxText+1), "q=%ff",
		at(`{"r":"east:Pod/a/b","s":1,"b":true}`), at(`{}`), at(`null`), at(`{"r":"a:\ud800","s":9e99}`), "at=%",
		"page=2&q=a", "page=9223372036854775807", "page=92233720368547760", "page=-1", "page=+7", "group=a&class=panic&before=1-1",
		"severity=error&code=a&cluster=b&muted=T&after=c", "muted=x", "host=+a+&idle=1", "idle=0", "a=1;b", "%zz",
	} {
		f.Add(seed)
	}
	fleet := largeFleet(2 * pageSize)
	f.Fuzz(func(t *testing.T, text string) {
		values, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		same(t, values, func(v url.Values) (Query, error) { return parseQuery(v) }, Query.URL)
		same(t, values, parseInsightQuery, insightQuery.URL)
		same(t, values, parseTopology, topologyURL)
		same(t, values, parsePipelineQuery, pipelineQuery.URL)

		if q, err := parseQuery(values); err == nil {
			found := q.find(fleet)
			if len(found.Items) > pageSize || len(found.Items) > found.Total || (found.First == 0) != (len(found.Items) == 0) || found.First < 0 {
				t.Errorf("%q finds %d items of %d from %d", text, len(found.Items), found.Total, found.First)
			}
		}
		if q, err := parsePipelineQuery(values); err == nil {
			p := &pipelinePage{Query: q, Survey: survey.Survey{Keyspaces: []survey.Keyspace{{Name: "snapshot/east"}}}}
			if p.fillKeyspaces(); len(p.Keyspaces) > p.Total || len(p.Keyspaces) > 0 && q.Page != 1 {
				t.Errorf("%q lists %v of %d", text, p.Keyspaces, p.Total)
			}
		}
	})
}

// same parses, writes and parses again.
func same[Q any](t *testing.T, values url.Values, parse func(url.Values) (Q, error), write func(Q) string) {
	t.Helper()
	first, err := parse(values)
	if err != nil {
		if err.Error() == "" {
			t.Errorf("an error for %v says nothing", values)
		}
		return
	}
	u, err := url.Parse(write(first))
	if err != nil {
		t.Fatalf("%+v is written as no address: %v", first, err)
	}
	again, err := parse(u.Query())
	if err != nil || !reflect.DeepEqual(again, first) {
		t.Errorf("%+v is written as %s, which is read as %+v, %v", first, u, again, err)
	}
}
