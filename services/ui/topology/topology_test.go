package topology_test

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/ui/mesh"
	"github.com/meshweir/meshweir/services/ui/topology"
	"github.com/meshweir/meshweir/services/ui/view"
	"github.com/meshweir/meshweir/services/ui/view/viewtest"
)

// fleet is a fleet in the making: clusters, their rows, those that are not seen, and those whose state is not known.
type fleet struct {
	rows       map[string]map[resource.Key]*view.Row
	away, lost map[string]bool
}

// newFleet reads manifests, by cluster.
func newFleet(t testing.TB, clusters map[string]string) *fleet {
	t.Helper()
	f := &fleet{rows: map[string]map[resource.Key]*view.Row{}, away: map[string]bool{}, lost: map[string]bool{}}
	for name, text := range clusters {
		f.rows[name] = map[resource.Key]*view.Row{}
		for document := range strings.SplitSeq(text, "---\n") {
			f.add(t, name, document)
		}
	}
	return f
}

func (f *fleet) add(t testing.TB, cluster, document string) {
	t.Helper()
	key, row, err := viewtest.Row(document)
	if err != nil {
		t.Fatal(err)
	}
	f.rows[cluster][key] = row
}

func (f *fleet) row(t testing.TB, cluster, key string) *view.Row {
	t.Helper()
	k, err := resource.ParseKey(key)
	if err != nil || f.rows[cluster][k] == nil {
		t.Fatalf("no row %s in %s", key, cluster)
	}
	return f.rows[cluster][k]
}

func (f *fleet) index() *mesh.Index {
	return mesh.New(func(yield func(mesh.Cluster) bool) {
		for name, rows := range f.rows {
			all := iter.Seq2[resource.Key, *view.Row](func(yield func(resource.Key, *view.Row) bool) {
				for k, row := range rows {
					if !yield(k, row) {
						return
					}
				}
			})
			if !yield(mesh.Cluster{Name: name, Seen: !f.away[name], Known: !f.lost[name], Rows: all}) {
				return
			}
		}
	})
}

const gateway = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: shop, namespace: ingress}
spec: {gatewayClassName: meshweir, listeners: [{name: http, port: 80, protocol: HTTP, hostname: shop.example}]}
`

const service = `
apiVersion: v1
kind: Service
metadata: {name: %s, namespace: shop, labels: {app: %[1]s}}
spec: {selector: {app: %[1]s}}
`

const route = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: %s, namespace: shop}
spec:
  parentRefs: [{name: shop, namespace: ingress}]
  hostnames: [%[1]s.example]
  rules: [{backendRefs: [{name: %[2]s, port: 80}]}]
`

const global = `
apiVersion: meshweir.io/v1alpha1
kind: GlobalService
metadata: {name: all, namespace: shop}
spec: {host: all.global, ports: [{name: http, port: 80}], services: [{labels: {app: cart}}]}
`

func smallFleet(t testing.TB) *fleet {
	t.Helper()
	return newFleet(t, map[string]string{
		"east": gateway + "---\n" + fmt.Sprintf(service, "cart") + "---\n" + fmt.Sprintf(service, "idle") + "---\n" + fmt.Sprintf(route, "one", "cart") + "---\n" +
			fmt.Sprintf(route, "lost", "nowhere") + `---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: hand, namespace: ingress}
spec: {selector: {istio: ingress}, servers: [{port: {number: 80}, hosts: ["*"]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: hand, namespace: shop}
spec:
  hosts: [hand.example]
  gateways: [ingress/hand, mesh]
  http:
    - route:
        - {destination: {host: cart}, weight: 75}
        - {destination: {host: all.global}, weight: 25}
    - mirror: {host: api.cards.example}
      mirrors: [{destination: {host: b.cards.example}}]
      route: [{destination: {host: cart.shop.svc.cluster.local}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: cards, namespace: pay}
spec: {hosts: ["*.cards.example", api.cards.example]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: all, namespace: shop, labels: {app.kubernetes.io/managed-by: meshweir}}
spec: {hosts: [all.global]}
`,
		"mgmt": global,
		"west": fmt.Sprintf(service, "cart"),
	})
}

