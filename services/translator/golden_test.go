package translator_test

import (
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/translator"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fleet is what is known of a fleet, as manifests: the shape of in.yaml.
type fleet struct {
	Deregistered []string                 `json:"deregistered"`
	Clusters     map[string]*fleetCluster `json:"clusters"`
}

type fleetCluster struct {
	// Missing says that the cluster's snapshot is not complete.
	Missing bool       `json:"missing"`
	Objects []manifest `json:"objects"`
}

type manifest map[string]any

// outFile is the shape of out.yaml.
type outFile map[string]*clusterOut

type clusterOut struct {
	Objects  map[string]any `json:"objects,omitempty"`
	Statuses map[string]any `json:"statuses,omitempty"`
}

func (object manifest) key() resource.Key {
	apiVersion, _ := object["apiVersion"].(string)
	kind, _ := object["kind"].(string)
	meta, _ := object["metadata"].(map[string]any)
	namespace, _ := meta["namespace"].(string)
	name, _ := meta["name"].(string)
	group, _, grouped := strings.Cut(apiVersion, "/")
	if !grouped {
		group = ""
	}
	return resource.Key{Group: group, Kind: kind, Namespace: namespace, Name: name}
}

// decode decodes a manifest as the translator's loop does.
func (object manifest) decode() translator.Object {
	value, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	decoded, _ := translator.Decode(object.key().String(), value) // the problem is in the object
	return decoded
}

func readFleet(t *testing.T, path string) fleet {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var f fleet
	if err := yaml.UnmarshalStrict(data, &f); err != nil {
		t.Fatalf("parsing %s: %v", path, err)
	}
	return f
}

func (f fleet) inputs() translator.Inputs {
	inputs := translator.Inputs{Clusters: map[string]translator.Cluster{}, Deregistered: f.Deregistered}
	for name, c := range f.Clusters {
		cluster := translator.Cluster{Complete: !c.Missing, Objects: map[string]translator.Object{}}
		for _, object := range c.Objects {
			cluster.Objects[object.key().String()] = object.decode()
		}
		inputs.Clusters[name] = cluster
	}
	return inputs
}

func readable(t *testing.T, outputs translator.Outputs) []byte {
	t.Helper()
	file := outFile{}
	for name, values := range outputs.Objects {
		file[name] = &clusterOut{Objects: generic(t, values), Statuses: generic(t, outputs.Statuses[name])}
	}
	out, err := yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func generic(t *testing.T, values map[resource.Key][]byte) map[string]any {
	t.Helper()
	found := map[string]any{}
	for key, value := range values {
		var v any
		if err := json.Unmarshal(value, &v); err != nil {
			t.Fatalf("%s is no JSON: %v\n%s", key, err, value)
		}
		found[key.String()] = v
	}
	return found
}

func TestGolden(t *testing.T) {
	folders, err := filepath.Glob("testdata/*/in.yaml")
	if err != nil || len(folders) < 25 {
		t.Fatalf("found %d cases (%v), want 25 or more", len(folders), err)
	}
	for _, in := range folders {
		folder := filepath.Dir(in)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			f := readFleet(t, in)
			inputs := f.inputs()
			outputs := translator.Translate(inputs)
			got, path := readable(t, outputs), filepath.Join(folder, "out.yaml")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("output differs from %s (-want +got):\n%s", path, diff)
			}
			checkHosts(t, f, outputs)
			checkMarks(t, outputs)
			checkOrder(t, inputs, outputs)
		})
	}
}

// checkOrder proves that the engine comes to the same outputs whatever the order in which it is told of the inputs.
func checkOrder(t *testing.T, inputs translator.Inputs, want translator.Outputs) {
	t.Helper()
	type step struct {
		cluster string
		change  translator.Change
	}
	var steps []step
	for name, cluster := range inputs.Clusters {
		for key, object := range cluster.Objects {
			steps = append(steps, step{name, translator.Change{Key: key, Object: object}})
		}
	}
	slices.SortFunc(steps, func(a, b step) int { return strings.Compare(a.cluster+a.change.Key, b.cluster+b.change.Key) })
	random := rand.New(rand.NewPCG(1, 2))
	random.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })

	e := translator.NewEngine()
	e.SetDeregistered(inputs.Deregistered...)
	for name, cluster := range inputs.Clusters {
		e.SetComplete(name, cluster.Complete)
	}
	for _, s := range steps {
		e.Apply(s.cluster, s.change)
		e.Update()
	}
	if diff := cmp.Diff(want, e.Outputs()); diff != "" {
		t.Errorf("told one by one, the engine comes to something else (-translate +engine):\n%s", diff)
	}
	for name, cluster := range inputs.Clusters {
		e.Replace(name, cluster.Objects)
	}
	if touched := e.Update(); len(touched.Clusters()) > 0 {
		t.Errorf("told the same again, the engine touched %v, want nothing", touched)
	}
}

// checkMarks proves that every output says whose it is, and has a name that Kubernetes takes.
func checkMarks(t *testing.T, outputs translator.Outputs) {
	t.Helper()
	for cluster, values := range outputs.Objects {
		for key, value := range values {
			var object struct {
				Metadata struct{ Labels, Annotations map[string]string }
			}
			if err := json.Unmarshal(value, &object); err != nil {
				t.Fatal(err)
			}
			if object.Metadata.Labels[resource.ManagedByLabel] != resource.ManagedBy {
				t.Errorf("%s %s lacks the label %s", cluster, key, resource.ManagedByLabel)
			}
			sources := strings.Split(object.Metadata.Annotations[resource.SourcesAnnotation], ",")
			clusters := map[string]bool{}
			for _, source := range sources {
				name, _, _ := strings.Cut(source, ":")
				clusters[name] = true
			}
			named := strings.Split(object.Metadata.Annotations[resource.SourceClustersAnnotation], ",")
			if !slices.IsSorted(sources) || !slices.IsSorted(named) {
				t.Errorf("%s %s: sources %q or source clusters %q are not sorted", cluster, key, sources, named)
			}
			for name := range clusters {
				if !slices.Contains(named, name) {
					t.Errorf("%s %s: source clusters %q lack %s", cluster, key, named, name)
				}
			}
			if len(key.Name) > 63 || strings.Trim(key.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.HasPrefix(key.Name, "-") {
				t.Errorf("%s %s: the name is no DNS label", cluster, key)
			}
		}
	}
}
