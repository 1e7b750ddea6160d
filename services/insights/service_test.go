package insights_test

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
	"go.opentelemetry.io/otel/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/work"
	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/services/insights"
	"github.com/meshweir/meshweir/services/insights/check"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bed is a fleet whose agents are the test's, with real insights on a Redis.
type bed struct {
	t      *testing.T
	client redis.UniversalClient
	store  *keyspace.Store
	agents map[string]*keyspace.Owned
	// repair is RepairEvery of the services. An hour, unless the test is about it: a repair would hide what an event should have done.
	repair   time.Duration
	settings check.Settings
	tracer   trace.Tracer
	meter    metric.Meter
}

func newBed(t *testing.T, client redis.UniversalClient, clusters ...string) *bed {
	t.Helper()
	store, err := keyspace.NewStore(slog.New(slog.DiscardHandler), client, keyspace.Config{Block: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{t: t, client: client, store: store, agents: map[string]*keyspace.Owned{}, repair: time.Hour}
	for _, name := range clusters {
		b.agents[name] = store.Owned(keyspace.Name("snapshot/"+name), "uid of "+name)
		b.agents[name].Complete()
		b.publish(name)
		b.beat(name, time.Hour)
	}
	return b
}

func (b *bed) publish(cluster string, objects ...manifest) {
	b.t.Helper()
	for _, o := range objects {
		b.agents[cluster].Set(o.key().String(), o.json())
	}
	if err := b.agents[cluster].Check(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) remove(cluster string, objects ...manifest) {
	b.t.Helper()
	for _, o := range objects {
		b.agents[cluster].Delete(o.key().String())
	}
	b.publish(cluster)
}

func (b *bed) beat(cluster string, ttl time.Duration) {
	b.t.Helper()
	if err := b.agents[cluster].Beat(b.t.Context(), []byte(`{"version":"test"}`), ttl); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) member(cluster, state string) {
	b.t.Helper()
	value, err := json.Marshal(internalv1.Membership{State: state, At: time.Unix(1, 0).UTC()})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.store.Shared(insights.RegistryName).Update(b.t.Context(), cluster, func([]byte) ([]byte, error) { return value, nil }); err != nil {
		b.t.Fatal(err)
	}
}

// start runs a replica and returns what ends it.
func (b *bed) start(consumer string) (stop func()) {
	b.t.Helper()
	s, err := insights.New(slog.New(slog.DiscardHandler), b.store, work.Clients{Commands: b.client, Blocking: b.client},
		insights.Config{
			Consumer: consumer, RepairEvery: b.repair, ListenEvery: 50 * time.Millisecond, Settings: b.settings, Tracer: b.tracer, Meter: b.meter,
		})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("Run returned %v", err)
		}
	})
	b.t.Cleanup(stop)
	return stop
}

// startAndPass is start, and waits until the replica has made its first pass, in which it compares and writes all.
func (b *bed) startAndPass(consumer string) (stop func()) {
	b.t.Helper()
	spans := tracetest.NewSpanRecorder()
	b.tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
	defer func() { b.tracer = nil }()
	stop = b.start(consumer)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if slices.ContainsFunc(spans.Ended(), func(span sdktrace.ReadOnlySpan) bool { return span.Name() == "insights.pass" }) {
			return stop
		}
		<-time.After(5 * time.Millisecond)
	}
	b.t.Fatalf("%s made no pass", consumer)
	return nil
}

