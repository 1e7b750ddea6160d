package view_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/services/ui/view"
)

// update is `go test -run TestWiring -update`: it writes what the code now says into the golden files.
var update = flag.Bool("update", false, "write the golden files")

// TestWiring reads the objects of testdata/wiring/<case>/in.yaml and compares what they say of traffic with out.yaml.
func TestWiring(t *testing.T) {
	cases, err := filepath.Glob("testdata/wiring/*/in.yaml")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no case was found: %v", err)
	}
	for _, in := range cases {
		dir := filepath.Dir(in)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			text, err := os.ReadFile(in)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			for document := range strings.SplitSeq(string(text), "\n---\n") {
				object, err := yaml.YAMLToJSON([]byte(document))
				if err != nil {
					t.Fatal(err)
				}
				row, _ := view.RowOf(view.Facts{Live: fact(t, string(object))})
				wiring, err := yaml.Marshal(row.Wiring)
				if err != nil {
					t.Fatal(err)
				}
				if out.Len() > 0 {
					out.WriteString("---\n")
				}
				out.Write(wiring)
			}
			golden := filepath.Join(dir, "out.yaml")
			if *update {
				if err := os.WriteFile(golden, out.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), out.String()); diff != "" {
				t.Errorf("wiring (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWiringOfFieldsOfOtherTypesIsNone(t *testing.T) {
	f := fact(t, `{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"v"},"spec":{"hosts":"a.example"}}`)
	if f.Wiring != nil {
		t.Errorf("wiring is %+v, want none", f.Wiring)
	}
}