func ways(g topology.Graph) []string {
	var all []string
	for _, e := range g.Edges {
		text := e.From + " > " + e.To
		if e.Label != "" {
			text += " (" + e.Label + ")"
		}
		if e.Health != mesh.Fine {
			text += " " + string(e.Health)
		}
		all = append(all, text)
	}
	return all
}

const (
	eastCart  = "east:Service/shop/cart"
	westCart  = "west:Service/shop/cart"
	handRoute = "east:VirtualService.networking.istio.io/shop/hand"
	oneRoute  = "east:HTTPRoute.gateway.networking.k8s.io/shop/one"
	lostRoute = "east:HTTPRoute.gateway.networking.k8s.io/shop/lost"
	shop      = "east:Gateway.gateway.networking.k8s.io/ingress/shop"
	hand      = "east:Gateway.networking.istio.io/ingress/hand"
	all       = "mgmt:GlobalService.meshweir.io/shop/all"
	cards     = "east:ServiceEntry.networking.istio.io/pay/cards"
	nowhere   = "east:?Service/shop/nowhere"
)

func TestWaysGoFromGatewaysToServicesOfAllClusters(t *testing.T) {
	g := topology.Build(smallFleet(t).index(), topology.Filter{})
	want := []string{
		shop + " > " + lostRoute, shop + " > " + oneRoute, hand + " > " + handRoute,
		lostRoute + " > " + nowhere + " missing", oneRoute + " > " + eastCart,
		handRoute + " > " + eastCart, handRoute + " > " + cards + " (mirror)", handRoute + " > east:?host/b.cards.example (mirror) missing", handRoute + " > " + all + " (25 %)",
		all + " > " + eastCart, all + " > " + westCart,
	}
	slices.Sort(want)
	got := ways(g)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ways (-want +got):\n%s", diff)
	}
	if g.Idle != 1 {
		t.Errorf("%d idle services, want 1", g.Idle)
	}
	g = topology.Build(smallFleet(t).index(), topology.Filter{Idle: true})
	if !slices.ContainsFunc(g.Nodes, func(n *topology.Node) bool { return n.Title == "idle" }) {
		t.Error("the idle service is not shown when asked for")
	}
}

// to is a VirtualService for sidecars that leads to a host.
const to = `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: %s, namespace: shop}
spec: {hosts: [%[1]s.example], http: [{route: [{destination: {host: %[2]q}}]}]}
`

// ends returns, by the name of a route, the health of what it leads to and why.
func (f *fleet) ends() (health map[string]mesh.Health, says map[string]string) {
	g := topology.Build(f.index(), topology.Filter{})
	health, says = map[string]mesh.Health{}, map[string]string{}
	for _, e := range g.Edges {
		i := slices.IndexFunc(g.Nodes, func(n *topology.Node) bool { return n.ID == e.To })
		if g.Nodes[i].Column == topology.Services {
			name := e.From[strings.LastIndex(e.From, "/")+1:]
			health[name], says[name] = g.Nodes[i].Health, g.Nodes[i].Says
		}
	}
	return health, says
}

