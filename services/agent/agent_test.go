package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is the cluster "east" and its agent, on one Redis.
type fixture struct {
	t      *testing.T
	dir    string
	client redis.UniversalClient
	store  *keyspace.Store
	cfg    Config
	log    *slog.Logger
	// ctx is what the agent's context is made from.
	ctx  context.Context
	stop func() error
}

func newFixture(t *testing.T, client redis.UniversalClient, files map[string]string) *fixture {
	t.Helper()
	store, err := keyspace.NewStore(slog.New(slog.DiscardHandler), client, keyspace.Config{Block: 50 * time.Millisecond, Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	x := &fixture{t: t, dir: t.TempDir(), client: client, store: store, log: slog.New(slog.DiscardHandler), ctx: context.Background()}
	x.cfg = Config{
		Cluster: "east", Dir: x.dir, Coalesce: 5 * time.Millisecond, Check: 100 * time.Millisecond, Beat: 50 * time.Millisecond,
		Resync: time.Minute, Rescan: time.Minute,
	}
	for name, text := range files {
		x.write(name, text)
	}
	return x
}

func (x *fixture) must(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

func (x *fixture) write(name, text string) {
	x.t.Helper()
	path := filepath.Join(x.dir, name)
	x.must(os.MkdirAll(filepath.Dir(path), 0o755))
	x.must(os.WriteFile(path, []byte(text), 0o644))
}

func (x *fixture) read(name string) string {
	data, err := os.ReadFile(filepath.Join(x.dir, name))
	if err != nil {
		return ""
	}
	return string(data)
}

// start runs the agent until stop, or the end of the test.
func (x *fixture) start() *Agent {
	x.t.Helper()
	return x.startWith(func(*Agent) {})
}

// startWith changes the agent before it runs.
func (x *fixture) startWith(change func(*Agent)) *Agent {
	x.t.Helper()
	a, err := New(x.log, x.store, x.cfg)
	x.must(err)
	change(a)
	ctx, cancel := context.WithCancel(x.ctx)
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	x.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	stop := x.stop
	x.t.Cleanup(func() {
		if err := stop(); err != nil {
			x.t.Errorf("got %v from Run, want nil", err)
		}
	})
	return a
}

func (x *fixture) eventually(what string, holds func() bool) {
	x.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			x.t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

const (
	snapshotEast keyspace.Name = "snapshot/east"
	outputEast   keyspace.Name = "output/east"
	appliedEast  keyspace.Name = "applied/east"
	statusEast   keyspace.Name = "status/east"
)

func (x *fixture) get(name keyspace.Name, key string) string {
	value, _, err := x.store.Get(x.t.Context(), name, key)
	if err != nil {
		return ""
	}
	return string(value)
}

func (x *fixture) meta(name keyspace.Name) keyspace.Meta {
	x.t.Helper()
	meta, err := x.store.Meta(x.t.Context(), name)
	x.must(err)
	return meta
}

func (x *fixture) has(name keyspace.Name, key, text string) {
	x.t.Helper()
	x.eventually(fmt.Sprintf("%s in %s with %s", key, name, text), func() bool { return strings.Contains(x.get(name, key), text) })
}

func (x *fixture) complete(name keyspace.Name) {
	x.t.Helper()
	x.eventually("all of "+string(name), func() bool { return x.meta(name).Complete })
}

// quiet waits until nothing is written for a while, and checks that it stays so.
func (x *fixture) quiet(names ...keyspace.Name) {
	x.t.Helper()
	moved := func() string {
		before := map[keyspace.Name]keyspace.Position{}
		for _, name := range names {
			before[name] = x.meta(name).Position
		}
		time.Sleep(400 * time.Millisecond)
		for _, name := range names {
			if got := x.meta(name).Position; got != before[name] {
				return fmt.Sprintf("%s went from %s to %s", name, before[name], got)
			}
		}
		return ""
	}
	x.eventually("rest", func() bool { return moved() == "" })
	if what := moved(); what != "" {
		x.t.Error(what + " while nothing happened")
	}
}

// output plays the translator: it makes the outputs, by key, all that there is, computed from the snapshot as it stands.
func (x *fixture) output(objects map[string]string) {
	x.t.Helper()
	d := x.store.Derived(outputEast)
	for key, value := range objects {
		d.Set(key, []byte(value))
	}
	d.Complete()
	x.must(d.Check(x.t.Context(), x.inputs())) // as a translator does every now and then: it records the inputs even where nothing changes
}

// inputs are those of an output that is computed now.
func (x *fixture) inputs() keyspace.Vector {
	x.t.Helper()
	inputs := keyspace.Vector{}
	if snapshot := x.meta(snapshotEast); snapshot.Exists() {
		inputs[snapshotEast] = snapshot.Position
	}
	return inputs
}

func (x *fixture) applied(key string) (record internalv1.Applied) {
	_ = json.Unmarshal([]byte(x.get(appliedEast, key)), &record)
	return record
}

func (x *fixture) result(key string, want internalv1.Result) internalv1.Applied {
	x.t.Helper()
	x.eventually(fmt.Sprintf("%s to be %s", key, want), func() bool { return x.applied(key).Result == want })
	return x.applied(key)
}

func service(name, app string) string {
	return "apiVersion: v1\nkind: Service\nmetadata: {name: " + name + ", namespace: shop}\nspec: {selector: {app: " + app + "}}\n"
}

func route(host string) string {
	return `{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"labels":{"` + resource.ManagedByLabel + `":"` +
		resource.ManagedBy + `"},"name":"web","namespace":"shop"},"spec":{"hosts":["` + host + `"]}}`
}

const (
	cart      = "Service/shop/cart"
	routeKey  = "VirtualService.networking.istio.io/shop/web"
	routeFile = "applied/east/VirtualService.networking.istio.io_shop_web.yaml"
)

func TestPublishesTheClusterAndItsChanges(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		x := newFixture(t, client, map[string]string{"east/cart.yaml": service("cart", "one"), "east/ns.yaml": "{apiVersion: v1, kind: Namespace, metadata: {name: kube-system, uid: u-1}}"})
		a := x.start()
		x.complete(snapshotEast)
		x.has(snapshotEast, cart, "one")
		if got := x.meta(snapshotEast).Owner; got != "u-1" {
			t.Errorf("got owner %q, want the UID of kube-system", got)
		}
		x.write("east/cart.yaml", service("cart", "two"))
		x.has(snapshotEast, cart, "two")
		x.must(os.Remove(filepath.Join(x.dir, "east/cart.yaml")))
		x.eventually("the end of the Service", func() bool { return x.get(snapshotEast, cart) == "" })
		if err := a.Ready(t.Context()); err != nil {
			t.Errorf("got %v from Ready, want nil", err)
		}
	})
}

func TestRestartPublishesOnlyWhatChanged(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		x := newFixture(t, client, map[string]string{"east/cart.yaml": service("cart", "one"), "east/more.yaml": service("more", "x")})
		x.start()
		x.complete(snapshotEast)
		x.output(map[string]string{routeKey: route("a.example.com")})
		x.result(routeKey, internalv1.ResultApplied)
		x.has(snapshotEast, routeKey, "a.example.com")
		x.quiet(snapshotEast, appliedEast)
		x.must(x.stop())

		before, reports := x.meta(snapshotEast), x.meta(appliedEast)
		a := x.start()
		x.eventually("readiness", func() bool { return a.Ready(t.Context()) == nil })
		x.quiet(snapshotEast, appliedEast)
		if got := x.meta(snapshotEast); got.WriteID != before.WriteID {
			t.Errorf("a restart wrote the snapshot: %s to %s", before.Position, got.Position)
		}
		if got := x.meta(appliedEast); got.WriteID != reports.WriteID {
			t.Errorf("a restart wrote the reports: %s to %s", reports.Position, got.Position)
		}
		x.must(x.stop())

		x.write("east/cart.yaml", service("cart", "two"))
		x.must(os.Remove(filepath.Join(x.dir, "east/more.yaml")))
		x.start()
		x.has(snapshotEast, cart, "two")
		x.eventually("the end of the other Service", func() bool { return x.get(snapshotEast, "Service/shop/more") == "" })
		if got := x.meta(snapshotEast); got.Epoch != before.Epoch || got.Revision != before.Revision+1 {
			t.Errorf("got %s, want one write after %s", got.Position, before.Position)
		}
	})
}