// stored is what insight/* holds.
func (b *bed) stored() map[string]insight.Insight {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	found := map[string]insight.Insight{}
	err := keyspace.Once(ctx, b.store, keyspace.ReplicaConfig[insight.Insight]{
		Names: []keyspace.Name{insights.FleetName}, Kinds: []string{insights.Kind},
		Decode: func(_ string, value []byte) (said insight.Insight, err error) {
			err = json.Unmarshal(value, &said)
			return said, err
		},
	}, func(v keyspace.View[insight.Insight]) {
		for _, name := range v.Names() {
			maps.Insert(found, v.All(name))
		}
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return found
}

// await waits until exactly these insights are stored, those that begin with "?" as unknown.
func (b *bed) await(ids ...string) map[string]insight.Insight {
	b.t.Helper()
	slices.Sort(ids)
	var got []string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		stored := b.stored()
		got = nil
		for id, said := range stored {
			if said.Unknown != "" {
				id = "?" + id
			}
			got = append(got, id)
		}
		slices.Sort(got)
		if slices.Equal(got, ids) {
			return stored
		}
		<-time.After(20 * time.Millisecond)
	}
	b.t.Fatalf("insights are %q, want %q", got, ids)
	return nil
}

// awaitStored waits until a keyspace of insights exists.
func (b *bed) awaitStored(name keyspace.Name) {
	b.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		if _, ok := b.revisions()[name]; ok {
			return
		}
	}
	b.t.Fatalf("%s is not stored", name)
}

// revisions are the positions of all keyspaces of insights.
func (b *bed) revisions() map[keyspace.Name]keyspace.Position {
	b.t.Helper()
	names, err := b.store.Names(b.t.Context(), insights.Kind)
	if err != nil {
		b.t.Fatal(err)
	}
	at := map[keyspace.Name]keyspace.Position{}
	for _, name := range names {
		meta, err := b.store.Meta(b.t.Context(), name)
		if err != nil {
			b.t.Fatal(err)
		}
		at[name] = meta.Position
	}
	return at
}

// rest waits until nothing was written for a second.
func (b *bed) rest() {
	b.t.Helper()
	before, since := b.revisions(), time.Now()
	for deadline := since.Add(30 * time.Second); time.Since(since) < time.Second; <-time.After(20 * time.Millisecond) {
		if now := b.revisions(); !maps.Equal(before, now) {
			before, since = now, time.Now()
		}
		if time.Now().After(deadline) {
			b.t.Fatal("the replicas go on writing")
		}
	}
}

func plain(apiVersion, kind, namespace, name string, spec manifest) manifest {
	return manifest{"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{"namespace": namespace, "name": name}, "spec": map[string]any(spec)}
}

func service(name string) manifest { return plain("v1", "Service", "shop", name, manifest{}) }

// meshed is a workload that SEC0109 finds, whatever else is known.
func meshed(name string) manifest {
	labels := map[string]any{"sidecar.istio.io/inject": "true"}
	return plain("apps/v1", "Deployment", "shop", name, manifest{"template": map[string]any{"metadata": map[string]any{"labels": labels}}})
}

func virtualService(name, to string) manifest {
	return plain("networking.istio.io/v1", "VirtualService", "shop", name, manifest{
		"hosts": []any{name + ".example.com"},
		"http":  []any{map[string]any{"route": []any{map[string]any{"destination": map[string]any{"host": to}}}}},
	})
}

func missing(cluster, name, to string) string {
	return fmt.Sprintf("CFG0101/%s/VirtualService.networking.istio.io/shop/%s#%s.shop.svc.cluster.local", cluster, name, to)
}

func TestAnInsightOpensAndClosesByItself(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		b := newBed(t, client, "east", "west")
		b.start("a")
		b.await()
		b.publish("east", virtualService("web", "reviews"), service("web"))
		said := b.await(missing("east", "web", "reviews"))[missing("east", "web", "reviews")]
		if age := time.Since(said.FirstSeen); age < 0 || age > time.Minute || !said.LastChanged.Equal(said.FirstSeen) {
			t.Errorf("it was first seen at %s and last changed at %s, want both now", said.FirstSeen, said.LastChanged)
		}
		b.publish("west", service("reviews"))
		b.await()
		b.remove("west", service("reviews"))
		b.await(missing("east", "web", "reviews"))
		b.remove("east", virtualService("web", "reviews"))
		b.await()
	})
}

