package snapshot_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/services/agent/manifest"
	"github.com/meshweir/meshweir/services/agent/snapshot"
)

var update = flag.Bool("update", false, "write what comes out to out.yaml")

// Every folder of testdata is a rule: in.yaml is what a cluster holds, out.yaml its snapshot.
func TestSnapshotHoldsWhatReadersUse(t *testing.T) {
	cases, err := filepath.Glob("testdata/*/in.yaml")
	if err != nil || len(cases) == 0 {
		t.Fatalf("got no cases: %v", err)
	}
	for _, in := range cases {
		dir := filepath.Dir(in)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			data, err := os.ReadFile(in)
			if err != nil {
				t.Fatal(err)
			}
			got := render(t, data)
			out := filepath.Join(dir, "out.yaml")
			if *update {
				if err := os.WriteFile(out, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error("snapshot (-want +got):\n" + diff)
			}
		})
	}
}

func render(t *testing.T, manifests []byte) string {
	t.Helper()
	docs, problems := manifest.Read(manifests)
	if len(problems) > 0 {
		t.Fatalf("reading in.yaml: %+v", problems)
	}
	reducer := snapshot.NewReducer(0)
	var out strings.Builder
	var objects []snapshot.Object
	for _, doc := range docs {
		name := doc.Object.GetKind() + " " + doc.Object.GetName()
		object, err := reducer.Reduce(doc.Object, "")
		switch {
		case errors.Is(err, snapshot.ErrUnknownKind), errors.Is(err, snapshot.ErrNotTaken):
			out.WriteString("# " + name + ": " + err.Error() + "\n")
		case err != nil:
			out.WriteString("# " + name + ": problem: " + err.Error() + "\n")
		default:
			objects = append(objects, object)
		}
	}
	changes := snapshot.NewBuilder().Update(objects, nil)
	for _, object := range changes.Set {
		text, err := yaml.JSONToYAML(object.Value)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("--- # " + object.Key.String() + "\n" + string(text))
	}
	return out.String()
}
