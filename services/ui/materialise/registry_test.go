package materialise_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/services/ui/view"
)

// member writes what `meshweir cluster register` and `deregister` write.
func (w *world) member(cluster, state string) {
	w.t.Helper()
	err := w.store.Shared(view.RegistryName).Update(w.t.Context(), cluster, func([]byte) ([]byte, error) {
		return json.Marshal(internalv1.Membership{State: state, At: time.Unix(1_000_000, 0)})
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// shown waits until the views have a cluster, its rows and its histories, or nothing of it.
func (w *world) shown(cluster string, want bool) {
	w.t.Helper()
	w.eventually(func() string {
		stored := w.stored()
		_, listed := stored[view.ClustersName][cluster]
		rows, past := len(stored[rowsOf(w.t, cluster)]), len(w.past(cluster))
		if listed != want || (rows > 0) != want || (past > 0) != want {
			return fmt.Sprintf("%s is listed: %t, with %d rows and %d histories; want it there: %t", cluster, listed, rows, past, want)
		}
		return ""
	})
}

func TestADeregisteredClusterIsTakenAwayUntilItIsRegisteredAgain(t *testing.T) {
	w := newWorld(t, pipelinetest.Embedded(t))
	stop := w.materialiser()
	w.materialiser()
	w.flush()
	w.converged()
	w.snapshot["west"].Set(service, object(service, ""))
	w.output["west"].Set(virtual, output(virtual, "east:"+route))
	w.flush()
	w.shown("west", true)

	// As the command does it: what an agent that lives still writes is not shown either.
	w.member("west", internalv1.Deregistered)
	w.shown("west", false)
	for _, name := range []keyspace.Name{"output/west", "status/west", "applied/west"} {
		if err := w.store.Drop(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	w.snapshot["west"].Set(route, object(route, ""))
	w.snapshot["east"].Set(route, object(route, ""))
	w.flush()
	w.shown("east", true)
	w.shown("west", false)

	// Nor does a replica bring it back that begins later.
	stop()
	w.materialiser()
	w.snapshot["east"].Set(service, object(service, ""))
	w.flush()
	w.eventually(func() string {
		if rows := w.stored()[rowsOf(t, "east")]; len(rows) != 2 {
			return fmt.Sprintf("east has %d rows, want 2", len(rows))
		}
		return ""
	})
	w.shown("west", false)

	w.member("west", internalv1.Registered)
	w.converged()
	w.snapshot["west"].Set(service, object(service, `},"spec":{"ports":[{"port":80}]`))
	w.flush()
	w.shown("west", true)
}

// westDeregistered is a world in which west was shown, and deregistered while nobody materialised.
func westDeregistered(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, pipelinetest.Embedded(t))
	stop := w.materialiser()
	w.flush()
	w.converged()
	w.snapshot["west"].Set(service, object(service, ""))
	w.flush()
	w.shown("west", true)
	stop()
	w.member("west", internalv1.Deregistered)
	return w
}

func TestWhatIsStoredOfADeregisteredClusterIsTakenAwayOnStart(t *testing.T) {
	w := westDeregistered(t)
	if err := w.store.Drop(t.Context(), "snapshot/west"); err != nil {
		t.Fatal(err)
	}
	w.materialiser()
	w.shown("west", false)
}

func TestWhatWasDroppedOfADeregisteredClusterIsNotWrittenAnew(t *testing.T) {
	w := westDeregistered(t)
	past, err := view.HistoryName("west")
	if err != nil {
		t.Fatal(err)
	}
	dropped := []keyspace.Name{"snapshot/west", "output/west", "status/west", "applied/west", rowsOf(t, "west"), past}
	for _, name := range dropped {
		if err := w.store.Drop(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	w.materialiser() // view/clusters still lists it
	w.shown("west", false)
	w.snapshot["east"].Set(service, object(service, ""))
	if err := w.snapshot["east"].Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.shown("east", true) // in a pass after the one that took west away
	for _, name := range dropped {
		if meta, err := w.store.Meta(t.Context(), name); err != nil || meta.Exists() {
			t.Errorf("%s is there again (%v)", name, err)
		}
	}
}

// expected waits until north, which nobody has seen, is listed as want, or not at all.
func (w *world) expected(want *view.Cluster) {
	w.t.Helper()
	w.eventually(func() string { return cmp.Diff(want, w.stored()[view.ClustersName]["north"].Cluster) })
}

func TestARegisteredClusterIsListedAsNotKnownUntilItIsSeen(t *testing.T) {
	w := newWorld(t, pipelinetest.Embedded(t))
	w.materialiser()
	w.flush()
	w.converged()
	registered := view.Cluster{RegisteredAt: time.Unix(1_000_000, 0).UTC()}
	w.member("north", internalv1.Registered)
	w.expected(&registered)
	w.member("north", internalv1.Deregistered)
	w.expected(nil)
	w.member("north", internalv1.Registered)
	w.expected(&registered)
	north := w.store.Owned("snapshot/north", "uid-north")
	north.Complete()
	if err := north.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.eventually(func() string {
		if c := w.stored()[view.ClustersName]["north"].Cluster; c == nil || !c.Known || !c.Seen() || !c.RegisteredAt.Equal(registered.RegisteredAt) {
			return fmt.Sprintf("north was seen, and is listed as %+v", c)
		}
		return ""
	})
}

func TestAClusterThatFeedsOthersIsListedUnseenForAsLongAsItDoes(t *testing.T) {
	w := newWorld(t, pipelinetest.Embedded(t))
	stop := w.materialiser()
	w.output["west"].Set(virtual, output(virtual, "east:"+route+",north:"+route+",north:"+service))
	w.output["east"].Set(virtual, output(virtual, "north:"+route))
	w.flush()
	w.expected(&view.Cluster{Feeds: map[string]int{"east": 1, "west": 1}})
	w.output["east"].Delete(virtual)
	w.flush()
	w.expected(&view.Cluster{Feeds: map[string]int{"west": 1}})

	// It leaves also where a replica finds it in the list that begins later.
	stop()
	w.output["west"].Set(virtual, output(virtual, "east:"+route))
	w.flush()
	w.materialiser()
	w.expected(nil)
	if meta, err := w.store.Meta(t.Context(), rowsOf(t, "north")); err != nil || meta.Exists() {
		t.Errorf("the rows of a cluster that nobody saw are there (%v)", err)
	}
}
