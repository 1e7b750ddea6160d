package istio_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"istio.io/istio/pilot/pkg/model"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/translator"
)

// TestNoHostIsLostWhileListenersComeAndGo changes the listeners of a Gateway,
// applies what changes in the output one object after the other, in the order of
// the agent's plan, and asks after each: a host that is served before and after
// is served all the time, and if it has a listener all the time, with that one's certificate.
func TestNoHostIsLostWhileListenersComeAndGo(t *testing.T) {
	for _, test := range []struct {
		name          string
		before, after []string
		hosts         []string
	}{
		{"a narrower listener comes", []string{"wild"}, []string{"wild", "shop"}, []string{"shop", "blog"}},
		{"a narrower listener goes", []string{"wild", "shop"}, []string{"wild"}, []string{"shop", "blog"}},
		{"a wider listener comes", []string{"shop"}, []string{"shop", "wild"}, []string{"shop"}},
		{"a wider listener goes", []string{"shop", "wild"}, []string{"shop"}, []string{"shop"}},
	} {
		for _, protocol := range []string{"http", "https"} {
			t.Run(test.name+", "+protocol, func(t *testing.T) {
				before, after := translate(t, webWith(protocol, test.before)), translate(t, webWith(protocol, test.after))
				check := func(when string) {
					t.Helper()
					proxies := newMesh(t, append(surroundings(t), slices.Collect(maps.Values(before))...)).proxies()
					for _, host := range test.hosts {
						request := "GET " + protocol + "://" + host + ".example.com/"
						if got := ask(t, proxies, request); got != "a.shop:80" {
							t.Errorf("%s, %s is answered with %s", when, request, got)
						}
						stays := slices.Contains(test.before, host) && slices.Contains(test.after, host)
						if got := tlsListener(t, proxies, request); protocol == "https" && stays && got != host {
							t.Errorf("%s, %s gets the certificate of the listener %s", when, request, got)
						}
					}
				}
				check("before")
				changes := inOrder(before, after)
				if len(changes) < 2 {
					t.Errorf("got the changes %v, want more for the test to say something", changes)
				}
				for _, key := range changes {
					if o, ok := after[key]; ok {
						before[key] = o
					} else {
						delete(before, key)
					}
					check("after " + key.String())
				}
			})
		}
	}
}

// inOrder returns what differs in two outputs, in the order in which an agent applies it (services/agent/plan.go).
func inOrder(before, after map[resource.Key]object) []resource.Key {
	changed := map[resource.Key]int{}
	rank := map[string]int{"VirtualService": 0, "Gateway": 1}
	for key, o := range after {
		was, stood := before[key]
		switch {
		case !stood:
			changed[key] = 2 * rank[key.Kind]
		case string(was.json()) != string(o.json()):
			changed[key] = 2*rank[key.Kind] + 1
		}
	}
	for key := range before {
		if _, stays := after[key]; !stays {
			changed[key] = 10 - rank[key.Kind]
		}
	}
	keys := slices.Collect(maps.Keys(changed))
	slices.SortFunc(keys, func(a, b resource.Key) int {
		return cmp.Or(cmp.Compare(changed[a], changed[b]), cmp.Compare(a.String(), b.String()))
	})
	return keys
}

// surroundings are the Services and certificates around the Gateway.
func surroundings(t *testing.T) []object {
	t.Helper()
	return slices.DeleteFunc(readGolden(t, "listener-isolation-tls").in["east"].Objects, func(o object) bool {
		return o.head().group() == resource.GatewayGroup
	})
}

// webWith returns a Gateway with the named listeners, and a route on all of them.
func webWith(protocol string, names []string) []object {
	var listeners []any
	for _, name := range names {
		listener := map[string]any{
			"name": name, "hostname": strings.Replace(name, "wild", "*", 1) + ".example.com", "port": 80, "protocol": "HTTP",
			"allowedRoutes": map[string]any{"namespaces": map[string]any{"from": "All"}},
		}
		if protocol == "https" {
			listener["port"], listener["protocol"] = 443, "HTTPS"
			listener["tls"] = map[string]any{"certificateRefs": []any{map[string]any{"name": name}}}
		}
		listeners = append(listeners, listener)
	}
	of := func(kind, namespace, name string, spec map[string]any) object {
		meta := map[string]any{"namespace": namespace, "name": name, "creationTimestamp": "2026-01-01T00:00:00Z"}
		return object{"apiVersion": resource.GatewayGroup + "/v1", "kind": kind, "metadata": meta, "spec": spec}
	}
	return []object{
		of("Gateway", "istio-ingress", "web", map[string]any{"gatewayClassName": resource.GatewayClass, "listeners": listeners}),
		of("HTTPRoute", "shop", "all", map[string]any{
			"parentRefs": []any{map[string]any{"namespace": "istio-ingress", "name": "web"}},
			"hostnames":  []any{"shop.example.com", "blog.example.com"},
			"rules":      []any{map[string]any{"backendRefs": []any{map[string]any{"name": "a", "port": 80}}}},
		}),
	}
}

// translate returns what Meshweir writes for the objects.
func translate(t *testing.T, objects []object) map[resource.Key]object {
	t.Helper()
	cluster := translator.Cluster{Complete: true, Objects: map[string]translator.Object{}}
	for _, o := range append(surroundings(t), objects...) {
		decoded, err := translator.Decode(o.head().key(), o.json())
		if err != nil {
			t.Fatal(err)
		}
		cluster.Objects[o.head().key()] = decoded
	}
	written := map[resource.Key]object{}
	for key, value := range translator.Translate(translator.Inputs{Clusters: map[string]translator.Cluster{"east": cluster}}).Objects["east"] {
		var o object
		if err := json.Unmarshal(value, &o); err != nil {
			t.Fatal(err)
		}
		written[key] = o
	}
	return written
}

// tlsListener returns the name of the listener that takes an HTTPS request's connection, which is that of a server's port.
func tlsListener(t *testing.T, proxies []*proxy, request string) string {
	t.Helper()
	for _, p := range proxies {
		if p.node.Type != model.Router {
			continue
		}
		var port, name string
		result := p.run(parseRequest(t, request))
		if _, err := fmt.Sscanf(strings.ReplaceAll(result.RouteConfigMatched, ".", " "), "https %s %s", &port, &name); err == nil {
			return name
		}
	}
	return ""
}