func TestWhatIsNotThereIsJudgedAsByTheInsights(t *testing.T) {
	kind := `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: kind, namespace: shop}
spec: {rules: [{backendRefs: [{group: multicluster.x-k8s.io, kind: ServiceImport, name: imported}]}]}
`
	unread := `
apiVersion: internal.meshweir.io/v1
kind: UnreadKind
metadata: {name: service}
spec: {kind: Service}
`
	east := fmt.Sprintf(service, "cart") + kind + `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: legacy, namespace: pay}
spec: {hosts: [legacy.old.svc.cluster.local, "*.wild.example"]}
`
	for name, host := range map[string]string{
		"short": "cart", "full": "cart.shop.svc.cluster.local", "half": "cart.shop.svc", "zone": "cart.shop.svc.other.zone",
		"entry": "legacy.old.svc.cluster.local", "elsewhere": "far.shop.svc.cluster.local", "nowhere": "gone.shop.svc.cluster.local",
		"covered": "a.wild.example", "wild": "*.wild.example", "foreign": "west.example",
	} {
		east += fmt.Sprintf(to, name, host)
	}
	f := newFleet(t, map[string]string{"east": east, "west": fmt.Sprintf(service, "far") + `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: far, namespace: pay}
spec: {hosts: [west.example]}
`})
	check := func(when string, want map[string]mesh.Health) map[string]string {
		t.Helper()
		health, says := f.ends()
		if diff := cmp.Diff(want, health); diff != "" {
			t.Errorf("where routes lead %s (-want +got):\n%s", when, diff)
		}
		return says
	}
	want := map[string]mesh.Health{
		"short": mesh.Plain, "full": mesh.Plain, "half": mesh.Missing, "zone": mesh.Missing,
		"entry": mesh.Plain, "elsewhere": mesh.Plain, "nowhere": mesh.Missing, "kind": mesh.Plain,
		"covered": mesh.Missing, "wild": mesh.Plain, "foreign": mesh.Missing,
	}
	says := check("while all is known", want)
	for name, part := range map[string]string{
		"nowhere": "Named by a route, and not there", "covered": "the wildcard *.wild.example of ServiceEntry pay/legacy", "foreign": "ServiceEntry pay/far of west",
	} {
		if !strings.Contains(says[name], part) {
			t.Errorf("of %s it is said %q, want %q", name, says[name], part)
		}
	}
	f.lost["west"] = true
	for _, name := range []string{"half", "zone", "nowhere", "covered", "foreign"} {
		want[name] = mesh.Plain
	}
	if says := check("while nothing is known of west", want); !strings.Contains(says["nowhere"], "the cluster west is not seen") {
		t.Errorf("of nowhere it is said %q, want that west is not seen", says["nowhere"])
	}
	f.lost["west"] = false
	f.add(t, "west", unread)
	for _, name := range []string{"half", "zone", "covered", "foreign"} {
		want[name] = mesh.Missing
	}
	check("while west's Services cannot be read", want)
	f.row(t, "east", "ServiceEntry.networking.istio.io/pay/legacy").Place = view.PlaceWanted
	want["wild"] = mesh.Missing
	check("while the cluster does not hold its ServiceEntry", want)
}

func TestOfNamesakesThatOfAClusterThatIsSeenIsLedTo(t *testing.T) {
	f := newFleet(t, map[string]string{
		"east": strings.TrimPrefix(fmt.Sprintf(to, "web", "far.shop.svc.cluster.local"), "---"), "north": fmt.Sprintf(service, "far"), "west": fmt.Sprintf(service, "far"),
	})
	f.away["north"] = true
	if got, want := ways(topology.Build(f.index(), topology.Filter{})), "east:VirtualService.networking.istio.io/shop/web > west:Service/shop/far"; !slices.Equal(got, []string{want}) {
		t.Errorf("ways are %q, want %q", got, want)
	}
}

