package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/services/cmd/meshweir/standing"
)

const cartKey = "VirtualService.networking.istio.io/shop/cart"

func routed(host string) []byte {
	return []byte(`{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"namespace":"shop","name":"cart",` +
		`"labels":{"app.kubernetes.io/managed-by":"meshweir"}},"spec":{"hosts":["` + host + `"]}}`)
}

// desire writes the output of east, and what stands there.
func (r *redisWithFleet) desire(host, live string) {
	r.t.Helper()
	output := r.store.Derived("output/east")
	output.Set(cartKey, routed(host))
	output.Complete()
	if err := output.Flush(r.t.Context(), keyspace.Vector{}); err != nil {
		r.t.Fatal(err)
	}
	r.east.Delete("ServiceEntry.networking.istio.io/shop/a")
	r.east.Delete("ServiceEntry.networking.istio.io/shop/b")
	r.east.Set(cartKey, routed(live))
	r.flush(r.east)
}

func TestDiffsExitCodeSaysWhetherEverythingStandsAsItShould(t *testing.T) {
	r := newRedisWithFleet(t)
	r.desire("a", "a")
	if out, notes := r.meshweir(0, "diff", "east"); out != "" || !strings.Contains(notes, "1 of 1 objects") {
		t.Errorf("where nothing differs: got %q and %q", out, notes)
	}
	r.desire("a", "b")
	out, _ := r.meshweir(1, "diff", "east")
	if lines := strings.Split(out, "\n"); len(lines) < 2 || strings.Join(strings.Fields(lines[1]), " ") != "east differs "+cartKey+" spec.hosts[0] -" {
		t.Errorf("got\n%s\nwant one line for the object", out)
	}
	var document struct{ Clusters []clusterDiff }
	out, _ = r.meshweir(1, "diff", "east", "-o", "json")
	if err := json.Unmarshal([]byte(out), &document); err != nil {
		t.Fatal(err)
	}
	if d := document.Clusters; len(d) != 1 || len(d[0].Objects) != 1 || d[0].Objects[0].State != standing.Differs || d[0].Objects[0].Fields[0].Live != "b" {
		t.Errorf("as JSON: got %+v", d)
	}
	if out, _ = r.meshweir(1, "diff", "east", cartKey); !strings.Contains(out, "-  - b\n+  - a\n") {
		t.Errorf("of one object: got\n%s", out)
	}
	r.east.Set(cartKey, []byte(strings.Replace(string(routed("a")), `"spec":{`, `"spec":{"exportTo":["."],`, 1))) // by somebody who has nothing else
	r.flush(r.east)
	if out, _ = r.meshweir(1, "diff", "east"); !strings.Contains(out, "differs") { // it may be one that the agent has not taken away yet
		t.Errorf("before the agent has applied it: got %q", out)
	}
	applied := r.store.Owned("applied/east", "uid-east")
	applied.Set(cartKey, fmt.Appendf(nil, `{"result":"Applied","hash":%q}`, internalv1.HashOf(routed("a"))))
	r.flush(applied)
	out, notes := r.meshweir(0, "diff", "east")
	if !strings.Contains(out, "added") || !strings.Contains(out, "spec.exportTo") || !strings.Contains(notes, "1 of 1 objects stand as they should") {
		t.Errorf("with a field that somebody added: got %q and %q", out, notes)
	}
	r.meshweir(0, "diff", "east", cartKey)
	for _, args := range [][]string{{"diff", "south"}, {"diff", "east", "Gateway/a/b"}, {"diff", "east", "-o", "xml"}, {"diff", "--redis-control", "redis://127.0.0.1:1"}} {
		r.meshweir(2, args...)
	}
}

func TestDiffOfTheFleetHasNoDeregisteredClusterAndOneThatIsUnknownHidesNoOther(t *testing.T) {
	r := newRedisWithFleet(t)
	r.desire("a", "b")
	r.meshweir(0, "cluster", "deregister", "west")
	if out, notes := r.meshweir(1, "diff"); !strings.Contains(out, cartKey) || strings.Contains(notes, "west") {
		t.Errorf("with west deregistered: got %q and %q, want what differs in east", out, notes)
	}
	r.meshweir(0, "cluster", "register", "aaa") // before east, and nobody has seen it
	if out, notes := r.meshweir(2, "diff"); !strings.Contains(out, cartKey) || !strings.Contains(notes, `"aaa"`) {
		t.Errorf("with a cluster that was never seen: got %q and %q, want what differs in east, and a word of aaa", out, notes)
	}
}
