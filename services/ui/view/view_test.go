package view_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/ui/view"
)

func fact(t *testing.T, value string) *view.Fact {
	t.Helper()
	f, err := view.DecodeFact("", []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	return &f
}

const (
	hand    = `{"apiVersion":"v1","kind":"Service","metadata":{"name":"cart","labels":{"app":"cart"},"annotations":{"meshweir.io/file":"cart.yaml"}},"spec":{"ports":[{"port":80},{"port":443}]}}`
	managed = `{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"v","labels":{"app.kubernetes.io/managed-by":"meshweir"},"annotations":{"meshweir.io/sources":"west:A/b/c,east:A/b/c"}},"spec":{"hosts":["a.example"]}}`
)

func TestRowOf(t *testing.T) {
	applied := func(result, message string) *view.Fact {
		return fact(t, `{"result":"`+result+`","message":"`+message+`","output":"1-a/2"}`)
	}
	sources := []view.Ref{{Cluster: "east", Key: "A/b/c"}, {Cluster: "west", Key: "A/b/c"}}
	tests := []struct {
		name string
		in   view.Facts
		want view.Row
		ok   bool
	}{
		{name: "nothing"},
		{name: "a status alone is nothing to show", in: view.Facts{Status: fact(t, `{"status":{}}`)}},
		{name: "a removal that went well is nothing to show", in: view.Facts{Applied: applied("Deleted", "")}},
		{
			name: "written by hand", in: view.Facts{Live: fact(t, hand)}, ok: true,
			want: view.Row{Place: view.PlaceLive, File: "cart.yaml", Labels: map[string]string{"app": "cart"}, Detail: "ClusterIP 80, 443"},
		},
		{
			name: "an old removal says nothing of what is written by hand", in: view.Facts{Live: fact(t, hand), Applied: applied("Deleted", "")}, ok: true,
			want: view.Row{Place: view.PlaceLive, File: "cart.yaml", Labels: map[string]string{"app": "cart"}, Detail: "ClusterIP 80, 443"},
		},
		{
			name: "wanted, and nobody has reported", in: view.Facts{Wanted: fact(t, managed)}, ok: true,
			want: view.Row{
				Place: view.PlaceWanted, Managed: true, Labels: map[string]string{"app.kubernetes.io/managed-by": "meshweir"},
				Detail: "a.example", Sources: sources, Applied: &view.Applied{Result: view.ResultPending},
			},
		},
		{
			name: "wanted, after an earlier removal", in: view.Facts{Wanted: fact(t, managed), Applied: applied("Deleted", "")}, ok: true,
			want: view.Row{
				Place: view.PlaceWanted, Managed: true, Labels: map[string]string{"app.kubernetes.io/managed-by": "meshweir"},
				Detail: "a.example", Sources: sources, Applied: &view.Applied{Result: view.ResultPending},
			},
		},
		{
			name: "applied", in: view.Facts{Live: fact(t, managed), Wanted: fact(t, managed), Applied: applied("Applied", "")}, ok: true,
			want: view.Row{
				Place: view.PlaceLive, Managed: true, Labels: map[string]string{"app.kubernetes.io/managed-by": "meshweir"},
				Detail: "a.example", Sources: sources, Applied: &view.Applied{Result: internalv1.ResultApplied, Output: "1-a/2"},
			},
		},
		{
			name: "a removal that went wrong", in: view.Facts{Applied: applied("Error", "no")}, ok: true,
			want: view.Row{Place: view.PlaceGone, Managed: true, Applied: &view.Applied{Result: internalv1.ResultError, Message: "no", Output: "1-a/2"}},
		},
		{
			name: "the name is taken", in: view.Facts{Live: fact(t, hand), Wanted: fact(t, managed), Applied: applied("Conflict", "taken")}, ok: true,
			want: view.Row{
				Place: view.PlaceLive, Managed: true, File: "cart.yaml", Labels: map[string]string{"app": "cart"}, Detail: "ClusterIP 80, 443",
				Sources: sources, Applied: &view.Applied{Result: internalv1.ResultConflict, Message: "taken", Output: "1-a/2"},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := view.RowOf(tt.in)
			if ok != tt.ok {
				t.Fatalf("shown is %v, want %v", ok, tt.ok)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(view.Row{}, "Wiring")); diff != "" { // TestWiring looks at it
				t.Errorf("row (-want +got):\n%s", diff)
			}
		})
	}
}

func TestProblemsNameRootCausesOnly(t *testing.T) {
	gateway := fact(t, `{"status":{
		"conditions":[
			{"type":"Accepted","status":"False","reason":"ListenersNotValid","message":"Listeners not accepted: http"},
			{"type":"Programmed","status":"False","reason":"Invalid"}],
		"listeners":[{"name":"http","conditions":[
			{"type":"Accepted","status":"False","reason":"HostnameConflict","message":"taken"},
			{"type":"Conflicted","status":"True","reason":"HostnameConflict","message":"taken"},
			{"type":"Programmed","status":"False","reason":"Invalid"},
			{"type":"ResolvedRefs","status":"True","reason":"ResolvedRefs"}]}]}}`)
	row, _ := view.RowOf(view.Facts{Live: fact(t, hand), Status: gateway})
	want := []view.Problem{{Severity: v1alpha1.SeverityError, Title: "Accepted is False: HostnameConflict (listener http)", Message: "taken"}}
	if diff := cmp.Diff(want, row.Problems()); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if len(row.Conditions) != 6 {
		t.Errorf("%d conditions, want all 6", len(row.Conditions))
	}
}

func TestAListenerThatWorksIsNoProblemForWhatItTellsPeople(t *testing.T) {
	gateway := fact(t, `{"status":{"listeners":[{"name":"https","conditions":[
		{"type":"Accepted","status":"True","reason":"Accepted"},
		{"type":"OverlappingTLSConfig","status":"True","reason":"OverlappingHostnames","message":"m"}]}]}}`)
	row, _ := view.RowOf(view.Facts{Live: fact(t, hand), Status: gateway})
	if got := row.Problems(); len(got) > 0 {
		t.Errorf("problems are %+v, want none", got)
	}
	if c := row.Conditions[1]; !c.Notice() {
		t.Errorf("%+v is no notice", c)
	}
}

func TestProblemsOfEachKind(t *testing.T) {
	problem := func(lastGood string) string {
		return `{"apiVersion":"internal.meshweir.io/v1","kind":"ManifestProblem","metadata":{"name":"x"},"spec":{"file":"a.yaml","line":3,"message":"bad","lastGood":` + lastGood + `}}`
	}
	tests := []struct {
		name     string
		in       view.Facts
		severity v1alpha1.Severity
		title    string
	}{
		{"a broken manifest", view.Facts{Live: fact(t, problem("false"))}, v1alpha1.SeverityError, "Manifest is not in force"},
		{"a broken manifest whose last good state holds", view.Facts{Live: fact(t, problem("true"))}, v1alpha1.SeverityWarning, "Manifest is broken, its last good state is in force"},
		{"an output that was refused", view.Facts{Wanted: fact(t, managed), Applied: fact(t, `{"result":"Refused"}`)}, v1alpha1.SeverityError, "What the cluster holds is newer"},
		{"an input that is missing", view.Facts{Live: fact(t, hand), Status: fact(t, `{"status":{"conditions":[{"type":"InputMissing","status":"True"}]}}`)}, v1alpha1.SeverityWarning, "InputMissing is True"},
		{"a name that a user's object has", view.Facts{Live: fact(t, hand), Status: fact(t, `{"status":{"conditions":[{"type":"Conflict","status":"True","reason":"Cluster"}]}}`)}, v1alpha1.SeverityError, "Conflict is True: Cluster"},
		{"not programmed, and nothing else says why", view.Facts{Live: fact(t, hand), Status: fact(t, `{"status":{"conditions":[{"type":"Programmed","status":"False","reason":"Pending"}]}}`)}, v1alpha1.SeverityError, "Programmed is False: Pending"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			row, _ := view.RowOf(tt.in)
			got := row.Problems()
			if len(got) != 1 || got[0].Severity != tt.severity || got[0].Title != tt.title {
				t.Errorf("problems are %+v, want one %s %q", got, tt.severity, tt.title)
			}
		})
	}
}

