package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
)

// sabotage is a mistake that is built into a copy of our code, to see whether the judge finds it.
type sabotage struct {
	name string
	// faults are those under which it shows.
	faults string
	edits  []edit
}

// edit replaces a piece of a file, and must find it. In the replacement, SABOTAGED stands for "this mistake is asked for".
type edit struct{ file, old, replacement string }

// sabotages are all mistakes that can be built in.
func sabotages() []sabotage {
	return []sabotage{
		{"skip-guard", "slow-network", []edit{{
			"pipeline/keyspace/write.go", "if !found.sameWrite(w.base) ||", "if !SABOTAGED && !found.sameWrite(w.base) || !SABOTAGED &&",
		}}},
		{"drop-event", "kill-other", []edit{{
			"pipeline/keyspace/write.go", "\tp.XAdd(ctx,", "\tif SABOTAGED && w.next.Revision%2 == 0 {\n\t\treturn nil\n\t}\n\tp.XAdd(ctx,",
		}}},
		{"ack-early", "kill-translator", []edit{{
			"pipeline/work/consume.go", "\tctx, name, ask := msg.Context()",
			"\tif SABOTAGED {\n\t\ttime.AfterFunc(600*time.Millisecond, func() { w.Ask() })\n\t\treturn nil\n\t}\n\tctx, name, ask := msg.Context()",
		}}},
		{"prune-on-empty", "flush-redis-while-an-agent-is-dead", []edit{
			{"services/translator/pass.go", "if !e.Meta.Complete {", "if !SABOTAGED && !e.Meta.Complete {"},
			{"services/translator/pass.go", "if e.Meta.Complete {", "if SABOTAGED || e.Meta.Complete {"},
		}},
		{"reuse-revision", "fail-over-that-loses-writes", []edit{
			{"pipeline/keyspace/derived.go", "if !base.Exists() || lost {\n\t\tnext.Epoch", "if !base.Exists() || lost && !SABOTAGED {\n\t\tnext.Epoch"},
			{"pipeline/keyspace/owned.go", "if !base.Exists() || o.displaced {\n\t\tnext.Epoch", "if !base.Exists() || o.displaced && !SABOTAGED {\n\t\tnext.Epoch"},
		}},
		{"stale-view", "pause-translator", []edit{
			{"pipeline/work/consume.go", "\twaiting, cancel :=", "\tif SABOTAGED {\n\t\treturn nil\n\t}\n\twaiting, cancel :="},
			// No mistake: who follows may be slow. Else the event seldom comes first.
			{"pipeline/keyspace/tail.go", "\t\tu, err := r.follow(", "\t\tif SABOTAGED {\n\t\t\t<-time.After(300 * time.Millisecond)\n\t\t}\n\t\tu, err := r.follow("},
		}},
	}
}

// variable names the mistakes that binaries with all of them are to make.
const variable = "MESHWEIR_TEST_SABOTAGE"

// sabotaged builds the services with all mistakes, of which each sleeps until the variable names it.
func sabotaged(t *testing.T) (binaries string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	texts := map[string]string{}
	for _, s := range sabotages() {
		for _, e := range s.edits {
			text, ok := texts[e.file]
			if !ok {
				data, err := os.ReadFile(filepath.Join(root, e.file))
				if err != nil {
					t.Fatal(err)
				}
				text = strings.Replace(string(data), "import (\n", "import (\n\tsabotage \"os\"\n", 1)
			}
			asked := fmt.Sprintf("(sabotage.Getenv(%q) == %q)", variable, s.name)
			texts[e.file] = applied(t, text, s.name, edit{e.file, e.old, strings.ReplaceAll(e.replacement, "SABOTAGED", asked)})
		}
	}
	overlay := map[string]string{}
	for file, text := range texts {
		changed := filepath.Join(dir, strings.ReplaceAll(file, "/", "-"))
		if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay[filepath.Join(root, file)] = changed
	}
	list, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, list, 0o600); err != nil {
		t.Fatal(err)
	}
	const services = "github.com/meshweir/meshweir/services/cmd/"
	build := exec.Command("go", "build", "-overlay", path, "-o", dir+"/", services+"agent", services+"translator", services+"insights", services+"ui")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the mistakes in: %v\n%s", err, out)
	}
	return dir
}

// applied makes an edit. One that several mistakes need finds the text of the one before it.
func applied(t *testing.T, text, name string, e edit) string {
	t.Helper()
	if n := strings.Count(text, e.old); n != 1 {
		t.Fatalf("sabotage %s: %s has %q %d times, want once: the code has moved, and the mistake must move with it", name, e.file, e.old, n)
	}
	return strings.Replace(text, e.old, e.replacement, 1)
}

func TestSabotageTurnsTheVerdictRed(t *testing.T) {
	pipelinetest.Require(t, "redis")
	t.Parallel()
	services := sabotaged(t)
	for _, s := range sabotages() {
		t.Run(s.name, func(t *testing.T) {
			chosen, err := only(s.faults)
			if err != nil {
				t.Fatal(err)
			}
			red := run(t, course{services: services, sabotage: s.name, clusters: 3, changes: 250, seed: 1, faults: chosen, patience: 15 * time.Second, out: t.Output()})
			if red == "" {
				t.Errorf("the verdict is green, though %s is built in", s.name)
			}
			t.Log("red, as it should be:", red)
		})
	}
}
