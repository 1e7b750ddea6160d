package agent

import (
	"testing"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/snapshot"
)

func TestASnapshotCoversWhatStoodWhenItWasWritten(t *testing.T) {
	key := istioKey("VirtualService", "a")
	mark := func(revision uint64) string { return at(revision).String() }
	deliver := func(p *publications, revision uint64) {
		value := []byte(`{"metadata":{"annotations":{"` + resource.OutputAnnotation + `":"` + mark(revision) + `"}}}`)
		p.deliver(snapshot.Delivery{Set: []snapshot.Object{{Key: key, Value: value}}})
	}
	p := newPublications()
	deliver(p, 1)
	if p.covers(at(9), key, mark(1)) {
		t.Error("covered before anything was written")
	}
	p.write(at(5))
	if !p.covers(at(5), key, mark(1)) || p.covers(at(4), key, mark(1)) || p.covers(at(5), key, mark(2)) {
		t.Error("want what was written covered from there on, and nothing else")
	}
	deliver(p, 2)
	deliver(p, 1) // put back by hand before the other was written
	p.write(at(6))
	if !p.covers(at(6), key, mark(1)) || p.covers(at(6), key, mark(2)) {
		t.Error("want what stood last covered, and nothing else")
	}
	p.deliver(snapshot.Delivery{Deleted: []resource.Key{key}})
	if p.covers(at(6), key, mark(1)) {
		t.Error("covered after it was gone")
	}
}