// countsOf counts rows from nothing.
func countsOf(rows map[string]view.Row) (counts view.Counts) {
	for key, row := range rows {
		counts.Move(key, nil, &row)
	}
	return counts
}

func TestCountsThatMoveAreThoseFromNothing(t *testing.T) {
	states := []*view.Row{
		nil,
		{Place: view.PlaceLive},
		{Place: view.PlaceWanted, Managed: true, Applied: &view.Applied{Result: view.ResultPending}},
		{Place: view.PlaceLive, Managed: true, Applied: &view.Applied{Result: internalv1.ResultApplied}},
		{Place: view.PlaceGone, Managed: true, Applied: &view.Applied{Result: internalv1.ResultError}},
		{Place: view.PlaceLive, Conditions: []view.Condition{{Type: "InputMissing", Status: "True"}}},
	}
	rows, moved := map[string]view.Row{}, view.Counts{}
	for step, key := range slices.Repeat([]string{"Namespace//shop", "Service/shop/cart", "Gateway.x/shop/web", "Service/shop/cart"}, 50) {
		var before *view.Row
		if row, had := rows[key]; had {
			before = &row
		}
		after := states[(step*7+step/5)%len(states)]
		if delete(rows, key); after != nil {
			rows[key] = *after
		}
		moved.Move(key, before, after)
		if diff := cmp.Diff(countsOf(rows), moved, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("after %d steps (-from nothing +moved):\n%s", step+1, diff)
		}
	}
	for key, row := range rows {
		moved.Move(key, &row, nil)
	}
	if diff := cmp.Diff(view.Counts{}, moved, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("of no rows there is left:\n%s", diff)
	}
}

