package agent

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/cluster"
	"github.com/meshweir/meshweir/services/agent/snapshot"
)

func TestAppliesItsOutput(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		x := newFixture(t, client, map[string]string{"east/cart.yaml": service("cart", "one")})
		x.output(map[string]string{routeKey: route("a.example.com")})
		x.start()
		record := x.result(routeKey, internalv1.ResultApplied)
		if want := x.meta(outputEast).Position.String(); record.Output != want || record.Hash == "" || record.Message != "" {
			t.Errorf("got %+v, want output %s and a hash", record, want)
		}
		if text := x.read(routeFile); !strings.Contains(text, "meshweir.io/output: "+record.Output) || !strings.Contains(text, "a.example.com") {
			t.Errorf("got file %s", text)
		}
		x.has(snapshotEast, routeKey, "a.example.com") // it is a part of the cluster now

		x.output(map[string]string{routeKey: route("b.example.com")})
		x.eventually("the new host", func() bool { return strings.Contains(x.read(routeFile), "b.example.com") })
		x.output(nil)
		x.eventually("the end of the route", func() bool { return x.read(routeFile) == "" && x.get(appliedEast, routeKey) == "" })
		x.eventually("its end in the snapshot", func() bool { return x.get(snapshotEast, routeKey) == "" })
	})
}

func TestNothingIsTakenAwayBecauseItIsUnknown(t *testing.T) {
	x := newFixture(t, pipelinetest.Embedded(t), map[string]string{"east/cart.yaml": service("cart", "one")})
	x.start()
	x.complete(snapshotEast)
	x.output(map[string]string{routeKey: route("a.example.com")})
	x.result(routeKey, internalv1.ResultApplied)

	steps := []struct {
		name string
		do   func()
	}{
		{"the output vanishes", func() { x.must(x.client.Del(t.Context(), outputEast.MetaKey(), outputEast.EventsKey()).Err()) }},
		{"Redis is flushed", func() { x.must(x.client.FlushAll(t.Context()).Err()) }},
		{"an output that is not whole yet", func() {
			d := x.store.Derived(outputEast)
			d.Set("ServiceEntry.networking.istio.io/shop/a", []byte(strings.ReplaceAll(route("x"), "VirtualService", "ServiceEntry")))
			x.must(d.Flush(t.Context(), nil))
		}},
	}
	for _, step := range steps {
		step.do()
		x.write("east/cart.yaml", service("cart", "after-"+strings.ReplaceAll(step.name, " ", "-"))) // makes the agent look
		time.Sleep(300 * time.Millisecond)
		if x.read(routeFile) == "" {
			t.Fatalf("%s: the route was taken away", step.name)
		}
	}
	if got, _ := filepath.Glob(filepath.Join(x.dir, "applied/east/ServiceEntry*")); len(got) > 0 {
		t.Errorf("got %v applied from an output that is not whole", got)
	}
	x.has(snapshotEast, routeKey, "a.example.com")
	x.output(nil)
	x.eventually("the end of the route, once it is known", func() bool { return x.read(routeFile) == "" })
}

// slow is a cluster whose changes are seen only once it is told so.
type slow struct {
	cluster.Cluster
	seen chan struct{} // closed when changes may be seen
}

func (s *slow) Run(ctx context.Context, recall snapshot.Recall, deliver func(snapshot.Delivery)) error {
	return s.Cluster.Run(ctx, recall, func(d snapshot.Delivery) {
		if !d.Synced {
			select {
			case <-s.seen:
			case <-ctx.Done():
			}
		}
		deliver(d)
	})
}

