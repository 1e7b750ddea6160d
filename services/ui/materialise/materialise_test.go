package materialise_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/work"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/ui/materialise"
	"github.com/meshweir/meshweir/services/ui/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world writes what the other services write, and reads the views.
type world struct {
	t        *testing.T
	client   redis.UniversalClient
	store    *keyspace.Store
	snapshot map[string]*keyspace.Owned
	applied  map[string]*keyspace.Owned
	output   map[string]*keyspace.Derived
	status   map[string]*keyspace.Derived
	views    *keyspace.Replica[view.Record]
}

func newWorld(t *testing.T, client redis.UniversalClient) *world {
	t.Helper()
	w := &world{
		t: t, client: client, store: open(t, client),
		snapshot: map[string]*keyspace.Owned{}, applied: map[string]*keyspace.Owned{},
		output: map[string]*keyspace.Derived{}, status: map[string]*keyspace.Derived{},
	}
	var err error
	w.views, err = keyspace.NewReplica(w.store, keyspace.ReplicaConfig[view.Record]{Kinds: []string{view.KindView}, Decode: view.DecodeRecord})
	if err != nil {
		t.Fatal(err)
	}
	running(t, w.views.Run)
	for _, cluster := range []string{"east", "west"} {
		w.snapshot[cluster] = w.store.Owned(view.SourceName(view.KindSnapshot, cluster), "uid-"+cluster)
		w.applied[cluster] = w.store.Owned(view.SourceName(view.KindApplied, cluster), "uid-"+cluster)
		w.output[cluster] = w.store.Derived(view.SourceName(view.KindOutput, cluster))
		w.status[cluster] = w.store.Derived(view.SourceName(view.KindStatus, cluster))
		w.snapshot[cluster].Complete()
		w.applied[cluster].Complete()
		w.output[cluster].Complete()
		w.status[cluster].Complete()
	}
	return w
}

func open(t *testing.T, client redis.UniversalClient) *keyspace.Store {
	t.Helper()
	store, err := keyspace.NewStore(slog.New(slog.DiscardHandler), client, keyspace.Config{Block: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// running runs until the returned function is called, or the test ends.
func running(t *testing.T, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// materialiser runs a replica of the ui's first half.
func (w *world) materialiser() (stop func()) {
	w.t.Helper()
	m, err := materialise.New(slog.New(slog.DiscardHandler), open(w.t, w.client),
		work.Clients{Commands: w.client, Blocking: w.client}, materialise.Config{RepairEvery: time.Hour})
	if err != nil {
		w.t.Fatal(err)
	}
	return running(w.t, m.Run)
}

func (w *world) flush() {
	w.t.Helper()
	ctx := w.t.Context()
	for _, cluster := range []string{"east", "west"} {
		for _, err := range []error{
			w.snapshot[cluster].Flush(ctx), w.output[cluster].Flush(ctx, nil),
			w.status[cluster].Flush(ctx, nil), w.applied[cluster].Flush(ctx),
		} {
			if err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// heal writes again what Redis has lost, as the other services would.
func (w *world) heal() {
	w.t.Helper()
	ctx := w.t.Context()
	for _, cluster := range []string{"east", "west"} {
		for _, err := range []error{
			w.snapshot[cluster].Check(ctx), w.output[cluster].Check(ctx, nil),
			w.status[cluster].Check(ctx, nil), w.applied[cluster].Check(ctx),
		} {
			if err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// records is what the views hold.
type records map[keyspace.Name]map[string]view.Record

func (w *world) stored() records {
	all := records{}
	w.views.View(func(v keyspace.View[view.Record]) {
		for _, name := range v.Names() {
			if _, past := view.ClusterOfHistory(name); !past && v.Meta(name).Exists() {
				all[name] = maps.Collect(v.All(name))
			}
		}
	})
	return all
}

// computed makes all views from nothing, with the pure functions alone.
func (w *world) computed() records {
	w.t.Helper()
	sources, err := keyspace.NewReplica(w.store, keyspace.ReplicaConfig[view.Fact]{Names: []keyspace.Name{view.RegistryName}, Kinds: view.FollowedKinds(), Decode: view.DecodeFact})
	if err != nil {
		w.t.Fatal(err)
	}
	stop := running(w.t, sources.Run)
	defer stop()
	<-sources.Synced()
	all := records{view.ClustersName: {}}
	sources.View(func(v keyspace.View[view.Fact]) {
		lineage, feeds := view.Lineage{}, view.Feeds{}
		for _, name := range v.Names() {
			if name.Kind() == view.KindOutput {
				for key, fact := range v.All(name) {
					lineage.Move(view.Ref{Cluster: name.Instance(), Key: key}, nil, fact.Sources)
					feeds.Move(view.Ref{Cluster: name.Instance(), Key: key}, nil, fact.Sources)
				}
			}
		}
		for _, cluster := range []string{"east", "west"} {
			s := view.SourcesOf(v, cluster)
			var counts view.Counts
			name, err := view.ResourcesName(cluster)
			if err != nil {
				w.t.Fatal(err)
			}
			all[name] = map[string]view.Record{}
			for key := range s.Keys(func(func(string) bool) {}) {
				if row, ok := view.RowOf(s.Facts(key, lineage)); ok {
					counts.Move(key, nil, &row)
					all[name][key] = view.Record{Row: &row}
				}
			}
			record := view.ClusterOf(view.Cluster{}, s.Metas, counts)
			record.Feeds = feeds[cluster]
			if registered, ok := v.Get(view.RegistryName, cluster); ok {
				record.RegisteredAt = registered.Member.At
			}
			all[view.ClustersName][cluster] = view.Record{Cluster: &record}
		}
	})
	return all
}

// converged waits until the views are what the pure functions make of the sources.
func (w *world) converged() {
	w.t.Helper()
	w.eventually(func() string { return cmp.Diff(asJSON(w.t, w.computed()), asJSON(w.t, w.stored())) })
}

// eventually waits until differs returns nothing.
func (w *world) eventually(differs func() string) {
	w.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; {
		diff := differs()
		if diff == "" {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("waited in vain:\n%s", diff)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func asJSON(t *testing.T, r records) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for name, values := range r {
		for key, value := range values {
			b, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			texts[string(name)+" "+key] = string(b)
		}
	}
	return texts
}

// viewPositions returns where each view stands.
func (w *world) viewPositions() map[keyspace.Name]string {
	w.t.Helper()
	names, err := w.store.Names(w.t.Context(), view.KindView)
	if err != nil {
		w.t.Fatal(err)
	}
	at := map[keyspace.Name]string{}
	for _, name := range names {
		if _, past := view.ClusterOfHistory(name); past {
			continue // it is written apart from the views
		}
		meta, err := w.store.Meta(w.t.Context(), name)
		if err != nil {
			w.t.Fatal(err)
		}
		at[name] = meta.Position.String()
	}
	return at
}

func object(key, more string) []byte {
	k, err := resource.ParseKey(key)
	if err != nil {
		panic(err)
	}
	version := "v1"
	if k.Group != "" {
		version = k.Group + "/v1"
	}
	return fmt.Appendf(nil, `{"apiVersion":%q,"kind":%q,"metadata":{"namespace":%q,"name":%q%s}}`, version, k.Kind, k.Namespace, k.Name, more)
}

func output(key string, sources ...string) []byte {
	slices.Sort(sources)
	return object(key, fmt.Sprintf(`,"labels":{%q:%q},"annotations":{%q:%q}`,
		resource.ManagedByLabel, resource.ManagedBy, resource.SourcesAnnotation, strings.Join(sources, ",")))
}
