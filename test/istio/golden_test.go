package istio_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/schemas/resource"
)

// goldenFolder holds the translator's golden cases. Its own tests prove that each out.yaml is what in.yaml comes to.
const goldenFolder = "../../services/translator/testdata"

// golden is a golden case: what the clusters have, and what Meshweir writes into them.
type golden struct {
	in  map[string]inCluster
	out map[string]outCluster
}

type inCluster struct {
	Missing bool     `json:"missing"`
	Objects []object `json:"objects"`
}

type outCluster struct {
	Objects map[string]object `json:"objects"`
}

// object is a Kubernetes object.
type object map[string]any

func (o object) json() []byte {
	value, err := json.Marshal(o)
	if err != nil {
		panic(err) // it was just read
	}
	return value
}

// head is what of an object tells it apart.
type head struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Namespace string            `json:"namespace"`
		Name      string            `json:"name"`
		Labels    map[string]string `json:"labels"`
	} `json:"metadata"`
}

func (o object) head() head {
	var h head
	_ = json.Unmarshal(o.json(), &h) // what is no head is told by its emptiness
	return h
}

func (h head) group() string {
	group, _, grouped := strings.Cut(h.APIVersion, "/")
	if !grouped {
		return ""
	}
	return group
}

func (h head) key() string {
	return resource.Key{Group: h.group(), Kind: h.Kind, Namespace: h.Metadata.Namespace, Name: h.Metadata.Name}.String()
}

// goldenCases returns the names of all golden cases.
func goldenCases(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(goldenFolder + "/*/out.yaml")
	if err != nil || len(files) < 30 {
		t.Fatalf("found %d golden cases in %s (%v), want 30 or more", len(files), goldenFolder, err)
	}
	var names []string
	for _, file := range files {
		names = append(names, filepath.Base(filepath.Dir(file)))
	}
	return names
}

func readGolden(t *testing.T, name string) golden {
	t.Helper()
	var in struct {
		Clusters map[string]inCluster `json:"clusters"`
	}
	out := map[string]outCluster{}
	readYAML(t, filepath.Join(goldenFolder, name, "in.yaml"), &in)
	readYAML(t, filepath.Join(goldenFolder, name, "out.yaml"), &out)
	return golden{in.Clusters, out}
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, into); err != nil {
		t.Fatalf("parsing %s: %v", path, err)
	}
}

// written returns what Meshweir writes into a cluster, sorted by key.
func (g golden) written(cluster string) []object {
	objects := g.out[cluster].Objects
	keys := make([]string, 0, len(objects))
	for key := range objects {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	var sorted []object
	for _, key := range keys {
		sorted = append(sorted, objects[key])
	}
	return sorted
}

// state returns what a cluster has once Meshweir has written: its own objects,
// and the written ones in the place of those written before. A cluster that is
// not to be written to keeps what it has.
func (g golden) state(cluster string) []object {
	_, writes := g.out[cluster]
	var state []object
	for _, o := range g.in[cluster].Objects {
		if managed := o.head().Metadata.Labels[resource.ManagedByLabel] == resource.ManagedBy; !managed || !writes {
			state = append(state, o)
		}
	}
	return append(state, g.written(cluster)...)
}
