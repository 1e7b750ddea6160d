package istio

import (
	"slices"
	"testing"
)

func TestTheRulesInForceAreThoseOfTheFirstPlaceThatServesTheClient(t *testing.T) {
	const host = "cart.shop.svc.cluster.local"
	rule := func(namespace, host string, exportTo ...string) Rule[string] {
		return Rule[string]{Object: namespace + " " + host, Namespace: namespace, Name: "r", Host: host, ExportTo: exportTo}
	}
	late := func(r Rule[string]) Rule[string] {
		r.Object, r.Created = r.Object+" late", "2026-01-01T00:00:00Z"
		return r
	}
	selecting := func(r Rule[string]) Rule[string] {
		r.Selector = map[string]string{"app": "web"}
		return r
	}
	tests := []struct {
		name     string
		rules    []Rule[string]
		exportTo []string
		client   string
		seen     []string
		inForce  []string
	}{
		{
			"the client's before the service's and the root's",
			[]Rule[string]{rule("web", host), rule("shop", host), rule("root", host)},
			nil, "web",
			[]string{"web " + host, "shop " + host, "root " + host},
			[]string{"web " + host},
		},
		{
			"the service's before the root's",
			[]Rule[string]{rule("shop", host), rule("root", host)},
			nil, "web",
			[]string{"shop " + host, "root " + host},
			[]string{"shop " + host},
		},
		{"of nobody else", []Rule[string]{rule("other", host)}, nil, "web", nil, nil},
		{"what the service's namespace keeps to itself", []Rule[string]{rule("shop", host, ".")}, nil, "web", nil, nil},
		{"what is kept where nothing says otherwise", []Rule[string]{rule("shop", host)}, []string{"."}, "web", nil, nil},
		{"what is exported to the client alone", []Rule[string]{rule("shop", host, "web")}, nil, "web", []string{"shop " + host}, []string{"shop " + host}},
		{"what is for workloads of its own namespace", []Rule[string]{selecting(rule("shop", host))}, nil, "web", nil, nil},
		{
			"a host before a wildcard",
			[]Rule[string]{rule("shop", "*.shop.svc.cluster.local"), rule("shop", host)},
			nil, "web",
			[]string{"shop " + host, "shop *.shop.svc.cluster.local"},
			[]string{"shop " + host},
		},
		{
			"rules that are exported alike are merged",
			[]Rule[string]{late(rule("shop", host)), rule("shop", host)},
			nil, "web",
			[]string{"shop " + host, "shop " + host + " late"},
			[]string{"shop " + host, "shop " + host + " late"},
		},
		{
			"of the root namespace, for a client of it, its private ones first",
			[]Rule[string]{rule("root", host), rule("shop", host), late(rule("root", host, "."))},
			nil, "root",
			[]string{"root " + host + " late", "shop " + host, "root " + host},
			[]string{"root " + host + " late"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all := Rules[string]{Root: "root", ExportTo: tt.exportTo, In: func(namespace string) []Rule[string] {
				return slices.DeleteFunc(slices.Clone(tt.rules), func(r Rule[string]) bool { return r.Namespace != namespace })
			}}
			var seen, inForce []string
			for _, r := range all.For(tt.client, "shop", host) {
				seen = append(seen, r.Object)
				if r.InForce {
					inForce = append(inForce, r.Object)
				}
			}
			if !slices.Equal(seen, tt.seen) || !slices.Equal(inForce, tt.inForce) {
				t.Errorf("the client sees %q, in force %q; want %q, in force %q", seen, inForce, tt.seen, tt.inForce)
			}
		})
	}
}
