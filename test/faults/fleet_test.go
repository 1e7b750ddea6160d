package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// fleet is the manifests of all clusters: a small world of files that each hold one thing, and change at random.
//
// What a cluster is given of it is made so that each part of it, a route of a VirtualService, an endpoint of a
// ServiceEntry, is there if and only if a number of files each say so. However the states of two moments mix on
// their way, a part that is missing in the mixture is then missing in one of the two.
type fleet struct {
	random   *rand.Rand
	clusters []string
	items    []*item
	// live is what the agents read, good the same with the last good text in place of each that is broken.
	live, good string
	round      int
	// intact says that no file is to be broken: Redis forgets what was in it, and an agent that does not run has never seen it.
	intact    bool
	temporary int
}

// item is one file.
type item struct {
	path   string
	render func(r *rand.Rand) string
	// stays says that the file is never removed: a host without any route, say, would be "one of these files says so".
	stays  bool
	exists bool
	text   string
	// changed is the round of its last change.
	changed int
}

const (
	hosts            = 4 // of each cluster's gateway
	localServices    = 6 // of each cluster
	routes           = 10
	globalsOfCluster = 2 // GlobalServices that a cluster is home to
)

func newFleet(dir string, clusters int, seed uint64) *fleet {
	f := &fleet{random: rand.New(rand.NewPCG(seed, 1)), live: filepath.Join(dir, "live"), good: filepath.Join(dir, "good")}
	for i := range clusters {
		f.clusters = append(f.clusters, fmt.Sprintf("c%02d", i))
	}
	globals := clusters * globalsOfCluster
	for i, cluster := range f.clusters {
		add := func(file string, stays bool, render func(*rand.Rand) string) {
			f.items = append(f.items, &item{path: cluster + "/" + file + ".yaml", stays: stays, render: render})
		}
		add("cluster", true, func(r *rand.Rand) string { return surroundings(i, cluster, r) })
		add("gateway", true, gateway)
		add("eastwest", true, func(r *rand.Rand) string { return eastWest(i, cluster, r) })
		add("apps/base", true, func(r *rand.Rand) string { return service("base", r) })
		for h := range hosts {
			add(fmt.Sprintf("routes/base-%d", h), true, func(r *rand.Rand) string { return route(fmt.Sprintf("base-%d", h), h, "base", -1, r) })
		}
		for n := range localServices {
			add(fmt.Sprintf("apps/local-%d", n), false, func(r *rand.Rand) string { return service(fmt.Sprintf("local-%d", n), r) })
		}
		for n := range routes {
			global := -1
			if n%2 == 0 {
				global = (i + n) % globals
			}
			add(fmt.Sprintf("routes/route-%d", n), false, func(r *rand.Rand) string {
				return route(fmt.Sprintf("route-%d", n), n%hosts, fmt.Sprintf("local-%d", n%localServices), global, r)
			})
		}
		for n := range globalsOfCluster {
			name := fmt.Sprintf("global-%d", i*globalsOfCluster+n)
			add("global/"+name, n == 0, func(r *rand.Rand) string { return globalService(name, r) })
		}
		for g := range globals {
			if home := g / globalsOfCluster; (i-home+clusters)%clusters < min(3, clusters) { // at home and in the next two
				name := fmt.Sprintf("global-%d", g)
				add("apps/"+name, i == home, func(r *rand.Rand) string { return service(name, r) })
			}
		}
		add("noise", false, noise)
	}
	return f
}

