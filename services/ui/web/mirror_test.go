package web

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/services/ui/view"
)

// damage makes a value such that nobody can read it.
func damage(t *testing.T, client redis.UniversalClient, name keyspace.Name, key string) {
	t.Helper()
	for b := range 64 {
		at := name.BucketKey(b)
		if client.HExists(t.Context(), at, key).Val() {
			if err := client.HSet(t.Context(), at, key, "garbage").Err(); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("%s has no %s", name, key)
}

// remember writes a history with one step of which a page says what.
func remember(t *testing.T, store *keyspace.Store, key, what string) {
	t.Helper()
	name, err := view.HistoryName("east")
	if err != nil {
		t.Fatal(err)
	}
	err = store.Shared(name).Update(t.Context(), key, func([]byte) ([]byte, error) {
		return view.Record{History: &view.History{Steps: []view.Transition{{
			At: time.Unix(1_000_000, 0), Kind: view.KindSnapshot, Position: "1-0000000a/2", Changes: []view.Change{{What: what, Before: "a", After: "b"}},
		}}}}.Encode()
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestOneUnreadableValueHidesNothingElse(t *testing.T) {
	client := pipelinetest.Embedded(t)
	store, err := keyspace.NewStore(slog.New(slog.DiscardHandler), client, keyspace.Config{Block: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	found := store.Derived(view.FleetInsightsName)
	say := func(code, title string) {
		t.Helper()
		found.Set(code, fmt.Appendf(nil, `{"code":%q,"severity":"warning","title":%q}`, code, title))
		found.Complete()
		if err := found.Flush(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	say("CFG0101", "first title")
	say("CFG0102", "unreadable title")
	const other, lost = "Service/shop/other", "Service/shop/lost"
	remember(t, store, cart, "spec.readable")
	remember(t, store, lost, "spec.lost")
	past, err := view.HistoryName("east")
	if err != nil {
		t.Fatal(err)
	}
	damage(t, client, view.FleetInsightsName, "CFG0102")
	damage(t, client, past, lost)

	s := newSiteOn(t, client, Config{})
	s.eventually("/insights", "first title")
	s.eventually("/resources/east/"+cart, "spec.readable")
	// What is written meanwhile is shown, what is taken away stays.
	say("CFG0103", "third title")
	s.eventually("/insights", "third title")
	s.set(other, view.Row{Place: view.PlaceLive})
	remember(t, store, other, "spec.written")
	s.eventually("/resources/east/"+other, "spec.written")
	err = store.Shared(past).Update(t.Context(), cart, func([]byte) ([]byte, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	remember(t, store, other, "spec.later")
	s.eventually("/resources/east/"+other, "spec.later")
	if _, body := s.get("/resources/east/" + cart); !strings.Contains(body, "spec.readable") {
		t.Error("a history went while not all could be read")
	}
	if f, _ := s.server.mirror.fleet(); f.Looked {
		t.Error("somebody is said to have looked at all, and not all can be read")
	}
	// Once all can be read, what is shown is what is there.
	say("CFG0102", "readable title")
	s.eventually("/insights", "readable title")
	remember(t, store, lost, "spec.found")
	s.goes("/resources/east/"+cart, "spec.readable")
	if f, _ := s.server.mirror.fleet(); !f.Looked || len(f.Insights) != 3 || len(f.Histories["east"]) != 2 {
		t.Errorf("%d insights (looked: %t) and %d histories, want 3 and 2", len(f.Insights), f.Looked, len(f.Histories["east"]))
	}
}

func TestTheNextClusterOfANameHasNoPast(t *testing.T) {
	s := newSite(t, Config{})
	remember(t, s.store, cart, "spec.old")
	s.eventually("/resources/east/"+cart, "spec.old")
	s.clusters.Delete("east")
	s.flush()
	for deadline := time.Now().Add(30 * time.Second); ; {
		if status, _ := s.get("/clusters/east"); status == http.StatusNotFound {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the cluster is still shown")
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, name := range []func(string) (keyspace.Name, error){view.ResourcesName, view.HistoryName} {
		of, err := name("east")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.store.Drop(t.Context(), of); err != nil {
			t.Fatal(err)
		}
	}
	m := s.server.mirror
	for deadline := time.Now().Add(30 * time.Second); ; {
		m.mu.Lock()
		rows, past := m.rows["east"], len(m.histories["east"])
		m.mu.Unlock()
		if rows == nil && past == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("rows (%v) and %d histories are left of a cluster that was dropped", rows, past)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