func TestWhatClientsDoNotSeeIsNotThereForThem(t *testing.T) {
	exported := func(namespace, name, to string) string {
		return fmt.Sprintf(`---
apiVersion: v1
kind: Service
metadata: {name: %s, namespace: %s, annotations: {networking.istio.io/exportTo: %q}}
spec: {selector: {app: shop}}
`, name, namespace, to)
	}
	with := func(field, name, host string) string {
		return strings.Replace(fmt.Sprintf(to, name, host), "spec: {", "spec: {"+field+", ", 1)
	}
	east := fmt.Sprintf(service, "cart") + `---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec: {selector: {istio: edge}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: edge, namespace: ingress}
spec: {template: {metadata: {labels: {istio: edge}}}}
` + exported("pay", "secret", ".") + exported("shop", "own", "pay") + exported("shop", "front", "ingress") +
		with("exportTo: [.]", "hidden", "secret.pay.svc.cluster.local") + with("exportTo: [.]", "sidecar", "own") +
		with("gateways: [./edge]", "gate", "front") + with("gateways: [./edge]", "shut", "secret.pay.svc.cluster.local") +
		fmt.Sprintf(to, "some", "secret.pay.svc.cluster.local") + with("exportTo: [.]", "plain", "books.pay.svc.cluster.local") + "---" + strings.Replace(fmt.Sprintf(service, "books"), "namespace: shop", "namespace: pay", 1)
	f := newFleet(t, map[string]string{"east": east})
	health, says := f.ends()
	want := map[string]mesh.Health{"hidden": mesh.Missing, "sidecar": mesh.Plain, "gate": mesh.Plain, "shut": mesh.Missing, "some": mesh.Plain, "plain": mesh.Plain}
	if diff := cmp.Diff(want, health); diff != "" {
		t.Errorf("where routes lead (-want +got):\n%s", diff)
	}
	if part := "Service pay/secret has the host for namespace pay, where no client"; !strings.Contains(says["hidden"], part) {
		t.Errorf("of what is hidden it is said %q, want %q", says["hidden"], part)
	}
	f.add(t, "east", `
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "{defaultServiceExportTo: ['.'], defaultVirtualServiceExportTo: ['.']}"}
`)
	if health, _ := f.ends(); health["plain"] != mesh.Missing || health["some"] != mesh.Missing {
		t.Errorf("what the mesh configuration hides is %s and %s, want %s", health["plain"], health["some"], mesh.Missing)
	}
}