func TestReplicasAgreeAndAFleetAtRestMakesNoEvents(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		b := newBed(t, client, "east", "west")
		b.repair = 200 * time.Millisecond
		b.start("a")
		b.start("b")
		var want []string
		for i := range 20 {
			name := fmt.Sprintf("web-%d", i)
			b.publish("east", virtualService(name, "gone"))
			want = append(want, missing("east", name, "gone"))
		}
		b.await(want...)
		b.rest() // replicas that were asked before make their own pass, and agree on times
		before, said := b.revisions(), b.stored()
		b.startAndPass("c")
		<-time.After(time.Second) // some repairs of all three
		if diff := cmp.Diff(before, b.revisions()); diff != "" {
			t.Errorf("a fleet at rest made writes (-before +after):\n%s", diff)
		}
		if diff := cmp.Diff(said, b.stored()); diff != "" {
			t.Errorf("a fleet at rest says something else (-before +after):\n%s", diff)
		}
	})
}

func TestAMissingClusterNeitherOpensNorClosesAnything(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		b := newBed(t, client, "east", "west")
		stop := b.start("a")
		b.publish("west", service("reviews"))
		b.publish("east", virtualService("web", "reviews"), virtualService("old", "gone"))
		b.await(missing("east", "old", "gone"))
		for _, name := range []keyspace.Name{insights.Kind + "/west", "snapshot/west"} {
			if err := b.store.Drop(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		b.await("?"+missing("east", "old", "gone"), "CFG0102/east")
		b.awaitStored(insights.Kind + "/west") // by which who has not seen west knows of it
		stop()
		b.startAndPass("b")
		b.publish("east", meshed("other"))
		said := b.await("?"+missing("east", "old", "gone"), "CFG0102/east", "SEC0109/east")
		if why := said[missing("east", "old", "gone")].Unknown; !strings.Contains(why, "west") {
			t.Errorf("it is unknown because %q, want west named", why)
		}
		b.publish("west")
		b.await(missing("east", "old", "gone"), "SEC0109/east")
	})
}

func TestWhatIsSaidOfAClusterStaysWhileItIsMissingAndGoesWhenItIsDeregistered(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		b := newBed(t, client, "east", "west")
		b.start("a")
		b.publish("west", virtualService("web", "gone"))
		before := b.await(missing("west", "web", "gone"))
		if err := client.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		b.publish("east")
		b.beat("east", time.Hour)
		b.beat("west", time.Hour)
		// A pass between the two flushed keyspaces may also say CFG0102 of west.
		var after map[string]insight.Insight
		for deadline := time.Now().Add(30 * time.Second); after[missing("west", "web", "gone")].Unknown == ""; <-time.After(20 * time.Millisecond) {
			if after = b.stored(); time.Now().After(deadline) {
				t.Fatalf("insights are %v, want one of west that is unknown", after)
			}
		}
		if a, b := before[missing("west", "web", "gone")].FirstSeen, after[missing("west", "web", "gone")].FirstSeen; !a.Equal(b) {
			t.Errorf("first seen was %s and is %s since Redis lost its memory", a, b)
		}
		b.member("west", internalv1.Deregistered)
		b.await()
		if err := b.store.Drop(t.Context(), "insight/west"); err != nil {
			t.Fatal(err)
		}
		b.publish("east", service("web")) // some more passes
		b.publish("east", virtualService("web", "gone"))
		b.await(missing("east", "web", "gone"))
		if meta, err := b.store.Meta(t.Context(), "insight/west"); err != nil || meta.Exists() {
			t.Errorf("insight/west exists again (%v, %v) though west is deregistered", meta.Position, err)
		}
	})
}