func TestFlushedRedisHeals(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		x := newFixture(t, client, map[string]string{"east/cart.yaml": service("cart", "one")})
		x.start()
		x.complete(snapshotEast)
		x.output(map[string]string{routeKey: route("a.example.com")})
		x.result(routeKey, internalv1.ResultApplied)
		x.has(snapshotEast, routeKey, "a.example.com")
		x.quiet(snapshotEast, appliedEast)
		before := x.meta(snapshotEast).Epoch
		x.must(client.FlushAll(t.Context()).Err())
		x.has(snapshotEast, cart, "one")
		x.complete(snapshotEast)
		if got := x.meta(snapshotEast).Epoch; got.Compare(before) <= 0 {
			t.Errorf("got epoch %s, want one after %s", got, before)
		}
		x.result(routeKey, internalv1.ResultApplied)
		if x.read(routeFile) == "" {
			t.Error("the flush took away what was applied")
		}
		x.eventually("the heartbeat", func() bool { return x.beat() != nil })
	})
}

func (x *fixture) beat() *internalv1.Heartbeat {
	x.t.Helper()
	beats, err := x.store.Beats(x.t.Context(), snapshotEast)
	x.must(err)
	var b internalv1.Heartbeat
	if json.Unmarshal(beats[snapshotEast], &b) != nil {
		return nil
	}
	return &b
}

