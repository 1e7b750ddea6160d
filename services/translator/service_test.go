package translator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/work"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/translator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// controlPlane is a fleet whose agents are the test's, with real translators on a Redis.
type controlPlane struct {
	t      *testing.T
	client redis.UniversalClient
	store  *keyspace.Store
	fleet  fleet
	agents map[string]*keyspace.Owned
	// repair is RepairEvery of the translators. An hour, unless the test is about it: a repair would hide what an event should have done.
	repair time.Duration
}

func newControlPlane(t *testing.T, client redis.UniversalClient, goldenCase string) *controlPlane {
	t.Helper()
	store, err := keyspace.NewStore(slog.New(slog.DiscardHandler), client, keyspace.Config{Block: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	p := &controlPlane{
		t: t, client: client, store: store, agents: map[string]*keyspace.Owned{}, repair: time.Hour,
		fleet: readFleet(t, "testdata/"+goldenCase+"/in.yaml"),
	}
	for name, cluster := range p.fleet.Clusters {
		p.agents[name] = store.Owned(keyspace.Name("snapshot/"+name), "uid of "+name)
		for _, object := range cluster.Objects {
			p.set(name, object)
		}
		p.agents[name].Complete()
	}
	return p
}

func (p *controlPlane) set(cluster string, object manifest) {
	p.t.Helper()
	value, err := json.Marshal(object)
	if err != nil {
		p.t.Fatal(err)
	}
	p.agents[cluster].Set(object.key().String(), value)
}

// publish lets the agents write what changed, and repair what Redis lost.
func (p *controlPlane) publish(clusters ...string) {
	p.t.Helper()
	for _, name := range clusters {
		if err := p.agents[name].Check(p.t.Context()); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *controlPlane) names() []string {
	var names []string
	for name := range p.agents {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// translator starts a translator and returns what ends it.
func (p *controlPlane) translator(consumer string) (stop func()) {
	p.t.Helper()
	tr, err := translator.New(slog.New(slog.DiscardHandler), p.store, work.Clients{Commands: p.client, Blocking: p.client},
		translator.Config{Consumer: consumer, RepairEvery: p.repair})
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			p.t.Errorf("Run returned %v", err)
		}
	})
	p.t.Cleanup(stop)
	return stop
}

// want is what a full translation of the fleet gives, as the keyspaces hold it.
func (p *controlPlane) want(missing ...string) map[keyspace.Name]map[string]string {
	want := map[keyspace.Name]map[string]string{}
	inputs := p.fleet.inputs()
	for _, name := range missing {
		c := inputs.Clusters[name]
		c.Complete = false
		inputs.Clusters[name] = c
	}
	outputs := translator.Translate(inputs)
	for kind, values := range map[string]map[string]map[resource.Key][]byte{"output": outputs.Objects, "status": outputs.Statuses} {
		for cluster, objects := range values {
			texts := map[string]string{}
			for key, value := range objects {
				texts[key.String()] = string(value)
			}
			want[keyspace.Name(kind+"/"+cluster)] = texts
		}
	}
	return want
}

// stored is what the keyspaces hold.
func (p *controlPlane) stored(names ...keyspace.Name) map[keyspace.Name]map[string]string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	found := map[keyspace.Name]map[string]string{}
	err := keyspace.Once(ctx, p.store, keyspace.ReplicaConfig[string]{
		Names: names, Decode: func(_ string, value []byte) (string, error) { return string(value), nil },
	}, func(v keyspace.View[string]) {
		for _, name := range names {
			found[name] = maps.Collect(v.All(name))
		}
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return found
}

func (p *controlPlane) await(want map[keyspace.Name]map[string]string) {
	p.t.Helper()
	var names []keyspace.Name
	for name := range want {
		names = append(names, name)
	}
	var diff string
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		if diff = cmp.Diff(want, p.stored(names...)); diff == "" {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	p.t.Fatalf("the outputs did not become those of a full translation (-want +stored):\n%s", diff)
}

// events counts the events of all keyspaces ever, by their revisions.
func (p *controlPlane) events() map[keyspace.Name]keyspace.Position {
	p.t.Helper()
	names, err := p.store.Names(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	at := map[keyspace.Name]keyspace.Position{}
	for _, name := range names {
		meta, err := p.store.Meta(p.t.Context(), name)
		if err != nil {
			p.t.Fatal(err)
		}
		at[name] = meta.Position
	}
	return at
}

// shuffle changes the fleet at random: an object goes, comes back, or gets another label.
func (p *controlPlane) shuffle(random *rand.Rand) (cluster string) {
	p.t.Helper()
	names := p.names()
	cluster = names[random.IntN(len(names))]
	c := p.fleet.Clusters[cluster]
	if len(c.Objects) == 0 {
		return cluster
	}
	i := random.IntN(len(c.Objects))
	object := c.Objects[i]
	switch random.IntN(3) {
	case 0:
		p.agents[cluster].Delete(object.key().String())
		c.Objects = slices.Delete(c.Objects, i, i+1)
	default:
		changed := maps.Clone(object)
		meta := maps.Clone(object["metadata"].(map[string]any))
		meta["generation"] = random.IntN(1000)
		changed["metadata"] = meta
		c.Objects[i] = changed
		p.set(cluster, changed)
	}
	return cluster
}

func TestTranslatorsShareTheWorkAndEndAtAFullTranslation(t *testing.T) {
	for _, replicas := range []int{1, 2, 3} {
		t.Run(fmt.Sprint(replicas, " translators"), func(t *testing.T) {
			pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
				p := newControlPlane(t, client, "global-service")
				p.publish(p.names()...)
				for i := range replicas {
					p.translator(fmt.Sprint("translator-", i))
				}
				p.await(p.want())
				random := rand.New(rand.NewPCG(7, uint64(replicas)))
				for range 20 {
					p.publish(p.shuffle(random))
				}
				p.await(p.want())
			})
		})
	}
}

func TestAChangeThatIsTakenBackIsTakenBackEverywhere(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		p := newControlPlane(t, client, "global-service")
		p.publish(p.names()...)
		for i := range 3 {
			p.translator(fmt.Sprint("translator-", i))
		}
		p.await(p.want())
		// Which translator gets which of the two events is chance, and either may be the slower one.
		cluster := p.names()[0]
		objects := p.fleet.Clusters[cluster].Objects
		for i := range 10 {
			object := objects[i%len(objects)]
			p.agents[cluster].Delete(object.key().String())
			p.publish(cluster)
			<-time.After(time.Duration(i) * 5 * time.Millisecond)
			p.set(cluster, object)
			p.publish(cluster)
			p.await(p.want())
		}
	})
}

func TestNothingIsLostWhenATranslatorEnds(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		p := newControlPlane(t, client, "global-service")
		p.publish(p.names()...)
		stop := p.translator("translator-0")
		p.translator("translator-1")
		p.await(p.want())
		random := rand.New(rand.NewPCG(8, 1))
		for i := range 20 {
			p.publish(p.shuffle(random))
			if i == 10 {
				stop()
			}
		}
		p.await(p.want())
	})
}

