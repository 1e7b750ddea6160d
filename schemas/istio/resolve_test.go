package istio

import (
	"slices"
	"strings"
	"testing"
)

// world is a fleet for a test; what Resolve asks it for is what it says.
type world struct {
	claims  []Claim[string]
	hosts   map[string]string // the host of each claim's object
	unknown string            // a cluster that is not seen, or of which one kind cannot be read
	unread  Kind
}

func (w world) Here(host string) []Claim[string] {
	return w.those(host, func(c Claim[string]) bool { return c.Cluster == "east" && c.Kind != GlobalService })
}

func (w world) Everywhere(host string) []Claim[string] {
	return w.those(host, func(Claim[string]) bool { return true })
}

func (w world) those(host string, are func(Claim[string]) bool) []Claim[string] {
	return slices.DeleteFunc(slices.Clone(w.claims), func(c Claim[string]) bool { return w.hosts[c.Object] != host || !are(c) })
}

func (w world) Unknown(cluster string, kinds ...Kind) string {
	if w.unknown == "" || cluster != "" && cluster != w.unknown || w.unread != "" && !slices.Contains(kinds, w.unread) {
		return ""
	}
	return w.unknown + " is not seen"
}

func TestJudgesWhatIsAtAHost(t *testing.T) {
	all, shop, pay := Audience{All: true}, Audience{Names: []string{"shop"}}, Audience{Names: []string{"pay"}}
	const host = "cart.shop.svc.cluster.local"
	claim := func(object string, kind Kind, cluster string, audience Audience) Claim[string] {
		return Claim[string]{Object: object, Kind: kind, Cluster: cluster, Namespace: "shop", Audience: audience}
	}
	hosts := map[string]string{
		"cart": host, "far": host, "entry": "api.example.com", "far entry": "api.example.com", "global": "api.example.com",
		"wild": "*.example.com", "wilder": "*.com",
	}
	tests := []struct {
		name    string
		host    string
		clients Audience
		unknown string
		claims  []Claim[string]
		want    Verdict
		to      string
	}{
		{"a Service", host, pay, "", []Claim[string]{claim("cart", Service, "east", all)}, Exists, "cart"},
		{"a Service that its clients do not see", host, pay, "", []Claim[string]{claim("cart", Service, "east", shop)}, Hidden, "cart"},
		{"a Service for itself, from sidecars of its namespace", host, Audience{Names: []string{"shop"}, Sidecars: true}, "", []Claim[string]{claim("cart", Service, "east", pay)}, Exists, "cart"},
		{"a Service for others, from a gateway in its namespace", host, shop, "", []Claim[string]{claim("cart", Service, "east", pay)}, Hidden, "cart"},
		{"a Service of another cluster", host, pay, "", []Claim[string]{claim("far", Service, "west", Audience{})}, Exists, "far"},
		{"a Service hidden here, and there in another cluster", host, pay, "", []Claim[string]{claim("cart", Service, "east", shop), claim("far", Service, "west", Audience{})}, Exists, "far"},
		{"a ServiceEntry", "api.example.com", pay, "", []Claim[string]{claim("entry", ServiceEntry, "east", all)}, Exists, "entry"},
		{"a ServiceEntry of another cluster", "api.example.com", pay, "", []Claim[string]{claim("far entry", ServiceEntry, "west", all)}, Elsewhere, "far entry"},
		{"one hidden here before one elsewhere", "api.example.com", pay, "", []Claim[string]{claim("far entry", ServiceEntry, "west", all), claim("entry", ServiceEntry, "east", shop)}, Hidden, "entry"},
		{"a GlobalService", "api.example.com", pay, "", []Claim[string]{claim("global", GlobalService, "west", Audience{})}, Exists, "global"},
		{"wildcards, the most specific first", "api.example.com", pay, "", []Claim[string]{claim("wilder", ServiceEntry, "east", all), claim("wild", ServiceEntry, "east", all)}, Covered, "wild,wilder"},
		{"a wildcard below a wildcard", "*.a.example.com", pay, "", []Claim[string]{claim("wild", ServiceEntry, "east", all)}, Covered, "wild"},
		{"the wildcard itself", "*.example.com", pay, "", []Claim[string]{claim("wild", ServiceEntry, "east", all)}, Exists, "wild"},
		{"a wildcard that its clients do not see", "api.example.com", pay, "", []Claim[string]{claim("wild", ServiceEntry, "east", shop)}, Nowhere, ""},
		{"a wildcard of another cluster", "api.example.com", pay, "", []Claim[string]{claim("wild", ServiceEntry, "west", all)}, Nowhere, ""},
		{"nothing", host, pay, "", nil, Nowhere, ""},
		{"nothing, as far as is known here", host, pay, "east", nil, Unknown, ""},
		{"nothing, as far as is known elsewhere", host, pay, "west", nil, Unknown, ""},
		{"what is there is there, whatever is known", host, pay, "east", []Claim[string]{claim("cart", Service, "east", all)}, Exists, "cart"},
	}
	for _, tt := range tests {
		got := Resolve(world{tt.claims, hosts, tt.unknown, ""}, "east", tt.host, tt.clients)
		names := []string{}
		for _, c := range got.Others {
			names = append(names, c.Object)
			if c.Host != hosts[c.Object] {
				t.Errorf("%s: %s has %s, want %s", tt.name, c.Object, c.Host, hosts[c.Object])
			}
		}
		if got.Verdict == Exists {
			names = []string{got.To.Object}
		}
		if to := strings.Join(names, ","); got.Verdict != tt.want || to != tt.to {
			t.Errorf("%s: verdict %d with %q, want %d with %q", tt.name, got.Verdict, to, tt.want, tt.to)
		}
		if (got.Why != "") != (tt.want == Unknown) {
			t.Errorf("%s: it is unknown because %q", tt.name, got.Why)
		}
	}
}