func TestHeartbeatSaysHowItGoes(t *testing.T) {
	x := newFixture(t, pipelinetest.Embedded(t), map[string]string{
		"east/cart.yaml": service("cart", "one"), "east/broken.yaml": "a: [",
		"east/job.yaml": "{apiVersion: batch/v1, kind: Job, metadata: {name: a}}",
	})
	x.cfg.Version, x.cfg.Beat = "v1", 2*time.Second
	x.start()
	x.eventually("the heartbeat", func() bool {
		b := x.beat()
		return b != nil && b.Version == "v1" && b.Objects["Service"] == 1 && b.Unknown["Job.batch"] == 1 && b.Problems == 1
	})
	ttl, err := x.client.PTTL(t.Context(), snapshotEast.BeatKey()).Result()
	x.must(err)
	if ttl <= 0 || ttl > 3*x.cfg.Beat {
		t.Errorf("got a heartbeat for %s, want three beats at most", ttl)
	}
	x.must(x.stop())
	x.eventually("the end of the heartbeat", func() bool { return x.beat() == nil })
}

func TestHeartbeatSaysThatTheFolderIsAway(t *testing.T) {
	x := newFixture(t, pipelinetest.Embedded(t), map[string]string{"east/cart.yaml": service("cart", "one")})
	a := x.start()
	x.eventually("readiness", func() bool { return a.Ready(t.Context()) == nil })
	away := filepath.Join(x.dir, ".away")
	x.must(os.Rename(filepath.Join(x.dir, "east"), away))
	x.eventually("the heartbeat to say so", func() bool {
		b := x.beat()
		return b != nil && strings.Contains(b.Outage, "no such file") && time.Since(b.OutageSince) < time.Hour
	})
	if err := a.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v from Ready, want why the cluster cannot be read", err)
	}
	if x.get(snapshotEast, cart) == "" {
		t.Error("what the cluster held was taken away")
	}
	x.must(os.Rename(away, filepath.Join(x.dir, "east")))
	x.eventually("the heartbeat to say that it is back", func() bool {
		b := x.beat()
		return b != nil && b.Outage == "" && b.OutageSince.IsZero()
	})
}

func TestSecretsNeverReachRedis(t *testing.T) {
	const canary, encoded = "canary-3f9c", "Y2FuYXJ5LTNmOWM="
	x := newFixture(t, pipelinetest.Embedded(t), map[string]string{
		"east/tls.yaml": "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: tls, namespace: shop, labels: {a: " + canary + "}, annotations: {b: " + canary + "}}\n" +
			"data: {tls.crt: " + encoded + ", tls.key: " + encoded + "}\nstringData: {x: " + canary + "}\n",
		"east/opaque.yaml": "{apiVersion: v1, kind: Secret, metadata: {name: " + canary + "}, stringData: {password: " + canary + "}}\n",
		"east/broken.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: b}\nstringData:\n  password: " + canary + "\n :broken\n",
		"east/config.yaml": "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {password: " + canary + "}}\n",
		"east/deploy.yaml": "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {template: {spec: {containers: [{name: c, env: [{name: P, value: " + canary + "}], args: [" + canary + "]}]}}}}\n",
	})
	x.start()
	x.complete(snapshotEast)
	x.has(snapshotEast, "Certificate.internal.meshweir.io/shop/tls", "no PEM block")
	x.eventually("the heartbeat", func() bool { return x.beat() != nil })
	for text := range dump(t, x.client) {
		if strings.Contains(text, canary) || strings.Contains(text, encoded) {
			t.Errorf("Redis holds a secret: %s", text)
		}
	}
}