func TestNothingIsTakenAwayThatRedisForgotBeforeItWasInTheSnapshot(t *testing.T) {
	const other = "VirtualService.networking.istio.io/shop/other"
	x := newFixture(t, pipelinetest.Embedded(t), map[string]string{"east/cart.yaml": service("cart", "one")})
	seen := make(chan struct{})
	x.startWith(func(a *Agent) {
		open := a.open
		a.open = func() (cluster.Cluster, error) {
			target, err := open()
			return &slow{target, seen}, err
		}
	})
	x.complete(snapshotEast)
	x.output(map[string]string{routeKey: route("a.example.com")})
	x.result(routeKey, internalv1.ResultApplied)
	before := x.meta(snapshotEast).Epoch
	x.must(x.client.FlushAll(t.Context()).Err())
	x.eventually("the snapshot in a new epoch", func() bool { meta := x.meta(snapshotEast); return meta.Complete && meta.Epoch != before })

	// The translator cannot know that there is a route.
	x.output(map[string]string{other: strings.Replace(route("b.example.com"), `"web"`, `"other"`, 1)})
	x.result(other, internalv1.ResultApplied)
	if x.read(routeFile) == "" {
		t.Fatal("the route was taken away by an output that was computed without it in sight")
	}
	close(seen)
	x.has(snapshotEast, routeKey, "a.example.com")
	if x.read(routeFile) == "" {
		t.Fatal("the route was taken away as soon as it was published")
	}
	// Now it does, and wants none all the same: the inputs move, the output stays as it is.
	revision := x.meta(outputEast).Revision
	x.output(map[string]string{other: strings.Replace(route("b.example.com"), `"web"`, `"other"`, 1)})
	if got := x.meta(outputEast).Revision; got != revision {
		t.Fatalf("the output moved from %d to %d, want the same with new inputs", revision, got)
	}
	x.eventually("the end of the route", func() bool { return x.read(routeFile) == "" })
}

func TestRefusesWhatIsOlderThanWhatItApplied(t *testing.T) {
	x := newFixture(t, pipelinetest.Embedded(t), map[string]string{"east/cart.yaml": service("cart", "one")})
	x.start()
	x.complete(snapshotEast)
	x.output(map[string]string{routeKey: route("a.example.com")})
	x.result(routeKey, internalv1.ResultApplied)
	x.must(x.stop())

	t.Run("the whole output", func(t *testing.T) {
		newer := keyspace.Position{Epoch: keyspace.Epoch{Millis: time.Now().Add(time.Hour).UnixMilli(), Nonce: "ff"}, Revision: 1}
		memory := x.read("applied/east/.meshweir.json")
		x.write("applied/east/.meshweir.json", strings.Replace(memory, x.meta(outputEast).Position.String(), newer.String(), 1))
		x.output(map[string]string{routeKey: route("b.example.com")})
		x.start()
		if got := x.result(routeKey, internalv1.ResultRefused); got.Output != newer.String() || !strings.Contains(got.Message, "applied up to") {
			t.Errorf("got %+v, want how far was applied before", got)
		}
		x.output(nil)
		time.Sleep(200 * time.Millisecond)
		if !strings.Contains(x.read(routeFile), "a.example.com") {
			t.Errorf("got %s, want the route as it was", x.read(routeFile))
		}
		const refused = "RefusedOutput.internal.meshweir.io//output"
		x.eventually("the snapshot to say how far was applied", func() bool {
			value, _, err := x.store.Get(t.Context(), snapshotEast, refused)
			return err == nil && strings.Contains(string(value), `"meshweir.io/output":"`+newer.String())
		})
		// Whoever writes the output is told what was seen, and opens a newer epoch.
		d := x.store.Derived(outputEast)
		x.must(d.Seen(t.Context(), newer))
		d.Set(routeKey, []byte(route("c.example.com")))
		d.Complete()
		x.must(d.Flush(t.Context(), x.inputs()))
		x.eventually("the new route", func() bool { return strings.Contains(x.read(routeFile), "c.example.com") })
		x.result(routeKey, internalv1.ResultApplied)
		x.eventually("the snapshot to say so no more", func() bool {
			_, _, err := x.store.Get(t.Context(), snapshotEast, refused)
			return errors.Is(err, keyspace.ErrNotFound)
		})
	})
	t.Run("one object", func(t *testing.T) {
		x.must(x.stop())
		old := x.meta(outputEast).Position.String()
		newer := keyspace.Position{Epoch: keyspace.Epoch{Millis: time.Now().Add(2 * time.Hour).UnixMilli(), Nonce: "ff"}, Revision: 9}.String()
		x.write(routeFile, strings.Replace(strings.Replace(x.read(routeFile), old, newer, 1), "c.example.com", "d.example.com", 1))
		x.start()
		x.result(routeKey, internalv1.ResultRefused)
		if !strings.Contains(x.read(routeFile), "d.example.com") {
			t.Errorf("got %s, want what is newer than the output", x.read(routeFile))
		}
	})
}