func TestFilterLeavesWhatMatchesAndTheWaysToAndFromIt(t *testing.T) {
	tests := []struct {
		name string
		in   topology.Filter
		want []string
	}{
		{"cluster", topology.Filter{Cluster: "west"}, []string{hand, all, handRoute, westCart}},
		{"namespace", topology.Filter{Namespace: "pay"}, []string{hand, handRoute, cards}},
		{"host", topology.Filter{Host: "ONE.example"}, []string{shop, oneRoute, eastCart}},
		{"a wildcard stands for a host", topology.Filter{Host: "b.cards.example"}, []string{hand, handRoute, cards}},
		{"nothing", topology.Filter{Host: "other.example"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := topology.Build(smallFleet(t).index(), tt.in)
			var got []string
			for _, n := range g.Nodes {
				got = append(got, n.ID)
			}
			slices.Sort(got)
			slices.Sort(tt.want)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("nodes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHealthIsThatOfObjectsAndOfTheWaysToThem(t *testing.T) {
	f := smallFleet(t)
	f.away["west"] = true
	f.row(t, "east", "HTTPRoute.gateway.networking.k8s.io/shop/one").Conditions = []view.Condition{{Type: "Accepted", Status: "False"}}
	f.row(t, "mgmt", "GlobalService.meshweir.io/shop/all").Conditions = []view.Condition{{Type: "InputMissing", Status: "True"}}
	g := topology.Build(f.index(), topology.Filter{})
	want := map[string]mesh.Health{oneRoute: mesh.Broken, all: mesh.Held, westCart: mesh.Away, nowhere: mesh.Missing, eastCart: mesh.Plain}
	for _, n := range g.Nodes {
		if health, ok := want[n.ID]; ok && n.Health != health {
			t.Errorf("%s is %s, want %s", n.ID, n.Health, health)
		}
	}
	for _, e := range g.Edges {
		wantEdge := map[string]mesh.Health{all + westCart: mesh.Held, oneRoute + eastCart: mesh.Broken, handRoute + eastCart: mesh.Fine}
		if health, ok := wantEdge[e.From+e.To]; ok && e.Health != health {
			t.Errorf("the way from %s to %s is %s, want %s", e.From, e.To, e.Health, health)
		}
	}
}

func boxes(l topology.Layout) map[string][2]int {
	at := map[string][2]int{}
	for _, b := range l.Boxes {
		at[b.ID] = [2]int{b.X, b.Y}
	}
	return at
}

func TestNothingMovesWhenHealthOrShareChanges(t *testing.T) {
	f := smallFleet(t)
	before := boxes(topology.Build(f.index(), topology.Filter{}).Layout())
	f.away["east"] = true
	f.row(t, "east", "HTTPRoute.gateway.networking.k8s.io/shop/lost").Conditions = []view.Condition{{Type: "Accepted", Status: "False"}}
	w := f.row(t, "east", "VirtualService.networking.istio.io/shop/hand").Wiring.Rules[0].Backends[0].Weight
	*w = 1
	if diff := cmp.Diff(before, boxes(topology.Build(f.index(), topology.Filter{}).Layout())); diff != "" {
		t.Errorf("moved (-before +after):\n%s", diff)
	}
}

func TestANewRouteMovesOnlyWhatStandsBelowIt(t *testing.T) {
	f := smallFleet(t)
	before := boxes(topology.Build(f.index(), topology.Filter{}).Layout())
	f.add(t, "east", fmt.Sprintf(route, "zz-new", "cart"))
	after := boxes(topology.Build(f.index(), topology.Filter{}).Layout())
	added := after["east:HTTPRoute.gateway.networking.k8s.io/shop/zz-new"]
	for id, at := range before {
		if now := after[id]; now != at && at[1] < added[1] {
			t.Errorf("%s moved from %v to %v, above the new route at %v", id, at, now, added)
		}
	}
}

func TestBoxesDoNotMeet(t *testing.T) {
	l := topology.Build(bigFleet(t, 60).index(), topology.Filter{Idle: true}).Layout()
	at := map[[2]int]string{}
	for _, b := range l.Boxes {
		if other := at[[2]int{b.X, b.Y}]; other != "" {
			t.Errorf("%s and %s are both at %d, %d", b.ID, other, b.X, b.Y)
		}
		at[[2]int{b.X, b.Y}] = b.ID
		if b.X+b.Width > l.Width || b.Y+b.Height > l.Height {
			t.Errorf("%s leaves the picture", b.ID)
		}
	}
}

// bigFleet has n routes, in 20 namespaces of two clusters, each with its Service.
func bigFleet(t testing.TB, n int) *fleet {
	t.Helper()
	f := newFleet(t, map[string]string{"east": gateway, "west": gateway, "mgmt": global})
	for i := range n {
		cluster := []string{"east", "west"}[i%2]
		name := fmt.Sprintf("r%04d", i)
		namespace := fmt.Sprintf("namespace: team-%02d", i/2%20)
		f.add(t, cluster, strings.Replace(fmt.Sprintf(service, name), "namespace: shop", namespace, 1))
		f.add(t, cluster, strings.Replace(fmt.Sprintf(route, name, name), "namespace: shop", namespace, 1))
	}
	return f
}

func TestABigFleetIsSummedUpAndSaysSo(t *testing.T) {
	g := topology.Build(bigFleet(t, 1000).index(), topology.Filter{})
	if g.Grouped != topology.ByNamespace || len(g.Nodes) > topology.Limit {
		t.Fatalf("%d nodes, by %q; want at most %d, by namespace", len(g.Nodes), g.Grouped, topology.Limit)
	}
	routes, lost := 0, 0
	for _, n := range g.Nodes {
		if n.Column == topology.Routes {
			routes += n.Count
			lost += n.Ill
		}
	}
	if routes != 1000 || lost != 0 {
		t.Errorf("groups count %d routes, %d ill; want 1000 and 0", routes, lost)
	}
	g = topology.Build(bigFleet(t, 1000).index(), topology.Filter{Namespace: "team-03", Cluster: "west"})
	if g.Grouped != topology.ByObject || len(g.Nodes) != 51 {
		t.Errorf("a namespace of it has %d nodes, by %q; want 51 single ones", len(g.Nodes), g.Grouped)
	}
}

func TestManyClustersAreCutAndCounted(t *testing.T) {
	clusters := map[string]string{}
	for i := range 200 {
		clusters[fmt.Sprintf("c%03d", i)] = gateway + "---\n" + fmt.Sprintf(route, "one", "cart") + "---\n" + fmt.Sprintf(service, "cart")
	}
	g := topology.Build(newFleet(t, clusters).index(), topology.Filter{})
	if g.Grouped != topology.ByCluster || len(g.Nodes) > topology.Limit || len(g.Clusters)+g.Left != 200 || g.Left == 0 {
		t.Errorf("%d nodes of %d clusters, %d left out, by %q", len(g.Nodes), len(g.Clusters), g.Left, g.Grouped)
	}
}

// addPods gives each Service of a fleet a Deployment with ten Pods.
func (f *fleet) addPods() {
	for _, rows := range f.rows {
		for _, k := range slices.Collect(maps.Keys(rows)) {
			if k.Kind != "Service" {
				continue
			}
			labels := map[string]string{"app": k.Name}
			rows[resource.Key{Group: "apps", Kind: "Deployment", Namespace: k.Namespace, Name: k.Name}] = &view.Row{Wiring: &view.Wiring{Pods: labels}}
			for i := range 10 {
				pod := resource.Key{Kind: "Pod", Namespace: k.Namespace, Name: fmt.Sprint(k.Name, "-", i)}
				rows[pod] = &view.Row{Detail: "Running", Labels: map[string]string{"app": k.Name, "pod-template-hash": "5d8f9c7b6d"}}
			}
		}
	}
}

func BenchmarkTopologyOf1000Routes(b *testing.B) {
	f := bigFleet(b, 1000)
	f.addPods()
	for name, filter := range map[string]topology.Filter{"all": {}, "namespace": {Namespace: "team-03"}} {
		b.Run(name, func(b *testing.B) {
			ix := f.index()
			for b.Loop() {
				topology.Build(ix, filter).Layout()
			}
		})
	}
	// All routes of a cluster lead through one GlobalService to the Services of all teams.
	for i := range 500 {
		f.add(b, "mgmt", strings.Replace(fmt.Sprintf(route, fmt.Sprintf("g%04d", i), "all"), "name: all, port: 80", "group: meshweir.io, kind: GlobalService, name: all, port: 80", 1))
		f.add(b, "east", strings.ReplaceAll(fmt.Sprintf(service, fmt.Sprintf("g%04d", i)), "labels: {app: "+fmt.Sprintf("g%04d", i), "labels: {app: cart"))
	}
	b.Run("cluster, all ways through one", func(b *testing.B) {
		ix := f.index()
		if g := topology.Build(ix, topology.Filter{Cluster: "mgmt"}); g.Objects < 1000 {
			b.Fatalf("%d objects, want 500 routes and as many Services", g.Objects)
		}
		for b.Loop() {
			topology.Build(ix, topology.Filter{Cluster: "mgmt"}).Layout()
		}
	})
	b.Run("index", func(b *testing.B) {
		for b.Loop() {
			f.index()
		}
	})
}

func TestClustersWithProblemsKeepTheirPlaceAndAllProblemsCount(t *testing.T) {
	clusters := map[string]string{}
	for i := range 100 {
		to := "cart"
		if i >= 90 {
			to = "nowhere"
		}
		clusters[fmt.Sprintf("c%03d", i)] = gateway + "---\n" + fmt.Sprintf(route, "one", to) + "---\n" + fmt.Sprintf(service, "cart")
	}
	g := topology.Build(newFleet(t, clusters).index(), topology.Filter{})
	if g.Left == 0 || g.Ill != 10 {
		t.Fatalf("%d clusters are left out and %d objects ask for attention, want some and 10", g.Left, g.Ill)
	}
	for i := 90; i < 100; i++ {
		name := fmt.Sprintf("c%03d", i)
		if !slices.ContainsFunc(g.Clusters, func(c topology.Cluster) bool { return c.Name == name }) {
			t.Errorf("%s, which has a problem, is left out", name)
		}
	}
}