// The counts of a cluster are links to the list of its rows, which must then be as many.
func TestClusterCountsEveryRow(t *testing.T) {
	written := keyspace.Meta{Position: keyspace.Position{Epoch: keyspace.Epoch{Millis: 1, Nonce: "a"}, Revision: 1}, Complete: true}
	got := view.ClusterOf(view.Cluster{}, view.Metas{Snapshot: written}, countsOf(map[string]view.Row{
		"Service/shop/cart":                         {Place: view.PlaceLive},
		"Namespace//shop":                           {Place: view.PlaceLive},
		"Gateway.x/shop/web":                        {Place: view.PlaceWanted, Managed: true, Applied: &view.Applied{Result: view.ResultPending}},
		"Gateway.x/shop/old":                        {Place: view.PlaceGone, Managed: true, Applied: &view.Applied{Result: internalv1.ResultError}},
		"Certificate.internal.meshweir.io/shop/tls": {Place: view.PlaceLive},
	}))
	if got.Objects != 5 || got.Managed != 2 || got.Namespaces != 1 || got.Kinds["Gateway.x"] != 2 || got.Kinds["Certificate.internal.meshweir.io"] != 1 {
		t.Errorf("counts are %+v, want one for each row", got)
	}
}

func TestClusterThatIsNotKnownKeepsItsRecord(t *testing.T) {
	before := view.Cluster{Known: true, Owner: "uid", Counts: view.Counts{Objects: 7}}
	for name, meta := range map[string]keyspace.Meta{
		"vanished":     {},
		"not complete": {Position: keyspace.Position{Epoch: keyspace.Epoch{Millis: 1, Nonce: "a"}, Revision: 1}},
	} {
		got := view.ClusterOf(before, view.Metas{Snapshot: meta}, view.Counts{})
		if got.Known || got.Objects != 7 || got.Owner != "uid" {
			t.Errorf("%s: the record is %+v, want it as before and not known", name, got)
		}
	}
}

func TestLineageMoves(t *testing.T) {
	a, b := view.Ref{Cluster: "east", Key: "A/n/a"}, view.Ref{Cluster: "east", Key: "A/n/b"}
	made := view.Ref{Cluster: "west", Key: "V/n/v"}
	lineage := view.Lineage{}
	lineage.Move(made, nil, []view.Ref{a})
	if touched := lineage.Move(made, []view.Ref{a}, []view.Ref{b}); len(touched) != 2 {
		t.Errorf("touched %v, want both sources", touched)
	}
	if lineage.Outputs(a) != nil || !cmp.Equal(lineage.Outputs(b), []view.Ref{made}) {
		t.Errorf("outputs are %v and %v, want them at the second source only", lineage.Outputs(a), lineage.Outputs(b))
	}
}

func TestRecordsAreOneThing(t *testing.T) {
	for _, bad := range []string{`{}`, `{"cluster":{},"row":{"place":"live"}}`, `x`} {
		if _, err := view.DecodeRecord("", []byte(bad)); err == nil {
			t.Errorf("%s was taken for a record", bad)
		}
	}
}

func FuzzDecodeFact(f *testing.F) {
	for _, seed := range []string{hand, managed, `{"result":"Error","message":"x"}`, `{"status":{"conditions":[{"type":"A"}]}}`, `{"apiVersion":"v1","kind":"Pod","spec":{"ports":"none"},"status":[1]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		fact, err := view.DecodeFact("Kind/n/n", []byte(value))
		if err != nil {
			return
		}
		row, ok := view.RowOf(view.Facts{Live: &fact, Status: &fact, Applied: &fact})
		if !ok {
			t.Fatal("an object that is live has no row")
		}
		encoded, err := view.Record{Row: &row}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := view.DecodeRecord("", encoded); err != nil {
			t.Fatalf("a record that was encoded cannot be decoded: %v: %s", err, encoded)
		}
		for _, p := range row.Problems() {
			if strings.TrimSpace(p.Title) == "" {
				t.Errorf("a problem has no title: %+v", p)
			}
		}
	})
}