func TestChangesByHandAreMendedAndCounted(t *testing.T) {
	x := newFixture(t, pipelinetest.Embedded(t), map[string]string{"east/cart.yaml": service("cart", "one")})
	x.start()
	x.output(map[string]string{routeKey: route("a.example.com")})
	x.result(routeKey, internalv1.ResultApplied)
	x.complete(snapshotEast)
	x.has(snapshotEast, routeKey, "a.example.com")
	good := x.read(routeFile)
	for i, edit := range []func(){
		func() { x.write(routeFile, strings.Replace(good, "a.example.com", "hand.example.com", 1)) },
		func() { x.must(os.Remove(filepath.Join(x.dir, routeFile))) },
		func() { x.write(routeFile, good+"  broken: [\n") },
	} {
		edit()
		x.eventually("the file to be mended", func() bool { return x.read(routeFile) == good })
		x.eventually("the drift to be counted", func() bool { b := x.beat(); return b != nil && b.Drift == i+1 })
	}
	x.eventually("the report of it, which names nobody", func() bool {
		d := x.applied(routeKey).Drift
		return d != nil && d.Times == 3 && d.Unnamed == 3 && slices.Equal(d.Fields, []string{"spec.hosts[0]"})
	})
}

func TestConflictIsReportedAndLeftAlone(t *testing.T) {
	mine := "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web, namespace: shop}\nspec: {hosts: [mine]}\n"
	x := newFixture(t, pipelinetest.Embedded(t), map[string]string{"east/web.yaml": mine})
	var log pipelinetest.Buffer
	x.log = slog.New(slog.NewTextHandler(&log, nil))
	x.start()
	x.complete(snapshotEast)
	x.output(map[string]string{routeKey: route("a.example.com")})
	if got := x.result(routeKey, internalv1.ResultConflict); !strings.Contains(got.Message, "web.yaml") || got.Hash != "" {
		t.Errorf("got %+v, want the file that is in the way", got)
	}
	x.has(snapshotEast, routeKey, "mine")
	x.quiet(snapshotEast, appliedEast)
	if text := log.String(); strings.Contains(text, "tried again") || strings.Count(text, "object is not applied") != 1 {
		t.Errorf("got log %s\nwant one line about the conflict, which only a change can end", text)
	}
	x.must(os.Remove(filepath.Join(x.dir, "east/web.yaml")))
	x.result(routeKey, internalv1.ResultApplied)
}

func TestOneBadObjectHoldsUpNoOther(t *testing.T) {
	const other, otherFile = "VirtualService.networking.istio.io/shop/other", "applied/east/VirtualService.networking.istio.io_shop_other.yaml"
	good := strings.Replace(route("a.example.com"), `"web"`, `"other"`, 1)
	x := newFixture(t, pipelinetest.Embedded(t), map[string]string{"east/cart.yaml": service("cart", "one")})
	x.start()
	x.output(map[string]string{other: good})
	x.result(other, internalv1.ResultApplied)
	for _, bad := range []string{
		`"text"`, `null`, `{"apiVersion":`, route("a.example.com"),
		`{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"other","namespace":"shop"}}`,
	} {
		x.output(map[string]string{other: bad, "no key": `{}`, routeKey: route("a.example.com")})
		x.result(routeKey, internalv1.ResultApplied)
		if got := x.result(other, internalv1.ResultError); got.Message == "" {
			t.Errorf("%s: got %+v, want a message", bad, got)
		}
		if got := x.read(otherFile); !strings.Contains(got, "a.example.com") {
			t.Errorf("%s: got %q, want what was applied before", bad, got)
		}
		x.output(map[string]string{other: good})
		x.result(other, internalv1.ResultApplied)
	}
}

