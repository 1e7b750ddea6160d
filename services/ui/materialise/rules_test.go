package materialise_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/services/ui/view"
)

const (
	route   = "HTTPRoute.gateway.networking.k8s.io/shop/cart"
	service = "Service/shop/cart"
	virtual = "VirtualService.networking.istio.io/istio-ingress/cart"
)

func rowsOf(t *testing.T, cluster string) keyspace.Name {
	t.Helper()
	name, err := view.ResourcesName(cluster)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestRowsFollowChanges(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		w := newWorld(t, client)
		w.materialiser()
		w.snapshot["east"].Set(route, object(route, ""))
		w.snapshot["east"].Set(service, object(service, ""))
		w.flush()
		w.output["west"].Set(virtual, output(virtual, "east:"+route))
		w.status["east"].Set(route, []byte(`{"observedGeneration":1,"status":{"parents":[{"parentRef":{"name":"shop"},"conditions":[{"type":"Accepted","status":"False","reason":"UnsupportedValue"}]}]}}`))
		w.applied["west"].Set(virtual, []byte(`{"result":"Error","message":"no"}`))
		w.flush()
		w.converged()

		stored := w.stored()
		source := stored[rowsOf(t, "east")][route].Row
		if want := []view.Ref{{Cluster: "west", Key: virtual}}; !cmp.Equal(source.Outputs, want) {
			t.Errorf("outputs of the route are %v, want %v", source.Outputs, want)
		}
		if p := source.Problems(); len(p) != 1 || p[0].Title != "Accepted is False: UnsupportedValue (parent shop)" {
			t.Errorf("problems of the route are %v", p)
		}
		made := stored[rowsOf(t, "west")][virtual].Row
		if want := []view.Ref{{Cluster: "east", Key: route}}; !cmp.Equal(made.Sources, want) || made.Place != view.PlaceWanted || !made.Managed {
			t.Errorf("the output is %+v, want sources %v, wanted and managed", made, want)
		}
		if east, west := stored[view.ClustersName]["east"].Cluster, stored[view.ClustersName]["west"].Cluster; east.Objects != 2 || west.Errors != 1 || !west.Known {
			t.Errorf("clusters are %+v and %+v, want 2 objects in east and 1 error in west", east, west)
		}

		w.output["west"].Delete(virtual)
		w.applied["west"].Delete(virtual)
		w.flush()
		w.converged()
		stored = w.stored()
		if _, ok := stored[rowsOf(t, "west")][virtual]; ok {
			t.Error("the row of a removed output is still there")
		}
		if got := stored[rowsOf(t, "east")][route].Row.Outputs; len(got) != 0 {
			t.Errorf("outputs of the route are still %v", got)
		}
	})
}

// TestViewEqualsFullRecompute changes everything at random, restarts replicas,
// flushes Redis, and compares the views with the pure functions after each round.
func TestViewEqualsFullRecompute(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t, pipelinetest.Embedded(t))
			stop := w.materialiser()
			w.materialiser()
			for range 12 {
				for range 1 + random.IntN(20) {
					w.change(random)
				}
				w.flush()
				switch random.IntN(5) {
				case 0:
					stop()
					stop = w.materialiser()
				case 1:
					if err := w.client.FlushAll(t.Context()).Err(); err != nil {
						t.Fatal(err)
					}
					w.heal()
				}
				w.converged()
			}
		})
	}
}

func (w *world) change(random *rand.Rand) {
	cluster := []string{"east", "west"}[random.IntN(2)]
	other := []string{"east", "west"}[random.IntN(2)]
	source := fmt.Sprintf("HTTPRoute.gateway.networking.k8s.io/shop/r%d", random.IntN(6))
	made := fmt.Sprintf("VirtualService.networking.istio.io/shop/v%d", random.IntN(6))
	remove := random.IntN(3) == 0
	switch random.IntN(5) {
	case 0:
		if remove {
			w.snapshot[cluster].Delete(source)
			return
		}
		w.snapshot[cluster].Set(source, object(source, fmt.Sprintf(`,"labels":{"n":"%d"}`, random.IntN(9))))
	case 1:
		if remove {
			w.output[cluster].Delete(made)
			return
		}
		w.output[cluster].Set(made, output(made, other+":"+source, cluster+":"+source))
	case 2:
		if remove {
			w.snapshot[cluster].Delete(made)
			return
		}
		w.snapshot[cluster].Set(made, output(made, other+":"+source))
	case 3:
		if remove {
			w.status[cluster].Delete(source)
			return
		}
		w.status[cluster].Set(source, fmt.Appendf(nil, `{"status":{"conditions":[{"type":"Accepted","status":%q}]}}`, []string{"True", "False"}[random.IntN(2)]))
	case 4:
		if remove {
			w.applied[cluster].Delete(made)
			return
		}
		w.applied[cluster].Set(made, fmt.Appendf(nil, `{"result":%q}`, []string{"Applied", "Deleted", "Error"}[random.IntN(3)]))
	}
}