func TestOutputsComeBackAfterRedisForgot(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		p := newControlPlane(t, client, "global-service")
		p.repair = 500 * time.Millisecond
		p.publish(p.names()...)
		p.translator("")
		p.await(p.want())
		if err := client.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		// One cluster after the other finds out; the outputs of those that have not are not written meanwhile.
		for i, name := range p.names() {
			p.publish(name)
			missing := p.names()[i+1:]
			p.await(p.want(missing...))
			<-time.After(time.Second) // two repairs
			for _, name := range missing {
				meta, err := p.store.Meta(t.Context(), keyspace.Name("output/"+name))
				if err != nil || meta.Exists() {
					t.Errorf("%s has an output at %s, though nobody knows what it holds (%v)", name, meta.Position, err)
				}
			}
		}
	})
}

func TestOutputOfAnUnknownClusterStaysAsItIs(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		p := newControlPlane(t, client, "global-service")
		p.publish(p.names()...)
		stop := p.translator("")
		p.await(p.want())
		gone := keyspace.Name("output/" + p.names()[0])
		before := p.stored(gone)
		if err := p.store.Drop(t.Context(), keyspace.Name("snapshot/"+p.names()[0])); err != nil {
			t.Fatal(err)
		}
		stop()
		p.translator("") // one that never saw it
		p.await(p.want(p.names()[0]))
		if diff := cmp.Diff(before, p.stored(gone)); diff != "" {
			t.Errorf("the output of a cluster that nobody can see changed (-before +after):\n%s", diff)
		}
	})
}

