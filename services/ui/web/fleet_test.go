package web

import (
	"fmt"
	"testing"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/services/ui/mesh"
	"github.com/meshweir/meshweir/services/ui/view"
)

func TestWhatIsNoRowKeepsTheWiring(t *testing.T) {
	s := newSite(t, Config{})
	s.eventually("/", "Connected")
	m := s.server.mirror
	now := func() *mesh.Index { f, _ := m.fleet(); return f.wiring() }
	before := now()
	past, err := view.HistoryName("east")
	if err != nil {
		t.Fatal(err)
	}
	written := keyspace.Position{Epoch: keyspace.Epoch{Millis: 1, Nonce: "a"}, Revision: 1}
	m.changed(keyspace.Event[view.Record]{Name: past, Meta: keyspace.Meta{Position: written, Complete: true}, Changes: []keyspace.Change[view.Record]{{Key: cart, HasNew: true, New: view.Record{History: &view.History{}}}}})
	if now() != before {
		t.Error("a history made the wiring of the fleet anew")
	}
	s.set(cart, view.Row{Place: view.PlaceLive, Detail: "new.example"})
	s.eventually("/resources", "new.example")
	if now() == before {
		t.Error("a row did not")
	}
}

func TestFinishedPodsAreNoWorkloadsAndAlikeOnesAreOne(t *testing.T) {
	c := &Cluster{Name: "east", Cluster: view.Cluster{Known: true}}
	for n := range 5 {
		add := func(name, phase, app string) {
			addManifest(t, c, fmt.Sprintf(`{apiVersion: v1, kind: Pod, metadata: {name: %s-%d, namespace: shop, labels: {app: %s}}, status: {phase: %s}}`, name, n, app, phase))
		}
		add("job", "Succeeded", fmt.Sprint("job-", n))
		add("failed", "Failed", fmt.Sprint("job-", n))
		add("cart", "Running", "cart")
		add("pay", "Running", fmt.Sprint("pay-", n%2))
	}
	addManifest(t, c, `{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: shop, namespace: shop}, spec: {mtls: {mode: STRICT}}}`)
	ix := (&Fleet{Clusters: []*Cluster{c}}).wiring()
	o := ix.Object(view.Ref{Cluster: "east", Key: "PeerAuthentication.security.istio.io/shop/shop"})
	if got := ix.Selects(o); len(got) != 3 {
		t.Errorf("%d workloads, want cart and two of pay", len(got))
	}
}
