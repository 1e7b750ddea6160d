package agent

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/snapshot"
)

func TestOnlyWhatConcernsTheOutputWakesTheApplier(t *testing.T) {
	store, err := keyspace.NewStore(slog.New(slog.DiscardHandler), pipelinetest.Embedded(t), keyspace.Config{})
	if err != nil {
		t.Fatal(err)
	}
	pod, namespace := resource.Key{Kind: "Pod", Namespace: "shop", Name: "a"}, resource.Key{Kind: "Namespace", Name: "shop"}
	route := resource.Key{Group: resource.GatewayGroup, Kind: "HTTPRoute", Namespace: "shop", Name: "a"}
	set := func(keys ...resource.Key) (objects []snapshot.Object) {
		for _, key := range keys {
			objects = append(objects, snapshot.Object{Key: key, Value: []byte("{}")})
		}
		return objects
	}
	tests := []struct {
		name string
		in   snapshot.Delivery
		want bool
	}{
		{"a Pod", snapshot.Delivery{Set: set(pod)}, false},
		{"the end of a Pod", snapshot.Delivery{Deleted: []resource.Key{pod}}, false},
		{"a VirtualService beside a Pod", snapshot.Delivery{Set: set(pod, istioKey("VirtualService", "a"))}, true},
		{"the end of a VirtualService", snapshot.Delivery{Deleted: []resource.Key{istioKey("VirtualService", "a")}}, true},
		{"a route, which has a status", snapshot.Delivery{Set: set(route)}, true},
		{"a namespace to apply something in", snapshot.Delivery{Set: set(namespace)}, true},
		{"the first complete delivery", snapshot.Delivery{Set: set(pod), Synced: true}, true},
		{"the end of an outage", snapshot.Delivery{}, true},
		{"an outage", snapshot.Delivery{Outage: errors.New("away")}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := Config{Cluster: "east", Dir: t.TempDir()}.withDefaults()
			if err != nil {
				t.Fatal(err)
			}
			v, err := newVitals(cfg)
			if err != nil {
				t.Fatal(err)
			}
			woken := false
			a := &Agent{log: slog.New(slog.DiscardHandler), cfg: cfg, vitals: v}
			p := a.newPublisher(store.Owned("snapshot/east", "uid"))
			p.onChange = func() { woken = true }
			p.stage(t.Context(), tt.in)
			if woken != tt.want {
				t.Errorf("woken: got %t, want %t", woken, tt.want)
			}
		})
	}
}
