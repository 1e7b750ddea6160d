package translator_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/translator"
)

// world is a fleet that changes at random, an engine that is told of every
// change, and a mirror of the outputs that is told of what the engine touched.
type world struct {
	random *rand.Rand
	fleet  fleet
	engine *translator.Engine
	mirror translator.Outputs
}

func newWorld(seed uint64) *world {
	w := &world{
		random: rand.New(rand.NewPCG(seed, 7)),
		fleet:  fleet{Clusters: map[string]*fleetCluster{}},
		engine: translator.NewEngine(),
		mirror: translator.Outputs{Objects: map[string]map[resource.Key][]byte{}, Statuses: map[string]map[resource.Key][]byte{}},
	}
	for _, name := range []string{"east", "west", "mgmt"} {
		w.fleet.Clusters[name] = &fleetCluster{Missing: true}
	}
	return w
}

// change makes one random change and tells the engine.
func (w *world) change() {
	name := pick(w.random, "east", "west", "mgmt")
	cluster := w.fleet.Clusters[name]
	switch n := w.random.IntN(40); {
	case n < 2:
		cluster.Missing = !cluster.Missing
		w.engine.SetComplete(name, !cluster.Missing)
	case n < 6:
		w.apply(name)
	case n < 7:
		w.fleet.Deregistered = pick(w.random, nil, []string{"east"}, []string{"west", "mgmt"})
		w.engine.SetDeregistered(w.fleet.Deregistered...)
	case n < 14 && len(cluster.Objects) > 0:
		w.remove(name, cluster.Objects[w.random.IntN(len(cluster.Objects))].key())
	default:
		w.put(name, anyObject(w.random))
	}
}

func (w *world) put(cluster string, object manifest) {
	c := w.fleet.Clusters[cluster]
	c.Objects = slices.DeleteFunc(c.Objects, func(o manifest) bool { return o.key() == object.key() })
	c.Objects = append(c.Objects, object)
	w.engine.Apply(cluster, translator.Change{Key: object.key().String(), Object: object.decode()})
}

func (w *world) remove(cluster string, key resource.Key) {
	c := w.fleet.Clusters[cluster]
	c.Objects = slices.DeleteFunc(c.Objects, func(o manifest) bool { return o.key() == key })
	w.engine.Apply(cluster, translator.Change{Key: key.String(), Deleted: true})
}

// apply does what an agent does: the cluster gets its output, and the snapshot shows it.
func (w *world) apply(cluster string) {
	wanted, ok := w.mirror.Objects[cluster]
	if !ok {
		return
	}
	for _, o := range slices.Clone(w.fleet.Clusters[cluster].Objects) {
		if _, stays := wanted[o.key()]; o.key().Group == "networking.istio.io" && !stays {
			w.remove(cluster, o.key())
		}
	}
	for _, value := range wanted {
		var live manifest
		if err := json.Unmarshal(value, &live); err != nil {
			panic(err)
		}
		meta := live["metadata"].(map[string]any)
		meta["resourceVersion"] = "5"
		meta["annotations"].(map[string]any)[resource.OutputAnnotation] = "1-a/1"
		w.put(cluster, live)
	}
}

// update brings the engine up to date and copies what it touched.
func (w *world) update(t *testing.T) {
	t.Helper()
	touched := w.engine.Update()
	for _, name := range touched.Vanished {
		delete(w.mirror.Objects, name)
		delete(w.mirror.Statuses, name)
	}
	for _, name := range touched.Returned {
		w.mirror.Objects[name] = map[resource.Key][]byte{}
		w.mirror.Statuses[name] = map[resource.Key][]byte{}
	}
	follow(t, w.mirror.Objects, touched.Objects, w.engine.Object)
	follow(t, w.mirror.Statuses, touched.Statuses, w.engine.Status)
}

func follow(t *testing.T, mirror map[string]map[resource.Key][]byte, touched map[string][]resource.Key, get func(string, resource.Key) ([]byte, bool)) {
	t.Helper()
	for cluster, keys := range touched {
		for _, key := range keys {
			value, ok := get(cluster, key)
			before, had := mirror[cluster][key]
			if ok == had && string(before) == string(value) {
				t.Errorf("%s %s was touched and is the same", cluster, key)
			}
			if ok {
				mirror[cluster][key] = value
			} else {
				delete(mirror[cluster], key)
			}
		}
	}
}