func TestAsksForTheKindsThatCouldHaveTheHost(t *testing.T) {
	for _, tt := range []struct {
		host, unknown string
		unread        Kind
		want          Verdict
	}{
		{"cart.shop.svc.cluster.local", "east", ServiceEntry, Unknown},
		{"cart.shop.svc.cluster.local", "west", ServiceEntry, Nowhere},
		{"cart.shop.svc.cluster.local", "west", Service, Unknown},
		{"cart.shop.svc.cluster.local", "west", GlobalService, Nowhere},
		{"api.example.com", "east", Service, Unknown},
		{"api.example.com", "west", Service, Nowhere},
		{"api.example.com", "west", GlobalService, Unknown},
	} {
		if got := Resolve(world{unknown: tt.unknown, unread: tt.unread}, "east", tt.host, Audience{All: true}).Verdict; got != tt.want {
			t.Errorf("%s while %s of %s are not known: verdict %d, want %d", tt.host, tt.unread, tt.unknown, got, tt.want)
		}
	}
}

func TestClientsAreThoseOfSidecarsOrOfGateways(t *testing.T) {
	proxies := func(namespace, gateway string) []string { return []string{"proxies of " + namespace + "/" + gateway} }
	for _, tt := range []struct {
		gateways []string
		want     string
		sidecars bool
	}{
		{nil, "namespace shop", true},
		{[]string{"./edge", "mesh"}, "namespace shop", true},
		{[]string{"./edge", "web/edge"}, "namespace shop, proxies of shop/edge, web, proxies of web/edge", false},
	} {
		got := Clients(tt.gateways, Audience{Names: []string{"shop"}}, "shop", proxies)
		if got.String() != tt.want || got.Sidecars != tt.sidecars {
			t.Errorf("clients by %q are %s (sidecars: %t), want %s (%t)", tt.gateways, got, got.Sidecars, tt.want, tt.sidecars)
		}
	}
}