func TestRepairRestoresWhatNoEventTellsOf(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		p := newControlPlane(t, client, "global-service")
		p.repair = 500 * time.Millisecond
		p.publish(p.names()...)
		p.translator("")
		p.await(p.want())
		for _, cluster := range p.names() {
			if err := p.store.Drop(t.Context(), keyspace.Name("output/"+cluster)); err != nil {
				t.Fatal(err)
			}
		}
		p.await(p.want())
	})
}

func TestTranslatorAtRestMakesNoEvents(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		p := newControlPlane(t, client, "global-service")
		p.repair = 500 * time.Millisecond
		p.publish(p.names()...)
		p.translator("translator-0")
		p.translator("translator-1")
		p.await(p.want())
		before := p.events()
		<-time.After(3 * time.Second) // six repairs each
		if diff := cmp.Diff(before, p.events()); diff != "" {
			t.Errorf("revisions moved at rest (-before +after):\n%s", diff)
		}
	})
}

func TestGarbageInAStreamIsADeadLetterAndDelaysNothing(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		p := newControlPlane(t, client, "global-service")
		p.publish(p.names()...)
		p.translator("")
		p.await(p.want())
		name := keyspace.Name("snapshot/" + p.names()[0])
		for _, values := range []any{
			[]any{"what", "ever"},
			[]any{"_watermill_message_uuid", "1", "metadata", "", "payload", `{"v":7}`},
		} {
			if err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: name.EventsKey(), Values: values}).Err(); err != nil {
				t.Fatal(err)
			}
		}
		random := rand.New(rand.NewPCG(9, 1))
		for range 5 {
			p.publish(p.shuffle(random))
		}
		p.await(p.want())
		for deadline := time.Now().Add(time.Minute); ; {
			n, err := client.XLen(t.Context(), keyspace.DeadLettersKey(translator.Group)).Result()
			if err != nil {
				t.Fatal(err)
			}
			if n == 2 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d dead letters, want 2", n)
			}
			<-time.After(20 * time.Millisecond)
		}
	})
}

func TestLostOutputHistoryGetsALaterEpoch(t *testing.T) {
	p := newControlPlane(t, pipelinetest.Embedded(t), "global-service")
	p.publish(p.names()...)
	p.translator("")
	p.await(p.want())
	cluster := p.names()[0]
	output := keyspace.Name("output/" + cluster)
	meta, err := p.store.Meta(t.Context(), output)
	if err != nil {
		t.Fatal(err)
	}
	// The cluster shows an object of a later revision than Redis holds: a failover has lost writes.
	applied := meta.Position
	applied.Revision += 10
	for key, value := range p.stored(output)[output] {
		if !strings.HasPrefix(key, "ServiceEntry") && !strings.HasPrefix(key, "VirtualService") {
			continue
		}
		var live manifest
		if err := json.Unmarshal([]byte(value), &live); err != nil {
			t.Fatal(err)
		}
		live["metadata"].(map[string]any)["annotations"].(map[string]any)[resource.OutputAnnotation] = applied.String()
		p.set(cluster, live)
		break
	}
	p.publish(cluster)
	for deadline := time.Now().Add(time.Minute); ; {
		meta, err := p.store.Meta(t.Context(), output)
		if err != nil {
			t.Fatal(err)
		}
		if meta.Position.Compare(applied) > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the output stands at %s, the cluster has seen %s", meta.Position, applied)
		}
		<-time.After(20 * time.Millisecond)
	}
}
