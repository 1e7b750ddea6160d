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
	sizes, _ := p.cli(0, "inspect", "sizes", "--kinds")
	if !strings.Contains(sizes, "VirtualService.networking.istio.io") || !strings.Contains(sizes, "snapshot/east") {
		t.Errorf("got %s", sizes)
	}
	if clusters, _ := p.cli(0, "inspect", "clusters"); !strings.Contains(clusters, "east") {
		t.Errorf("got %s", clusters)
	}
}