func TestAppliesStatuses(t *testing.T) {
	const statusFile = "applied/east/status/Service_shop_cart.yaml"
	x := newFixture(t, pipelinetest.Embedded(t), map[string]string{"east/cart.yaml": service("cart", "one")})
	x.start()
	x.complete(snapshotEast)
	set := func(statuses map[string]string) {
		d := x.store.Derived(statusEast)
		for key, status := range statuses {
			d.Set(key, []byte(`{"observedGeneration":1,"status":{"conditions":[{"type":"Accepted","status":"`+status+`","reason":"R"}]}}`))
		}
		d.Complete()
		x.must(d.Flush(t.Context(), nil))
	}
	set(map[string]string{cart: "True", "Service/shop/absent": "True"})
	x.eventually("the status", func() bool { return strings.Contains(x.read(statusFile), `status: "True"`) })
	if text := x.read(statusFile); !strings.Contains(text, "lastTransitionTime") {
		t.Errorf("got %s, want when the condition changed", text)
	}
	x.quiet(snapshotEast) // a status that we wrote makes no event
	set(map[string]string{cart: "False"})
	x.eventually("the new status", func() bool { return strings.Contains(x.read(statusFile), `status: "False"`) })
	set(nil)
	x.eventually("the end of the status", func() bool { return x.read(statusFile) == "" })
	if text := x.get(snapshotEast, cart); strings.Contains(text, "Accepted") {
		t.Errorf("got %s, want no status of ours in the snapshot", text)
	}
}

func TestSnapshotSaysWhatIsNotApplied(t *testing.T) {
	const unapplied = "Unapplied.internal.meshweir.io/shop/virtualservice.networking.istio.io.web"
	x := newFixture(t, pipelinetest.Embedded(t), map[string]string{
		"east/cart.yaml": service("cart", "one"),
		"east/web.yaml":  "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web, namespace: shop}\nspec: {hosts: [mine]}\n",
	})
	x.start()
	x.complete(snapshotEast)
	x.output(map[string]string{
		routeKey: strings.Replace(route("a.example.com"), `"metadata":{`, `"metadata":{"annotations":{"`+resource.SourcesAnnotation+`":"east:`+cart+`,west:`+cart+`"},`, 1),
	})
	x.eventually("the word on it", func() bool { return x.get(snapshotEast, unapplied) != "" })
	var said internalv1.Unapplied
	x.must(json.Unmarshal([]byte(x.get(snapshotEast, unapplied)), &said))
	if s := said.Spec; s.Object != routeKey || s.Result != internalv1.ResultConflict || !strings.Contains(s.Message, "web.yaml") || !slices.Equal(s.Sources, []string{"east:" + cart, "west:" + cart}) {
		t.Errorf("got %+v", s)
	}
	x.quiet(snapshotEast, appliedEast)
	mine := x.read("east/web.yaml")
	x.must(os.Remove(filepath.Join(x.dir, "east/web.yaml")))
	x.result(routeKey, internalv1.ResultApplied)
	x.eventually("the end of it", func() bool { return x.get(snapshotEast, unapplied) == "" })
	x.write("east/web.yaml", mine) // over what was applied before
	x.result(routeKey, internalv1.ResultConflict)
	x.eventually("the word on it again", func() bool { return x.get(snapshotEast, unapplied) != "" })
	x.must(os.Remove(filepath.Join(x.dir, "east/web.yaml")))
	x.eventually("the end of it", func() bool { return x.get(snapshotEast, unapplied) == "" })
}

func TestRefusedStatusesAreSaidInTheSnapshot(t *testing.T) {
	const refused = "RefusedOutput.internal.meshweir.io//status"
	x := newFixture(t, pipelinetest.Embedded(t), map[string]string{"east/cart.yaml": service("cart", "one")})
	newer := keyspace.Position{Epoch: keyspace.Epoch{Millis: time.Now().Add(time.Hour).UnixMilli(), Nonce: "ff"}, Revision: 1}
	x.write("applied/east/.meshweir.json", `{"uid":"u","made":true,"applied":{"status":"`+newer.String()+`"}}`)
	d := x.store.Derived(statusEast)
	d.Set(cart, []byte(`{"observedGeneration":1,"status":{"loadBalancer":{}}}`))
	d.Complete()
	x.must(d.Flush(t.Context(), nil))
	x.start()
	x.has(snapshotEast, refused, `"meshweir.io/output":"`+newer.String())
	x.must(d.Seen(t.Context(), newer))
	d.Set(cart, []byte(`{"observedGeneration":1,"status":{"loadBalancer":{"ingress":[]}}}`))
	x.must(d.Flush(t.Context(), nil))
	x.eventually("the end of the refusal", func() bool { return x.get(snapshotEast, refused) == "" })
}