// begin writes the first manifests: all that stays, and most of the rest.
func (f *fleet) begin() error {
	for _, i := range f.items {
		if i.stays || f.random.IntN(4) > 0 {
			i.exists, i.text = true, i.render(f.random)
		}
	}
	for _, dir := range []string{f.live, f.good} {
		for _, i := range f.items {
			if err := f.put(dir, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// change is one change of one file.
type change struct {
	*item
	what string
	// broken is what the agents get to read in place of the text; "" for the text itself.
	broken string
}

func (c change) String() string { return c.what + " " + c.path }

// next decides on n changes of different files.
func (f *fleet) next(n int) (changes []change) {
	taken := map[*item]bool{}
	for len(changes) < n {
		i := f.items[f.random.IntN(len(f.items))]
		if taken[i] {
			continue
		}
		taken[i] = true
		c := change{item: i}
		switch dice := f.random.IntN(10); {
		case !i.exists:
			c.what, i.exists, i.text = "add", true, i.render(f.random)
		case dice < 2 && !i.stays:
			c.what, i.exists = "remove", false
		case dice < 3 && i.changed < f.round && !f.intact:
			// What was written in this round may not have been read: its last good state would be the agent's to choose.
			c.what, c.broken = "break", i.text+"\n  - broken: [\n"
		default:
			c.what, i.text = "change", i.render(f.random)
		}
		i.changed = f.round
		changes = append(changes, c)
	}
	return changes
}

// publish writes changes to the folder that the oracle reads, or to the one that the agents read.
func (f *fleet) publish(dir string, changes []change) error {
	for _, c := range changes {
		i := c.item
		if c.broken != "" {
			if dir == f.good {
				continue
			}
			i = &item{path: c.path, exists: true, text: c.broken}
		}
		if err := f.put(dir, i); err != nil {
			return err
		}
	}
	return nil
}

// put replaces a file as a whole, as editors do.
func (f *fleet) put(dir string, i *item) error {
	path := filepath.Join(dir, filepath.FromSlash(i.path))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if !i.exists {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return err
		}
		return nil
	}
	f.temporary++
	fresh := filepath.Join(filepath.Dir(f.live), fmt.Sprintf("new-%d", f.temporary))
	if err := os.WriteFile(fresh, []byte(i.text), 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

func surroundings(i int, cluster string, r *rand.Rand) string {
	var b strings.Builder
	namespace := func(name, uid, labels string) {
		fmt.Fprintf(&b, "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, uid: %s, labels: {%s}}\n---\n", name, uid, labels)
	}
	namespace("kube-system", fmt.Sprintf("00000000-0000-4000-8000-%012d", i), "")
	namespace("istio-system", "a", "topology.istio.io/network: "+cluster)
	namespace("ingress", "b", "")
	namespace("eastwest", "c", "")
	team := "guests"
	if r.IntN(3) > 0 {
		team = "shop" // what the last listener asks for
	}
	namespace("shop", "d", "team: "+team)
	return b.String() + `apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: meshweir}
spec: {controllerName: meshweir.io/gateway-controller}
---
apiVersion: v1
kind: Service
metadata: {name: proxy, namespace: ingress}
spec: {selector: {istio: ingressgateway}, ports: [{name: http, port: 80}]}
`
}

// gateway has a listener for each host, but for some at random.
func gateway(r *rand.Rand) string {
	text := "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: web, namespace: ingress}\nspec:\n  gatewayClassName: meshweir\n  listeners:\n"
	for h := range hosts {
		if h > 0 && r.IntN(4) == 0 {
			continue
		}
		from := "from: All"
		if h == hosts-1 {
			from = "from: Selector, selector: {matchLabels: {team: shop}}"
		}
		text += fmt.Sprintf("    - {name: l%d, hostname: h%d.example.com, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {%s}}}\n", h, h, from)
	}
	return text
}

func eastWest(i int, cluster string, r *rand.Rand) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {name: eastwest, namespace: eastwest, labels: {istio: eastwestgateway, topology.istio.io/network: %s}}
spec: {type: LoadBalancer, selector: {istio: eastwestgateway}, ports: [{name: tls, port: 15443}]}
status: {loadBalancer: {ingress: [{ip: 192.0.%d.%d}]}}
`, cluster, i, r.IntN(250))
}

func service(name string, r *rand.Rand) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: shop, labels: {version: v%d}}\nspec: {selector: {app: %s}, ports: [{name: http, port: 8080}]}\n",
		name, r.IntN(100), name)
}

func route(name string, host int, backend string, global int, r *rand.Rand) string {
	text := fmt.Sprintf(`apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: %s, namespace: shop}
spec:
  parentRefs: [{name: web, namespace: ingress}]
  hostnames: [h%d.example.com]
  rules:
    - matches: [{path: {value: /%s}}]
      backendRefs:
        - {name: %s, port: 8080, weight: %d}
`, name, host, name, backend, 1+r.IntN(99))
	if global >= 0 {
		text += fmt.Sprintf("        - {group: meshweir.io, kind: GlobalService, name: global-%d, port: 8080, weight: %d}\n", global, 1+r.IntN(99))
	}
	if r.IntN(3) == 0 {
		text += fmt.Sprintf("    - matches: [{path: {type: Exact, value: /%s/login}}]\n      backendRefs: [{name: %s, port: 8080}]\n", name, backend)
	}
	return text
}

// globalService is for all clusters: with some of them, "it has the Service, or a route to it, or is listed" would decide who gets it.
func globalService(name string, r *rand.Rand) string {
	return fmt.Sprintf(`apiVersion: meshweir.io/v1alpha1
kind: GlobalService
metadata: {name: %[1]s, namespace: shop}
spec:
  host: %[1]s.global
  services: [{name: %[1]s}]
  ports: [{name: http, port: 8080}]
  clientClusters: ['*']
  outlierDetection: {consecutiveErrors: %[2]d}
`, name, 1+r.IntN(9))
}

// noise changes, and nothing comes of it.
func noise(r *rand.Rand) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: noise, namespace: shop}\nspec: {containers: [{name: app, image: app}]}\nstatus: {containerStatuses: [{name: app, restartCount: %d, ready: true, image: app, imageID: x}]}\n",
		r.IntN(1000))
}
