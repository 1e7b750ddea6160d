package standing_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/cmd/meshweir/standing"
)

const key = "VirtualService.networking.istio.io/shop/cart"

func object(name, metadata, spec string) []byte {
	return []byte(`{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"namespace":"shop","name":"` + name + `",` +
		`"labels":{"app.kubernetes.io/managed-by":"meshweir"}` + metadata + `},"spec":` + spec + `}`)
}

func TestHowAnObjectStands(t *testing.T) {
	want := object("cart", "", `{"hosts":["a"],"http":[{"weight":90},{"weight":10}]}`)
	applied := internalv1.Applied{Result: internalv1.ResultApplied, Hash: internalv1.HashOf(want)}
	before := internalv1.Applied{Result: internalv1.ResultApplied, Hash: internalv1.HashOf([]byte("what it was before"))}
	conflict := internalv1.Applied{Result: internalv1.ResultConflict, Message: "Helm owns it"}
	const spec = `{"hosts":["a"],"http":[{"weight":90},{"weight":10}]}`
	tests := []struct {
		name          string
		desired, live []byte
		record        internalv1.Applied
		state         standing.State
		why           string
		fields        []resource.Difference
	}{
		{name: "as it should", desired: want, live: want, record: applied, state: standing.Same},
		{
			name: "with what the cluster and the agent add", desired: want, record: applied, state: standing.Same,
			live: object("cart", `,"uid":"1","generation":4,"annotations":{"meshweir.io/output":"1-a/2"}`, spec),
		},
		{
			name: "with an annotation of somebody else", desired: object("cart", `,"annotations":{"meshweir.io/sources":"x"}`, spec), record: applied,
			live: object("cart", `,"annotations":{"meshweir.io/sources":"x","by":"hand"}`, spec), state: standing.Same,
		},
		{
			name: "changed by hand", desired: want, live: object("cart", "", `{"hosts":["a"],"http":[{"weight":50},{"weight":10}],"tcp":[]}`), record: applied,
			state:  standing.Differs,
			fields: []resource.Difference{{Path: "spec.http[0].weight", Desired: 90.0, Live: 50.0}, {Path: "spec.tcp", Live: []any{}, Added: true}},
		},
		{
			name: "with a field that somebody added", desired: want, live: object("cart", "", `{"hosts":["a"],"http":[{"weight":90},{"weight":10}],"exportTo":["."]}`),
			record: applied, state: standing.Added, fields: []resource.Difference{{Path: "spec.exportTo", Live: []any{"."}, Added: true}},
		},
		{
			name: "with a field that the output had", desired: want, live: object("cart", "", `{"hosts":["a"],"http":[{"weight":90},{"weight":10}],"exportTo":["."]}`),
			record: before, state: standing.Differs, fields: []resource.Difference{{Path: "spec.exportTo", Live: []any{"."}, Added: true}},
		},
		{
			name: "not taken", desired: want, live: object("cart", "", `{"hosts":["b"],"http":[{"weight":90}]}`), record: conflict,
			state: standing.Held, why: "Conflict: Helm owns it",
			fields: []resource.Difference{
				{Path: "spec.hosts[0]", Desired: "a", Live: "b"},
				{Path: "spec.http", Desired: []any{map[string]any{"weight": 90.0}, map[string]any{"weight": 10.0}}, Live: []any{map[string]any{"weight": 90.0}}},
			},
		},
		{name: "not there, and not taken", desired: want, record: conflict, state: standing.Held, why: "Conflict: Helm owns it"},
		{name: "not there yet", desired: want, state: standing.Missing, why: "not come to it"},
		{name: "there no more", desired: want, record: applied, state: standing.Missing, why: "was applied"},
		{name: "there still", live: want, record: applied, state: standing.Extra, why: "no more"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			known := standing.Known{Desired: map[string][]byte{}, Live: map[string][]byte{}, Applied: map[string]internalv1.Applied{key: test.record}}
			if test.desired != nil {
				known.Desired[key] = test.desired
			}
			if test.live != nil {
				known.Live[key] = test.live
			}
			got, err := standing.Compare(known)
			if err != nil || len(got) != 1 {
				t.Fatalf("got %d objects, %v, want one", len(got), err)
			}
			if o := got[0]; o.Key != key || o.State != test.state || !strings.Contains(o.Why, test.why) || (o.Why == "") != (test.why == "") {
				t.Errorf("got %s, %s, %q, want %s, %q", o.Key, o.State, o.Why, test.state, test.why)
			}
			if diff := cmp.Diff(test.fields, got[0].Fields, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsNotMeshweirsIsNoneOfItsBusiness(t *testing.T) {
	by := strings.Replace(string(object("other", "", `{}`)), `"app.kubernetes.io/managed-by":"meshweir"`, `"by":"meshweir"`, 1)
	got, err := standing.Compare(standing.Known{Live: map[string][]byte{"VirtualService.networking.istio.io/shop/other": []byte(by)}})
	if len(got) != 0 || err != nil {
		t.Errorf("got %v, %v, want nothing", got, err)
	}
}

func TestWhatCannotBeReadIsAnErrorThatNamesIt(t *testing.T) {
	_, err := standing.Compare(standing.Known{Desired: map[string][]byte{key: []byte("{")}})
	if err == nil || !strings.Contains(err.Error(), key) {
		t.Errorf("got %v, want an error that names %s", err, key)
	}
}

func TestUnifiedDiffGoesFromWhatStandsToWhatShould(t *testing.T) {
	got, err := standing.Compare(standing.Known{
		Desired: map[string][]byte{key: object("cart", "", `{"hosts":["a"]}`)}, Live: map[string][]byte{key: object("cart", "", `{"hosts":["b"]}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := got[0].Unified()
	for _, want := range []string{"--- live/" + key + "\n", "+++ desired/" + key + "\n", "\n-  - b\n", "\n+  - a\n"} {
		if !strings.Contains(text, want) || err != nil {
			t.Errorf("got %v and\n%s\nwant %q in it", err, text, want)
		}
	}
	if strings.HasSuffix(text, "\n\n") {
		t.Errorf("the diff ends with an empty line:\n%s", text)
	}
}