// What `meshweir cluster deregister` does, while the service works: the entry in the registry first, then all that is known.
func TestWhatDeregisterTakesAwayClosesAndIsNotMadeAgain(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		b := newBed(t, client, "east", "west")
		b.settings.SilentAfter = 200 * time.Millisecond
		b.repair = 200 * time.Millisecond
		b.start("a")
		b.start("b")
		for range 3 {
			b.publish("west", virtualService("web", "gone"))
			b.await(missing("west", "web", "gone"))
			if err := client.Del(t.Context(), keyspace.Name("snapshot/west").BeatKey()).Err(); err != nil {
				t.Fatal(err)
			}
			b.await(missing("west", "web", "gone"), "HLT0113/west")
			b.member("west", internalv1.Deregistered)
			for _, kind := range []string{"snapshot", "applied", insights.Kind} {
				if err := b.store.Drop(t.Context(), keyspace.Name(kind+"/west")); err != nil {
					t.Fatal(err)
				}
			}
			b.await()
			<-time.After(500 * time.Millisecond) // some repairs
			if meta, err := b.store.Meta(t.Context(), "insight/west"); err != nil || meta.Exists() {
				t.Errorf("insight/west is there at %s (%v), though west is deregistered", meta.Position, err)
			}
			b.member("west", internalv1.Registered)
			b.beat("west", time.Hour)
			b.await()
		}
	})
}

func TestReportsThatRedisLostCountUntilAllAreBack(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		b := newBed(t, client, "east")
		b.start("a")
		var all []string
		now := time.Now().UTC()
		reports := func(complete bool, names ...string) {
			agent := b.store.Owned("applied/east", "uid of east")
			if complete {
				agent.Complete()
			}
			for _, name := range names {
				value, err := json.Marshal(internalv1.Applied{
					Result: internalv1.ResultApplied, Drift: &internalv1.Drift{Times: 3, First: now, Last: now},
				})
				if err != nil {
					t.Fatal(err)
				}
				agent.Set("VirtualService.networking.istio.io/shop/"+name, value)
			}
			if err := agent.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"one", "two"} {
			all = append(all, "CFG0117/east/VirtualService.networking.istio.io/shop/"+name)
		}
		reports(true, "one", "two")
		b.await(all...)
		if err := b.store.Drop(t.Context(), "applied/east"); err != nil {
			t.Fatal(err)
		}
		// What follows is seen one by one: each is waited for.
		b.publish("east", meshed("first"))
		b.await(append(all, "SEC0109/east")...)
		reports(false, "one")
		b.remove("east", meshed("first"))
		b.await(all...)
		reports(true, "one", "two")
		b.publish("east", meshed("second"))
		b.await(append(all, "SEC0109/east")...)
		reports(true, "one")
		b.await(all[0], "SEC0109/east")
	})
}

func TestASilentAgentIsFoundAfterItsTimeAndClosedWhenItSpeaks(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		b := newBed(t, client, "east", "west")
		b.settings.SilentAfter = 400 * time.Millisecond
		stop := b.start("a")
		b.await()
		if err := client.Del(t.Context(), keyspace.Name("snapshot/west").BeatKey()).Err(); err != nil {
			t.Fatal(err)
		}
		before := b.await("HLT0113/west")
		b.settings.SilentAfter = time.Hour
		stop()
		b.startAndPass("b") // it does not know since when, and leaves that to what is stored
		b.publish("east", meshed("web"))
		after := b.await("?HLT0113/west", "SEC0109/east")
		if diff := cmp.Diff(before["HLT0113/west"].FirstSeen, after["HLT0113/west"].FirstSeen); diff != "" {
			t.Errorf("another replica changed it: %s", diff)
		}
		b.beat("west", time.Hour)
		b.await("SEC0109/east")
	})
}

func TestFirstSeenSurvivesARestart(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		b := newBed(t, client, "east")
		stop := b.start("a")
		b.publish("east", virtualService("web", "gone"))
		before := b.await(missing("east", "web", "gone"))
		stop()
		<-time.After(1100 * time.Millisecond) // times are in seconds
		b.start("b")
		b.publish("east", virtualService("other", "gone"))
		after := b.await(missing("east", "web", "gone"), missing("east", "other", "gone"))
		if diff := cmp.Diff(before[missing("east", "web", "gone")], after[missing("east", "web", "gone")]); diff != "" {
			t.Errorf("a restart changed it (-before +after):\n%s", diff)
		}
	})
}
