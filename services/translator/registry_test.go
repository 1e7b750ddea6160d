package translator_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/translator"
)

// member writes into the registry what a cluster is.
func (p *controlPlane) member(cluster, state string) {
	p.t.Helper()
	value, err := json.Marshal(internalv1.Membership{State: state, At: time.Now()})
	if err != nil {
		p.t.Fatal(err)
	}
	err = p.store.Shared(translator.RegistryName).Update(p.t.Context(), cluster, func([]byte) ([]byte, error) { return value, nil })
	if err != nil {
		p.t.Fatal(err)
	}
	p.fleet.Deregistered = nil
	if state == internalv1.Deregistered {
		p.fleet.Deregistered = []string{cluster}
	}
}

// apply does what the agents do: each cluster gets its output, and its snapshot shows it.
func (p *controlPlane) apply() {
	p.t.Helper()
	for _, cluster := range p.names() {
		output := keyspace.Name("output/" + cluster)
		meta, err := p.store.Meta(p.t.Context(), output)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, value := range p.stored(output)[output] {
			var live manifest
			if err := json.Unmarshal([]byte(value), &live); err != nil {
				p.t.Fatal(err)
			}
			live["metadata"].(map[string]any)["annotations"].(map[string]any)[resource.OutputAnnotation] = meta.Position.String()
			p.set(cluster, live)
			p.fleet.Clusters[cluster].Objects = append(p.fleet.Clusters[cluster].Objects, live)
		}
	}
	p.publish(p.names()...)
}

// outputs are the objects that the other clusters than one should have, as Redis holds them.
func (p *controlPlane) outputs(without string) map[string]string {
	p.t.Helper()
	all := map[string]string{}
	for _, cluster := range p.names() {
		name := keyspace.Name("output/" + cluster)
		if cluster == without {
			continue
		}
		for key, value := range p.stored(name)[name] {
			all[cluster+":"+key] = value
		}
	}
	return all
}

// from are the objects of a set that were made from a cluster.
func (p *controlPlane) from(cluster string, objects map[string]string) map[string]string {
	p.t.Helper()
	found := map[string]string{}
	for key, value := range objects {
		if madeFrom(p.t, []byte(value), cluster) {
			found[key] = value
		}
	}
	return found
}

func TestOnlyDeregisteringADeadClusterTakesAwayWhatWasMadeFromIt(t *testing.T) {
	const dead = "west"
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		p := newControlPlane(t, client, "global-service")
		var alive []string
		for _, name := range p.names() {
			if name != dead {
				alive = append(alive, name)
			}
		}
		p.publish(p.names()...)
		p.translator("translator-0")
		p.translator("translator-1")
		p.await(p.want())
		p.apply()
		p.await(p.want())
		before := p.outputs(dead)
		if len(p.from(dead, before)) == 0 || len(p.from(dead, before)) == len(before) {
			t.Fatalf("%d of %d objects were made from %s, which proves nothing", len(p.from(dead, before)), len(before), dead)
		}

		// The registry is lost with everything else. Redis knows nothing of the dead cluster; what lives does.
		p.member(dead, internalv1.Registered)
		if err := client.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		p.publish(alive...)
		p.await(p.want(dead))
		if diff := cmp.Diff(p.from(dead, before), p.from(dead, p.outputs(dead))); diff != "" {
			t.Errorf("what was made from a cluster that is expected changed (-before +after):\n%s", diff)
		}
		p.member(dead, internalv1.Registered) // it tells nothing new
		p.member("elsewhere", internalv1.Deregistered)
		p.fleet.Deregistered = nil // "elsewhere" is nothing to this fleet
		<-time.After(time.Second)
		p.await(p.want(dead))

		p.member(dead, internalv1.Deregistered)
		p.await(p.want(dead))
		after := p.outputs(dead)
		if left := p.from(dead, after); len(left) > 0 {
			t.Errorf("made from a cluster that is deregistered: %v", left)
		}
		for key, value := range before {
			if _, was := p.from(dead, before)[key]; !was && after[key] != value {
				t.Errorf("%s was not made from %s and changed:\n%s\n%s", key, dead, value, after[key])
			}
		}
	})
}

func TestADeregisteredClusterThatReturnsIsOutUntilItIsRegisteredAgain(t *testing.T) {
	const name = "west"
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		p := newControlPlane(t, client, "global-service")
		p.publish(p.names()...)
		p.translator("")
		p.await(p.want())
		p.member(name, internalv1.Deregistered)
		for _, kind := range []string{"snapshot", "output", "status"} {
			if err := p.store.Drop(t.Context(), keyspace.Name(kind+"/"+name)); err != nil {
				t.Fatal(err)
			}
		}
		p.await(p.want())

		p.publish(name)
		p.translator("one that never knew better")
		p.await(p.want())
		for _, kind := range []string{"output/", "status/"} {
			if meta, err := p.store.Meta(t.Context(), keyspace.Name(kind+name)); err != nil || meta.Exists() {
				t.Errorf("%s%s was written for a cluster that is no part of the fleet (%v)", kind, name, err)
			}
		}

		p.member(name, internalv1.Registered)
		p.await(p.want())
		if meta, err := p.store.Meta(t.Context(), keyspace.Name("output/"+name)); err != nil || !meta.Exists() {
			t.Errorf("a cluster that was registered again has no output (%v)", err)
		}
	})
}

func TestOutputsAreComputedFromTheRegistryToo(t *testing.T) {
	p := newControlPlane(t, pipelinetest.Embedded(t), "global-service")
	p.repair = 500 * time.Millisecond // an output that stays the same is not written, and its inputs move with a repair
	p.publish(p.names()...)
	p.translator("")
	p.member("elsewhere", internalv1.Registered)
	p.await(p.want())
	p.member(p.names()[0], internalv1.Deregistered)
	registry, err := p.store.Meta(t.Context(), translator.RegistryName)
	if err != nil {
		t.Fatal(err)
	}
	p.await(p.want())
	for deadline := time.Now().Add(15 * time.Second); ; {
		meta, err := p.store.Meta(t.Context(), keyspace.Name("output/"+p.names()[1]))
		if err != nil {
			t.Fatal(err)
		}
		if meta.Inputs[translator.RegistryName] == registry.Position {
			return // a translator that has not heard of it yet cannot overwrite this
		}
		if time.Now().After(deadline) {
			t.Fatalf("the output was computed from %v, which lacks %s of the registry", meta.Inputs, registry.Position)
		}
		<-time.After(20 * time.Millisecond)
	}
}
