package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/services/agent/snapshot"
)

var update = flag.Bool("update", false, "write what agents store of the benchmarks' objects")

// The benchmarks of package keyspace cannot import the agent, so what it stores
// of their objects is kept in files.
func TestBenchmarksUseWhatAgentsStore(t *testing.T) {
	const testdata = "../../pipeline/keyspace/testdata"
	files, err := filepath.Glob(filepath.Join(testdata, "objects", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d objects, %v", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var object unstructured.Unstructured
		if err := json.Unmarshal(data, &object.Object); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		reduced, err := snapshot.NewReducer(0).Reduce(&object, "")
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var want bytes.Buffer
		if err := json.Indent(&want, reduced.Value, "", " "); err != nil {
			t.Fatal(err)
		}
		want.WriteByte('\n')
		golden := filepath.Join(testdata, "reduced", filepath.Base(file))
		if *update {
			if err := os.WriteFile(golden, want.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s is not what agents store of %s now; run go test ./test/dictionary -update", golden, filepath.Base(file))
		}
	}
}
