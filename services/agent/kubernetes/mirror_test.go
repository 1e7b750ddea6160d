package kubernetes

import (
	"context"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/snapshot"
)

func TestNothingIsCompleteBeforeEveryDeniedKindWasRecalled(t *testing.T) {
	t.Parallel()
	m := (&Cluster{}).newMirror()
	m.discovered = true
	add := func(of string) *kind {
		k := &kind{mirror: m, served: served{kind: schema.GroupVersionKind{Version: "v1", Kind: of}}, objects: map[name]seen{}}
		m.kinds[k.served.kind.GroupKind()] = k
		return k
	}
	early, late := add("Early"), add("Late")
	stored := []snapshot.Object{
		{Key: resource.Key{Kind: "Early", Namespace: "shop", Name: "a"}, Value: []byte("{}")},
		{Key: resource.Key{Kind: "Late", Namespace: "shop", Name: "a"}, Value: []byte("{}")},
	}
	recall := func(_ context.Context, wanted func(resource.Key, string) bool) (objects []snapshot.Object, err error) {
		for _, object := range stored {
			if wanted(object.Key, "") {
				objects = append(objects, object)
			}
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		late.setUnread("denied") // while Redis is asked for the other one
		return objects, nil
	}
	early.setUnread("denied")
	delivered := map[resource.Key]bool{}
	for range 2 {
		if err := m.recall(t.Context(), recall); err != nil {
			t.Fatal(err)
		}
		d, _ := m.take(time.Now())
		for _, object := range d.Set {
			delivered[object.Key] = true
		}
		if d.Synced && (!delivered[stored[0].Key] || !delivered[stored[1].Key]) {
			t.Fatalf("complete with %v, want what the stored snapshot holds of both", delivered)
		}
	}
	if !m.isSynced {
		t.Error("never complete")
	}
}