func TestRestartAndRestWriteNothing(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		w := newWorld(t, client)
		stop := w.materialiser()
		w.snapshot["east"].Set(service, object(service, ""))
		w.output["east"].Set(virtual, output(virtual, "west:"+route))
		w.flush()
		w.converged()
		before := w.viewPositions()
		stop()
		w.materialiser()
		w.materialiser()
		time.Sleep(1500 * time.Millisecond) // several repairs, of two replicas
		if after := w.viewPositions(); !cmp.Equal(before, after) {
			t.Errorf("a restart and rest moved the views:\n%s", cmp.Diff(before, after))
		}
	})
}

func TestClusterThatIsNotKnownKeepsItsRows(t *testing.T) {
	w := newWorld(t, pipelinetest.Embedded(t))
	stop := w.materialiser()
	w.snapshot["east"].Set(service, object(service, ""))
	w.snapshot["west"].Set(service, object(service, ""))
	w.flush()
	w.converged()

	kept := func(what string) {
		t.Helper()
		w.eventually(func() string {
			stored := w.stored()
			east, row := stored[view.ClustersName]["east"].Cluster, stored[rowsOf(t, "east")][service].Row
			if east == nil || row == nil || east.Known || east.Objects != 1 || stored[view.ClustersName]["west"].Cluster == nil {
				return fmt.Sprintf("%s: east is %+v, its row %+v", what, east, row)
			}
			return ""
		})
	}
	if err := w.store.Drop(t.Context(), "snapshot/east"); err != nil {
		t.Fatal(err)
	}
	kept("the snapshot vanished")
	stop()
	stop = w.materialiser()
	time.Sleep(500 * time.Millisecond)
	kept("the ui restarted meanwhile")
	stop()

	// A new epoch whose first list is still under way says less, not more.
	partial := w.store.Owned("snapshot/east", "uid-east")
	partial.Set("Service/shop/other", object("Service/shop/other", ""))
	if err := partial.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.materialiser()
	time.Sleep(500 * time.Millisecond)
	kept("the snapshot is not complete")
	partial.Complete()
	if err := partial.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.converged()
}

func TestGarbageInAStreamDelaysNothing(t *testing.T) {
	w := newWorld(t, pipelinetest.Embedded(t))
	w.materialiser()
	w.flush()
	ctx := t.Context()
	stream := keyspace.Name("snapshot/east").EventsKey()
	if err := w.client.XAdd(ctx, &redis.XAddArgs{Stream: stream, Values: []any{"payload", "garbage"}}).Err(); err != nil {
		t.Fatal(err)
	}
	w.snapshot["east"].Set(service, object(service, ""))
	w.flush()
	w.converged()
}

func TestClusterThatWasNeverKnownHasNoRows(t *testing.T) {
	w := newWorld(t, pipelinetest.Embedded(t))
	w.materialiser()
	wanted := w.store.Derived("output/north")
	wanted.Set(virtual, output(virtual, "east:"+route))
	wanted.Complete()
	if err := wanted.Flush(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	w.eventually(func() string {
		if north := w.stored()[view.ClustersName]["north"].Cluster; north == nil || north.Known {
			return fmt.Sprintf("north is %+v, want it there and not known", north)
		}
		return ""
	})
	if meta, err := w.store.Meta(t.Context(), rowsOf(t, "north")); err != nil || meta.Exists() {
		t.Errorf("the rows of north are at %s (%v), want none written", meta.Position, err)
	}
}
