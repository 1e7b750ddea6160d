package insights_test

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/insights"
	"github.com/meshweir/meshweir/services/insights/check"
	"github.com/meshweir/meshweir/services/insights/fleet"
)

var update = flag.Bool("update", false, "write the golden files anew")

// now is the time in all golden cases.
func now() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) }

// known is what is known of a fleet: the shape of in.yaml.
type known struct {
	// Said are insights that were said before.
	Said     map[string]insight.Insight `json:"said"`
	Clusters map[string]*knownCluster   `json:"clusters"`
}

type knownCluster struct {
	// Missing says that there is no complete snapshot.
	Missing bool `json:"missing"`
	// Silent is for how long the agent was not heard.
	Silent string `json:"silent"`
	// Outage is for how long the agent cannot read its cluster.
	Outage string `json:"outage"`
	// Member is the state in the registry.
	Member  string                        `json:"member"`
	Reports map[string]internalv1.Applied `json:"reports"`
	Objects []manifest                    `json:"objects"`
}

type manifest map[string]any

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

func (object manifest) json() []byte {
	value, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	return value
}

func (object manifest) decode() fleet.Object {
	decoded, _ := fleet.Decode(object.key().String(), object.json()) // what cannot be read says nothing
	return decoded
}

func readKnown(t testing.TB, path string) known {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var k known
	if err := yaml.UnmarshalStrict(data, &k); err != nil {
		t.Fatalf("parsing %s: %v", path, err)
	}
	return k
}

// steps are what tells an engine of a fleet, one for each fact.
func (k known) steps(t testing.TB) []func(*insights.Engine) {
	t.Helper()
	var steps []func(*insights.Engine)
	for id, said := range k.Said {
		said.Code, _, _ = check.ParseID(id)
		steps = append(steps, func(e *insights.Engine) { e.Remember(id, said) })
	}
	for name, c := range k.Clusters {
		steps = append(steps, func(e *insights.Engine) { e.Fleet.SetAgent(name, c.agent(t)) })
		state := fleet.State{Seen: !c.Missing, Member: internalv1.Membership{State: c.Member}}
		steps = append(steps, func(e *insights.Engine) { e.Fleet.SetState(name, state) })
		for _, object := range c.Objects {
			steps = append(steps, func(e *insights.Engine) { e.Fleet.Put(name, object.decode()) })
		}
		for key, report := range c.Reports {
			parsed, err := resource.ParseKey(key)
			if err != nil {
				t.Fatal(err)
			}
			steps = append(steps, func(e *insights.Engine) { e.Fleet.SetReport(fleet.Ref{Cluster: name, Key: parsed}, &report) })
		}
	}
	return steps
}

func (c *knownCluster) agent(t testing.TB) fleet.Agent {
	t.Helper()
	agent := fleet.Agent{Alive: c.Silent == "", Holder: "lease meshweir/agent"}
	ago := func(text string) time.Time {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		return now().Add(-d)
	}
	if c.Silent != "" {
		agent.Heard = ago(c.Silent)
	}
	if c.Outage != "" {
		agent.Outage, agent.OutageSince = "reading the cluster: connection refused", ago(c.Outage)
	}
	return agent
}

func newEngine() *insights.Engine { return insights.NewEngine(check.Table(), check.Settings{}) }

// TestGolden compares what is said of each fleet in testdata with its out.yaml. A case is named after the check and what it shows.
func TestGolden(t *testing.T) {
	folders, err := filepath.Glob("testdata/*/in.yaml")
	if err != nil || len(folders) < 40 {
		t.Fatalf("found %d cases (%v), want 40 or more", len(folders), err)
	}
	read := map[string]map[fleet.Input]bool{}
	finds, quiet := map[string]bool{}, map[string]bool{}
	for _, in := range folders {
		folder := filepath.Dir(in)
		code, _, _ := strings.Cut(filepath.Base(folder), "-")
		t.Run(filepath.Base(folder), func(t *testing.T) {
			k := readKnown(t, in)
			e := newEngine()
			e.Noted = func(code string, input fleet.Input) {
				if read[code] == nil {
					read[code] = map[fleet.Input]bool{}
				}
				read[code][input] = true
			}
			for _, step := range k.steps(t) {
				step(e)
			}
			e.Update(now())
			got, err := yaml.Marshal(e.Insights())
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(folder, "out.yaml")
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
				t.Errorf("insights differ from %s (-want +got):\n%s", path, diff)
			}
			if strings.Contains(string(got), "code: "+strings.ToUpper(code)) {
				finds[strings.ToUpper(code)] = true
			} else {
				quiet[strings.ToUpper(code)] = true
			}
			checkOrder(t, k, e.Insights())
		})
	}
	for _, c := range check.Table() {
		if !finds[c.Code] || !quiet[c.Code] {
			t.Errorf("%s needs a case that finds (has one: %v) and one that stays quiet (has one: %v)", c.Code, finds[c.Code], quiet[c.Code])
		}
		for input := range read[c.Code] {
			if !slices.Contains(c.Inputs, input) {
				t.Errorf("%s reads %s, which its row does not name", c.Code, input)
			}
		}
		for _, input := range c.Inputs {
			if !read[c.Code][input] {
				t.Errorf("the row of %s names %s, which no case has it read", c.Code, input)
			}
		}
	}
}

// checkOrder proves that an engine that is told one by one, in any order, says the same, and that being told the same again changes nothing.
func checkOrder(t *testing.T, k known, want map[string]insight.Insight) {
	t.Helper()
	e := newEngine()
	for _, step := range k.steps(t) { // in the order of maps
		step(e)
		e.Update(now())
	}
	// What is in doubt stays as it was said, and what was said depends on the order; so nothing may be in doubt but what is for one that is told at once.
	certain := func(all map[string]insight.Insight) map[string]insight.Insight {
		maps.DeleteFunc(all, func(_ string, said insight.Insight) bool { return said.Unknown != "" })
		return all
	}
	if diff := cmp.Diff(certain(want), certain(e.Insights())); diff != "" {
		t.Errorf("told one by one, the engine says something else (-at once +one by one):\n%s", diff)
	}
	atOnce := newEngine()
	for _, step := range k.steps(t) {
		step(atOnce)
	}
	for id, said := range e.Insights() {
		atOnce.Remember(id, said)
	}
	atOnce.Update(now())
	if diff := cmp.Diff(atOnce.Insights(), e.Insights()); diff != "" {
		t.Errorf("told one by one, the engine doubts something else (-at once +one by one):\n%s", diff)
	}
	runs := e.Runs()
	for _, step := range k.steps(t) {
		step(e)
	}
	if changed := e.Update(now()); len(changed) > 0 || e.Runs() > runs {
		t.Errorf("told the same again, the engine changed %v in %d runs, want none", changed, e.Runs()-runs)
	}
}