// failing is a cluster that does not take what is applied a few times.
type failing struct {
	cluster.Cluster
	left atomic.Int32
}

func (f *failing) Apply(ctx context.Context, object *unstructured.Unstructured) error {
	if f.left.Add(-1) >= 0 {
		return errors.New("the disk is full")
	}
	return f.Cluster.Apply(ctx, object)
}

func TestLookingAtTheReportsLeavesTheNextAttemptAlone(t *testing.T) {
	x := newFixture(t, pipelinetest.Embedded(t), map[string]string{"east/cart.yaml": service("cart", "one")})
	x.cfg.Check = 10 * time.Millisecond // well below the time between two attempts
	x.output(map[string]string{routeKey: route("a.example.com")})
	x.startWith(func(a *Agent) {
		open := a.open
		a.open = func() (cluster.Cluster, error) {
			target, err := open()
			f := &failing{Cluster: target}
			f.left.Store(3)
			return f, err
		}
	})
	x.result(routeKey, internalv1.ResultApplied)
}

func TestOneChangeIsOneTrace(t *testing.T) {
	x := newFixture(t, pipelinetest.Embedded(t), map[string]string{"east/cart.yaml": service("cart", "one")})
	spans := tracetest.NewSpanRecorder()
	x.cfg.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
	var starting trace.Span
	x.ctx, starting = x.cfg.Tracer.Start(context.Background(), "up")
	defer starting.End()
	x.output(nil)
	x.start()
	x.complete(snapshotEast)
	x.complete(appliedEast) // the output is followed

	ctx, writing := x.cfg.Tracer.Start(t.Context(), "translator.write")
	d := x.store.Derived(outputEast)
	d.Set(routeKey, []byte(route("a.example.com")))
	d.Complete()
	x.must(d.Flush(ctx, x.inputs()))
	writing.End()
	x.result(routeKey, internalv1.ResultApplied)
	find := func(name string) (found sdktrace.ReadOnlySpan) {
		x.eventually(name, func() bool {
			for _, s := range spans.Ended() {
				if s.Name() == name {
					found = s
				}
			}
			return found != nil
		})
		return found
	}
	if got, want := find("agent.apply").Parent().SpanID(), writing.SpanContext().SpanID(); got != want {
		t.Errorf("agent.apply has parent %s, want that of the output's write, %s", got, want)
	}
	watch := find("agent.watch")
	if watch.Parent().IsValid() {
		t.Error("agent.watch has a parent, want the root of a trace")
	}
	// Who follows the snapshot finds the span that published it.
	entries, err := x.client.XRange(t.Context(), snapshotEast.EventsKey(), "-", "+").Result()
	x.must(err)
	if len(entries) == 0 || !strings.Contains(entries[len(entries)-1].Values["metadata"].(string), find("agent.watch").SpanContext().TraceID().String()) {
		t.Errorf("got %v, want the trace of the last publication", entries)
	}
}

func TestAtRestNothingIsWritten(t *testing.T) {
	x := newFixture(t, pipelinetest.Embedded(t), map[string]string{"east/cart.yaml": service("cart", "one")})
	x.cfg.Resync, x.cfg.Rescan = 50*time.Millisecond, 50*time.Millisecond
	x.start()
	x.complete(snapshotEast)
	x.output(map[string]string{routeKey: route("a.example.com")})
	x.result(routeKey, internalv1.ResultApplied)
	x.has(snapshotEast, routeKey, resource.OutputAnnotation)
	x.quiet(snapshotEast, appliedEast, outputEast)
}
