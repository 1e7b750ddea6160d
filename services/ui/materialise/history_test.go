package materialise_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/services/ui/view"
)

// past returns what is noted of the objects of a cluster: "kind: what before → after", oldest first.
func (w *world) past(cluster string) map[string][]string {
	w.t.Helper()
	name, err := view.HistoryName(cluster)
	if err != nil {
		w.t.Fatal(err)
	}
	all := map[string][]string{}
	w.views.View(func(v keyspace.View[view.Record]) {
		for key, record := range v.All(name) {
			for _, step := range slices.Backward(record.History.Steps) {
				for _, c := range step.Changes {
					all[key] = append(all[key], step.Kind+": "+c.What+" "+c.Before+" → "+c.After)
				}
			}
		}
	})
	return all
}

func TestHistorySaysWhatChangedOnceHoweverManyReplicasFollow(t *testing.T) {
	w := newWorld(t, pipelinetest.Embedded(t))
	const service, pod = "Service/shop/cart", "Pod/shop/cart-1"
	set := func(port string) {
		w.snapshot["east"].Set(service, object(service, `},"spec":{"ports":[{"port":`+port+`}]`))
		w.flush()
	}
	w.snapshot["east"].Set(pod, object(pod, ""))
	set("80")
	w.materialiser()
	w.materialiser()
	w.converged()
	if got := w.past("east"); len(got) != 0 {
		t.Fatalf("what was there before has the history %v", got)
	}
	set("81")
	w.converged()
	w.snapshot["east"].Set("Service/shop/new", object("Service/shop/new", ""))
	w.snapshot["east"].Delete(pod)
	w.flush()
	want := map[string][]string{service: {"snapshot: spec.ports[0].port 80 → 81"}, "Service/shop/new": {"snapshot:   → there"}}
	w.eventually(func() string { return cmp.Diff(want, w.past("east")) })
	w.snapshot["east"].Delete(service)
	w.flush()
	want[service] = append(want[service], "snapshot:  there → ")
	w.eventually(func() string { return cmp.Diff(want, w.past("east")) })
}

func TestHistoryOfAClusterThatWasNotKnownForAWhileSaysNothing(t *testing.T) {
	client := pipelinetest.Embedded(t)
	w := newWorld(t, client)
	const service = "Service/shop/cart"
	w.snapshot["east"].Set(service, object(service, ""))
	w.flush()
	w.materialiser()
	w.converged()
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	w.heal()
	w.converged()
	w.snapshot["east"].Set("Service/shop/last", object("Service/shop/last", ""))
	w.flush()
	want := map[string][]string{"Service/shop/last": {"snapshot:   → there"}}
	w.eventually(func() string { return cmp.Diff(want, w.past("east")) })
}

// A replica that is started again before it has written much trims what others left.
func TestHistoriesAreTrimmedAtTheFirstWrite(t *testing.T) {
	w := newWorld(t, pipelinetest.Embedded(t))
	name, err := view.HistoryName("east")
	if err != nil {
		t.Fatal(err)
	}
	old := view.History{Steps: []view.Transition{{At: time.Unix(1, 0), Kind: view.KindSnapshot, Position: "1-0000000a/1", Changes: []view.Change{{After: "there"}}}}}
	value, err := view.Record{History: &old}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	left := w.store.Derived(name)
	for n := range view.MaxHistories + 10 {
		left.Set(fmt.Sprintf("Service/shop/old-%d", n), value)
	}
	left.Complete()
	if err := left.Flush(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	w.materialiser()
	w.flush()
	w.converged()
	w.snapshot["east"].Set("Service/shop/new", object("Service/shop/new", ""))
	w.flush()
	w.eventually(func() string {
		past := w.past("east")
		if _, noted := past["Service/shop/new"]; len(past) != view.MaxHistories || !noted {
			return fmt.Sprintf("%d histories are kept, want %d; the new one is noted: %t", len(past), view.MaxHistories, noted)
		}
		return ""
	})
}