// dump returns everything that a Redis holds, as text.
func dump(t *testing.T, client redis.UniversalClient) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	keys, err := client.Keys(t.Context(), "*").Result()
	if err != nil || len(keys) == 0 {
		t.Fatalf("got keys %v and %v", keys, err)
	}
	for _, key := range keys {
		all[key] = true
		kind, err := client.Type(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		var value any
		switch kind {
		case "hash":
			value, err = client.HGetAll(t.Context(), key).Result()
		case "stream":
			value, err = client.XRange(t.Context(), key, "-", "+").Result()
		case "set":
			value, err = client.SMembers(t.Context(), key).Result()
		default:
			value, err = client.Get(t.Context(), key).Result()
		}
		if err != nil {
			t.Fatal(err)
		}
		all[fmt.Sprint(value)] = true
	}
	return all
}

func TestDamagedManifestSurvivesARestart(t *testing.T) {
	const tls = "Certificate.internal.meshweir.io/shop/tls"
	x := newFixture(t, pipelinetest.Embedded(t), map[string]string{
		"east/cart.yaml": service("cart", "one") + "---\n{apiVersion: v1, kind: Secret, type: kubernetes.io/tls, metadata: {name: tls, namespace: shop}}\n",
	})
	x.start()
	x.complete(snapshotEast)
	x.has(snapshotEast, tls, "no tls.crt")
	x.must(x.stop())
	x.write("east/cart.yaml", "broken: [")
	x.start()
	x.eventually("the problem", func() bool { b := x.beat(); return b != nil && b.Problems == 1 })
	x.quiet(snapshotEast)
	x.has(snapshotEast, cart, "one")
	x.has(snapshotEast, tls, "no tls.crt")
	x.write("east/cart.yaml", "# empty\n")
	x.eventually("the end of the Service", func() bool { return x.get(snapshotEast, cart) == "" })
}

func TestDamagedManifestSurvivesARestartOnAnEmptyRedis(t *testing.T) {
	x := newFixture(t, pipelinetest.Embedded(t), map[string]string{"east/cart.yaml": service("cart", "one")})
	x.start()
	x.complete(snapshotEast)
	x.write("east/cart.yaml", "broken: [")
	x.eventually("the problem", func() bool { b := x.beat(); return b != nil && b.Problems == 1 })
	x.must(x.stop())
	x.must(x.client.FlushAll(t.Context()).Err())
	x.start()
	x.has(snapshotEast, cart, "one")
}

func TestAnotherClusterOfTheNameIsRefused(t *testing.T) {
	client := pipelinetest.Embedded(t)
	x := newFixture(t, client, map[string]string{"east/cart.yaml": service("cart", "one")})
	x.start()
	x.complete(snapshotEast)
	y := newFixture(t, client, map[string]string{"east/cart.yaml": service("cart", "other")})
	a, err := New(slog.New(slog.DiscardHandler), y.store, y.cfg)
	y.must(err)
	if err := a.Run(t.Context()); !errors.Is(err, keyspace.ErrOwned) || !strings.Contains(err.Error(), `"east"`) {
		t.Errorf("got %v, want ErrOwned and the cluster's name", err)
	}
	x.has(snapshotEast, cart, "one")
}

func TestOutageOfRedisIsWaitedOut(t *testing.T) {
	server := pipelinetest.RealServer(t)
	x := newFixture(t, server.Client(), map[string]string{"east/cart.yaml": service("cart", "one")})
	a := x.start()
	x.complete(snapshotEast)
	server.Stop()
	x.write("east/cart.yaml", service("cart", "two"))
	x.eventually("unreadiness", func() bool { return a.Ready(t.Context()) != nil })
	server.Restart()
	x.has(snapshotEast, cart, "two")
	x.eventually("readiness", func() bool { return a.Ready(t.Context()) == nil })
}

func TestRefusesAConfigurationThatCannotWork(t *testing.T) {
	for _, tt := range []struct {
		cfg  Config
		want string
	}{
		{Config{Cluster: "east"}, "Dir"},
		{Config{Dir: "x"}, "lower-case"},
		{Config{Dir: "x", Cluster: "East_1"}, "lower-case"},
		{Config{Dir: "x", Cluster: "east", Beat: -1}, "below zero"},
		{Config{Dir: "x", Cluster: "east", Batch: -1}, "below zero"},
	} {
		if _, err := New(slog.New(slog.DiscardHandler), nil, tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %q", tt.cfg, err, tt.want)
		}
	}
}
