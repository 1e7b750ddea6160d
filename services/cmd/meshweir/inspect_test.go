package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/meshweir/meshweir/pipeline/keyspace"
)

func TestInspectReadsObjectsKeysAndSizes(t *testing.T) {
	p := newPlant(t)
	const route = `{"apiVersion":"v1","kind":"VirtualService","metadata":{"name":"shop"}}`
	p.owner.Set("VirtualService.networking.istio.io/web/shop", []byte(route))
	p.owner.Set("Namespace//web", []byte(`{"kind":"Namespace"}`))
	if err := p.owner.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var list struct{ Objects []row }
	out, _ := p.cli(0, "inspect", "snapshot", "east", "--kind", "virtualservice", "-n", "web", "-o", "json")
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list.Objects) != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	if got := list.Objects[0]; got.Kind != "VirtualService.networking.istio.io" || got.Name != "shop" || got.Raw != len(route) || got.Stored == 0 || got.Revision != 2 {
		t.Errorf("got %+v", got)
	}
	if out, _ := p.cli(0, "inspect", "object", "east", "VirtualService", "web/shop"); !strings.Contains(out, "kind: VirtualService\n") {
		t.Errorf("got %s", out)
	}
	if _, notes := p.cli(1, "inspect", "object", "east", "VirtualService", "web/none"); !strings.Contains(notes, "inspect snapshot east") {
		t.Errorf("got %s", notes)
	}
	if _, notes := p.cli(1, "inspect", "output", "east"); !strings.Contains(notes, "there is no output/east") {
		t.Errorf("got %s", notes)
	}
	p.cli(2, "inspect", "snapshot", "East")
	keys, _ := p.cli(0, "inspect", "keys")
	for _, want := range []string{keyspace.Name("snapshot/east").MetaKey(), keyspace.DirectoryKey, "bucket", "stream", "uid"} {
		if !strings.Contains(keys, want) {
			t.Errorf("%s is not in\n%s", want, keys)
		}
	}
	if n := strings.Count(keys, "mw:{snapshot/east}:b:"); n != 1 {
		t.Errorf("%d rows for the buckets of snapshot/east, want one:\n%s", n, keys)
	}
	if each, _ := p.cli(0, "inspect", "keys", "-o", "json"); !strings.Contains(each, `"role": "bucket"`) || strings.Contains(each, ":b:*") {
		t.Errorf("as JSON: want each bucket, got\n%s", each)
	}
	sizes, _ := p.cli(0, "inspect", "sizes", "--kinds")
	if !strings.Contains(sizes, "VirtualService.networking.istio.io") || !strings.Contains(sizes, "snapshot/east") {
		t.Errorf("got %s", sizes)
	}
	if clusters, _ := p.cli(0, "inspect", "clusters"); !strings.Contains(clusters, "east") {
		t.Errorf("got %s", clusters)
	}
}

func TestInspectSaysWhatBecameOfObjectsAndWhatIsWrongWithThem(t *testing.T) {
	p := newPlant(t)
	write := func(name keyspace.Name, key, value string) {
		t.Helper()
		owner := p.store.Owned(name, "uid")
		owner.Complete()
		owner.Set(key, []byte(value))
		if err := owner.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	const route, problem = "HTTPRoute.gateway.networking.k8s.io/shop/cart", "ManifestProblem.internal.meshweir.io//a"
	write("applied/east", route, `{"result":"Conflict","message":"not\nours"}`)
	write("status/east", route, `{"status":{"parents":[{"parentRef":{"name":"web"},"conditions":[
		{"type":"Accepted","status":"True"},{"type":"ResolvedRefs","status":"False","reason":"BackendNotFound","message":"gone"}]}]}}`)
	write("insight/east", "CFG0101/east/"+route, `{"severity":"error","summary":"a route leads nowhere"}`)
	write("registry/clusters", "west", `{"state":"deregistered"}`)
	p.owner.Set(problem, []byte(`{"spec":{"file":"a.yaml","line":3,"message":"no YAML"}}`))
	if err := p.owner.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"Conflict: not ours": {"applied", "east"},
		"parent web ResolvedRefs=False (BackendNotFound): gone": {"status", "east"},
		"a.yaml:3: no YAML":            {"snapshot", "east", "--kind", "ManifestProblem"},
		"error: a route leads nowhere": {"keyspace", "insight/east"},
		"deregistered":                 {"keyspace", "registry/clusters"},
		"state: deregistered":          {"keyspace", "registry/clusters", "west"},
	} {
		if out, _ := p.cli(0, append([]string{"inspect"}, args...)...); !strings.Contains(out, want) {
			t.Errorf("inspect %q: %q is not in\n%s", args, want, out)
		}
	}
	if _, notes := p.cli(1, "inspect", "keyspace", "registry/clusters", "north"); !strings.Contains(notes, "lists what is") {
		t.Errorf("got %s", notes)
	}
	p.cli(2, "inspect", "keyspace", "no name")
}

func TestRegisteringAsAnOperatorSaysWhoMay(t *testing.T) {
	p := newPlant(t)
	_, notes := p.cli(1, "cluster", "register", "north")
	if !strings.Contains(notes, "meshweir-admin") {
		t.Errorf("got %s", notes)
	}
	if err := p.client.Do(t.Context(), "acl", "log", "reset").Err(); err != nil { // it was meant
		t.Fatal(err)
	}
}