func TestEngineEqualsTranslateWhateverChanges(t *testing.T) {
	seeds, steps := uint64(12), 120
	if testing.Short() {
		seeds = 3
	}
	for seed := range seeds {
		w := newWorld(seed)
		for step := range steps {
			for range 1 + w.random.IntN(3) {
				w.change()
			}
			w.update(t)
			want := translator.Translate(w.fleet.inputs())
			if got := w.engine.Outputs(); !reflect.DeepEqual(want, got) {
				t.Fatalf("seed %d, step %d (-translate +engine):\n%s", seed, step, cmp.Diff(want, got))
			}
			if !reflect.DeepEqual(want, w.mirror) {
				t.Fatalf("seed %d, step %d: what was touched is not what changed (-translate +touched):\n%s", seed, step, cmp.Diff(want, w.mirror))
			}
			checkHosts(t, w.fleet, want)
			checkMarks(t, want)
			if t.Failed() {
				t.Fatalf("seed %d, step %d", seed, step)
			}
		}
	}
}

// TestNothingIsTakenAwayWhileAClusterIsMissing applies outputs until nothing
// changes, hides one cluster after the other, and proves that what the others
// have stays as it is. The fleets are those of the golden cases, and random ones.
func TestNothingIsTakenAwayWhileAClusterIsMissing(t *testing.T) {
	folders, err := filepath.Glob("testdata/*/in.yaml")
	if err != nil {
		t.Fatal(err)
	}
	held := 0
	for _, in := range folders {
		if strings.Contains(in, "hold-") {
			continue // some of their clusters are missing already
		}
		w := newWorld(1)
		w.fleet = readFleet(t, in)
		for name, cluster := range w.fleet.Clusters {
			w.engine.SetComplete(name, true)
			for _, object := range slices.Clone(cluster.Objects) {
				w.put(name, object)
			}
		}
		held += w.hideEach(t, in)
	}
	if held < 10 {
		t.Errorf("%d objects of golden cases were to be held, want more for the test to say something", held)
	}
	for seed := range uint64(20) {
		w := newWorld(seed)
		for name, cluster := range w.fleet.Clusters {
			cluster.Missing = false
			w.engine.SetComplete(name, true)
		}
		for range 60 {
			for _, name := range []string{"east", "west", "mgmt"} {
				w.put(name, anyObject(w.random))
			}
		}
		held += w.hideEach(t, fmt.Sprintf("seed %d", seed))
	}
	if held < 60 {
		t.Errorf("%d objects were to be held, want more for the test to say something", held)
	}
}

// hideEach returns how many objects had to be held.
func (w *world) hideEach(t *testing.T, title string) (held int) {
	t.Helper()
	for range 2 {
		w.update(t)
		for name := range w.fleet.Clusters {
			w.apply(name)
		}
	}
	w.update(t)
	before := w.engine.Outputs().Objects
	for hidden := range w.fleet.Clusters {
		w.engine.SetComplete(hidden, false)
		w.update(t)
		after := w.engine.Outputs().Objects
		for name, values := range before {
			if name == hidden {
				continue
			}
			for key, value := range values {
				if got := after[name][key]; !bytes.Equal(got, value) {
					t.Errorf("%s: without %s, %s %s became\n%s, was\n%s", title, hidden, name, key, got, value)
				}
				if madeFrom(t, value, hidden) {
					held++
				}
			}
		}
		w.engine.SetComplete(hidden, true)
		w.update(t)
		if diff := cmp.Diff(before, w.engine.Outputs().Objects); diff != "" {
			t.Errorf("%s: when %s came back, outputs differ (-before +after):\n%s", title, hidden, diff)
		}
	}
	return held
}

func madeFrom(t *testing.T, value []byte, cluster string) bool {
	t.Helper()
	var object istioObject
	if err := json.Unmarshal(value, &object); err != nil {
		t.Fatal(err)
	}
	clusters := object.Metadata.Annotations[resource.SourceClustersAnnotation]
	return slices.Contains(strings.Split(clusters, ","), cluster)
}
