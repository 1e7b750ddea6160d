package web

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/services/ui/mesh"
	"github.com/meshweir/meshweir/services/ui/policy"
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
	s.set(cart, view.Row{Place: view.PlaceLive, Detail: "new.example", Wiring: &view.Wiring{}})
	s.eventually("/resources", "new.example")
	if now() == before {
		t.Error("a route did not")
	}
	const pod = "Pod/shop/cart-1"
	s.set(pod, view.Row{Place: view.PlaceLive, Detail: "Running", Labels: map[string]string{"app": "cart"}})
	s.eventually("/resources", "Running")
	earlier, _ := m.fleet()
	before = now()
	s.set(pod, view.Row{Place: view.PlaceLive, Detail: "Running, 1 restart", Labels: map[string]string{"app": "cart"}})
	s.eventually("/resources", "1 restart")
	if now() != before {
		t.Error("a restart of a Pod made the wiring of the fleet anew")
	}
	f, _ := m.fleet()
	at := func(items []*Item) int {
		return slices.IndexFunc(items, func(it *Item) bool { return it.Ref.Key == pod })
	}
	if is, was := f.Clusters[0].Items, earlier.Clusters[0].Items; at(is) != at(was) || is[at(is)].Detail != "Running, 1 restart" || was[at(was)].Detail != "Running" {
		t.Error("the restart is not shown, or changed a fleet that was made before")
	}
	s.set(pod, view.Row{Place: view.PlaceLive, Detail: "Running, 1 restart", Labels: map[string]string{"app": "pay"}})
	s.eventually("/resources?q=app%3Dpay", "cart-1")
	if now() == before {
		t.Error("another label of a Pod did not make the wiring anew")
	}
}

// BenchmarkAPodRestarts shows a fleet of 10,000 Pods anew after the count of restarts of one of them changed, with a page open that reads how
// its objects fit together. The floor makes the item and nothing of the fleet.
func BenchmarkAPodRestarts(b *testing.B) {
	store, err := keyspace.NewStore(slog.New(slog.DiscardHandler), pipelinetest.Embedded(b), keyspace.Config{})
	if err != nil {
		b.Fatal(err)
	}
	m, err := newMirror(slog.New(slog.DiscardHandler), store)
	if err != nil {
		b.Fatal(err)
	}
	name, err := view.ResourcesName("east")
	if err != nil {
		b.Fatal(err)
	}
	written := keyspace.Meta{Position: keyspace.Position{Epoch: keyspace.Epoch{Millis: 1, Nonce: "a"}, Revision: 1}, Complete: true}
	change := func(rows map[string]*view.Row) {
		e := keyspace.Event[view.Record]{Name: name, Meta: written}
		for key, row := range rows {
			e.Changes = append(e.Changes, keyspace.Change[view.Record]{Key: key, HasNew: true, New: view.Record{Row: row}})
		}
		m.changed(e)
	}
	pod := func(i, restarts int) (string, *view.Row) {
		app := fmt.Sprintf("app-%04d", i/10)
		return fmt.Sprintf("Pod/ns-%02d/%s-%d", i/10%50, app, i%10), &view.Row{
			Place: view.PlaceLive, Detail: fmt.Sprintf("Running, %d restarts", restarts), Labels: map[string]string{"app": app, "pod-template-hash": "5d8f9c7b6d"},
		}
	}
	rows := map[string]*view.Row{}
	for i := range 10_000 {
		key, row := pod(i, 0)
		rows[key] = row
		if i%10 == 0 {
			labels := map[string]string{"app": row.Labels["app"]}
			rows[fmt.Sprintf("Deployment.apps/ns-%02d/%s", i/10%50, labels["app"])] = &view.Row{Wiring: &view.Wiring{Pods: labels}}
			rows[fmt.Sprintf("Service/ns-%02d/%s", i/10%50, labels["app"])] = &view.Row{Wiring: &view.Wiring{Selector: labels}}
		}
	}
	change(rows)
	m.changed(keyspace.Event[view.Record]{Name: view.ClustersName, Meta: written, Changes: []keyspace.Change[view.Record]{
		{Key: "east", HasNew: true, New: view.Record{Cluster: &view.Cluster{Known: true}}},
	}})
	n := 0
	b.Run("floor: one item", func(b *testing.B) {
		began := cpu(b)
		for b.Loop() {
			key, row := pod(n%10_000, n)
			n++
			newItem("east", key, *row)
		}
		reportCPU(b, began)
	})
	b.Run("fleet and wiring", func(b *testing.B) {
		began := cpu(b)
		for b.Loop() {
			key, row := pod(n%10_000, n)
			n++
			change(map[string]*view.Row{key: row})
			f, _ := m.fleet()
			f.wiring()
		}
		reportCPU(b, began)
	})
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

func TestALostClusterMakesTheWiringAnew(t *testing.T) {
	gone := Beat{Since: time.Unix(1_000_000, 0)} // away, so that it is not seen either way
	of := func(known bool) []*Cluster {
		return []*Cluster{{Name: "east", Beat: gone, Cluster: view.Cluster{Known: known}}}
	}
	w := &wiring{clusters: of(true)}
	if !w.isOf(of(true)) || w.isOf(of(false)) {
		t.Errorf("the wiring is that of the same cluster: %t, and of the lost one: %t", w.isOf(of(true)), w.isOf(of(false)))
	}
}

func TestWhatALostClusterMayHaveIsNotMissing(t *testing.T) {
	f := policyFleet(t)
	says := func() string {
		ix := f.wiring()
		hops := policy.Route(ix, ix.Object(view.Ref{Cluster: "east", Key: policedRoute}))
		return hops[len(hops)-1].Says
	}
	if got := says(); !strings.HasPrefix(got, "It is not there") {
		t.Errorf("of a backend that is gone it says %q", got)
	}
	f = &Fleet{Clusters: append(f.Clusters, &Cluster{Name: "west"})}
	if got := says(); !strings.Contains(got, "west is not seen") {
		t.Errorf("of a backend that west may have it says %q", got)
	}
}
