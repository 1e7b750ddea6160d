package offline_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshweir/meshweir/deploy/compose/demo"
	"github.com/meshweir/meshweir/services/cmd/meshweir/offline"
)

var update = flag.Bool("update", false, "write the golden files anew")

// foldersOf returns the folder of each cluster in dir.
func foldersOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	folders := map[string]string{}
	for _, e := range entries {
		if e.IsDir() {
			folders[e.Name()] = filepath.Join(dir, e.Name())
		}
	}
	return folders
}

func TestGolden(t *testing.T) {
	cases, err := filepath.Glob("testdata/*/fleet")
	if err != nil || len(cases) == 0 {
		t.Fatalf("found %d cases, %v", len(cases), err)
	}
	for _, fleet := range cases {
		dir := filepath.Dir(fleet)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			result, err := offline.Translate(foldersOf(t, fleet))
			if err != nil {
				t.Fatal(err)
			}
			var objects, findings bytes.Buffer
			for _, o := range result.Objects {
				fmt.Fprintf(&objects, "---\n# cluster %s\n%s", o.Cluster, o.YAML)
			}
			for _, f := range result.Findings {
				fmt.Fprintln(&findings, f)
			}
			for name, got := range map[string][]byte{"out.yaml": objects.Bytes(), "findings.txt": findings.Bytes()} {
				path := filepath.Join(dir, name)
				if *update {
					if err := os.WriteFile(path, got, 0o600); err != nil {
						t.Fatal(err)
					}
					continue
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), string(got)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}

func TestReadsTheDemoFleetAndWritesNothingBesideIt(t *testing.T) {
	dir := t.TempDir()
	if err := demo.Unpack(dir); err != nil {
		t.Fatal(err)
	}
	before := filesOf(t, dir)
	result, err := offline.Translate(foldersOf(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, filesOf(t, dir)); diff != "" {
		t.Errorf("files in the fleet's folder (-before +after):\n%s", diff)
	}
	in := map[string]int{}
	for _, o := range result.Objects {
		in[o.Cluster]++
	}
	for _, cluster := range demo.Clusters() {
		if in[cluster] == 0 {
			t.Errorf("%s is given nothing", cluster)
		}
	}
	for _, f := range result.Findings {
		if strings.HasPrefix(f.String(), "west/apps/recommendations/broken.yaml:13: ") {
			return
		}
	}
	t.Errorf("the findings are\n%v\nwant one at line 13 of the broken manifest", result.Findings)
}

func TestFindingsAreMinorWhereTheObjectWorks(t *testing.T) {
	found, err := offline.Findings([]byte(`{"status":{"listeners":[{"name":"https","conditions":[
		{"type":"Accepted","status":"True"},{"type":"Detached","status":"True"},{"type":"OverlappingTLSConfig","status":"True"}]}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, f := range found {
		got[f.Condition] = f.Minor
	}
	if diff := cmp.Diff(map[string]bool{"Detached=True": false, "OverlappingTLSConfig=True": true}, got); diff != "" {
		t.Errorf("findings, and whether they are minor (-want +got):\n%s", diff)
	}
}

func TestAFolderThatIsNotThereIsAnError(t *testing.T) {
	_, err := offline.Translate(map[string]string{"east": filepath.Join(t.TempDir(), "gone")})
	if err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("got %v, want an error that names the folder", err)
	}
}

func filesOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		names = append(names, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestWhatInsightsSayIsMinor(t *testing.T) {
	result, err := offline.Translate(foldersOf(t, "testdata/insights/fleet"))
	if err != nil {
		t.Fatal(err)
	}
	said := 0
	for _, f := range result.Findings {
		if strings.HasPrefix(f.Condition, "CFG") {
			said++
			if !f.Minor {
				t.Errorf("%s counts as wrong", f)
			}
		} else if f.Condition == "ResolvedRefs=False" && f.Minor {
			t.Errorf("%s does not count as wrong", f)
		}
	}
	if said == 0 {
		t.Error("no insight is told")
	}
}
