package whole

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/deploy/compose/demo"
)

const (
	weights  = "east/apps/checkout/routes.yaml"
	gateways = "west/istio/eastwest-gateway/workload.yaml"
	broken   = "west/apps/recommendations/broken.yaml"
	eastUID  = "9d4f33fd-c667-5393-8c9c-7df81e79c84f"
)

func TestAnEditChangesWhatDependsOnItAndNothingElse(t *testing.T) {
	eachArrangement(t, func(t *testing.T, s *system) {
		s.awaitRest()
		east, west := s.applied("east"), s.applied("west")
		began := time.Now()
		s.edit(weights, "weight: 90", "weight: 60")
		eventually(t, "the weights in east", func() (string, bool) {
			files := changed(east, s.applied("east"))
			return fmt.Sprint(files), slices.ContainsFunc(files, func(file string) bool { return strings.HasPrefix(file, "VirtualService") })
		})
		t.Logf("from the edit of a manifest to the applied file: %s", time.Since(began).Round(time.Millisecond))
		s.awaitConverged()
		for _, file := range changed(east, s.applied("east")) {
			if !strings.HasPrefix(file, "VirtualService.networking.istio.io_istio-ingress_shop-shop-harborgoods") {
				t.Errorf("%s of east changed too", file)
			}
		}
		if files := changed(west, s.applied("west")); len(files) > 0 {
			t.Errorf("%v of west changed too", files)
		}
	})
}

func TestAChangeInOneClusterBecomesConfigurationInOthers(t *testing.T) {
	eachArrangement(t, func(t *testing.T, s *system) {
		began := time.Now()
		s.edit(gateways, "- ip: 198.51.100.20", "- ip: 198.51.100.21")
		eventually(t, "east and mgmt to send to the new address", func() (string, bool) {
			for _, cluster := range []string{"east", "mgmt"} {
				all := strings.Join(valuesOf(s.applied(cluster)), "\n")
				if !strings.Contains(all, "198.51.100.21") || strings.Contains(all, "198.51.100.20") {
					return cluster, false
				}
			}
			return "", true
		})
		t.Logf("from the edit in west to the files of east and mgmt: %s", time.Since(began).Round(time.Millisecond))
		s.awaitConverged()
	})
}

func TestASourceLearnsWhatAnotherClusterDoesNotTake(t *testing.T) {
	eachArrangement(t, func(t *testing.T, s *system) {
		const source = "mgmt:GlobalService.meshweir.io/search/search"
		var made string
		eventually(t, "what east is given for mgmt's GlobalService", func() (string, bool) {
			for key, value := range s.values("output/east")["output/east"] {
				if strings.HasPrefix(key, "ServiceEntry.") && strings.Contains(value, source) {
					made = key
				}
			}
			return "", made != ""
		})
		conflict := func() (string, bool) {
			text := s.applied("mgmt")["status/GlobalService.meshweir.io_search_search.yaml"]
			return text, strings.Contains(text, "type: Conflict") && strings.Contains(text, "east: "+made)
		}
		name := made[strings.LastIndex(made, "/")+1:]
		inTheWay := filepath.Join(s.clusters, "east/in-the-way.yaml")
		manifest := "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {namespace: search, name: " + name + "}\nspec: {hosts: [mine.example.com]}\n"
		if err := os.WriteFile(inTheWay, []byte(manifest), 0o600); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the condition Conflict in mgmt", conflict)
		if err := os.Remove(inTheWay); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the condition to go", func() (string, bool) { text, ok := conflict(); return text, !ok && strings.Contains(text, "Accepted") })
		s.awaitConverged()
	})
}

func TestABrokenManifestIsReportedAndKeepsItsLastGoodState(t *testing.T) {
	eachArrangement(t, func(t *testing.T, s *system) {
		problem := func() (string, bool) {
			for key, value := range s.values("snapshot/west")["snapshot/west"] {
				if strings.HasPrefix(key, "ManifestProblem.") && strings.Contains(value, "broken.yaml") {
					return value, true
				}
			}
			return "none", false
		}
		rule := func() (string, bool) {
			for key, value := range s.values("snapshot/west")["snapshot/west"] {
				if strings.HasPrefix(key, "DestinationRule.") && strings.Contains(value, "broken.yaml") {
					return value, true
				}
			}
			return "none", false
		}
		eventually(t, "the report of the broken manifest, with its line", func() (string, bool) {
			text, ok := problem()
			return text, ok && strings.Contains(text, `"line":13`)
		})
		const wrong, right = "\n host: recommendations", "\n  host: recommendations"
		s.edit(broken, wrong, right)
		eventually(t, "the mended rule", rule)
		eventually(t, "the report to go", func() (string, bool) { text, ok := problem(); return text, !ok })
		s.edit(broken, right, wrong)
		eventually(t, "the report to be back", problem)
		if _, ok := rule(); !ok {
			t.Error("the rule went away with the mistake")
		}
		s.awaitConverged()
	})
}

func TestFleetAtRestMakesNoEventsForAMinute(t *testing.T) {
	eachArrangement(t, func(t *testing.T, s *system) {
		before := s.awaitRest()
		<-time.After(time.Minute)
		if diff := cmp.Diff(before, s.positions()); diff != "" {
			t.Errorf("revisions moved at rest (-before +after):\n%s", diff)
		}
		if len(before) < 4*len(demo.Clusters()) {
			t.Errorf("only %d keyspaces: the test shows nothing", len(before))
		}
	})
}

func TestFlushedRedisTakesNothingAway(t *testing.T) {
	eachArrangement(t, func(t *testing.T, s *system) {
		before := s.positions()["snapshot/east"]
		r := s.record()
		for range 3 {
			if err := s.client.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Second)
		}
		eventually(t, "a new epoch", func() (string, bool) {
			at := s.positions()["snapshot/east"]
			return at.String(), at.Epoch.Compare(before.Epoch) > 0
		})
		s.awaitConverged()
		s.edit(weights, "weight: 90", "weight: 70")
		eventually(t, "an edit to arrive", func() (string, bool) {
			return "", strings.Contains(strings.Join(valuesOf(s.applied("east")), "\n"), "weight: 70")
		})
		s.awaitConverged()
		r.nothingGone(t)
	})
}

func TestGarbageInTheStreamsHarmsNothing(t *testing.T) {
	eachArrangement(t, func(t *testing.T, s *system) {
		for name := range s.positions() {
			for _, values := range []any{[]any{"x", "y"}, []any{"_watermill_message_uuid", "1", "metadata", "\xff", "payload", "{"}} {
				if err := s.client.XAdd(t.Context(), &redis.XAddArgs{Stream: name.EventsKey(), Values: values}).Err(); err != nil {
					t.Fatal(err)
				}
			}
		}
		r := s.record()
		s.edit(weights, "weight: 90", "weight: 80")
		eventually(t, "the edit to arrive", func() (string, bool) {
			return "", strings.Contains(strings.Join(valuesOf(s.applied("east")), "\n"), "weight: 80")
		})
		s.awaitConverged()
		r.nothingGone(t)
	})
}

// Every process is killed, paused or ended in turn, and the Redis restarted, while manifests change.
func TestAnyProcessMayEndAtAnyMoment(t *testing.T) {
	t.Parallel()
	s := separateProcesses(t)
	r := s.record()
	weight := 90
	edit := func() {
		s.edit(weights, fmt.Sprint("weight: ", weight), fmt.Sprint("weight: ", weight-1))
		weight--
	}
	for _, name := range sorted(s.processes) {
		edit()
		s.processes[name].Kill()
		edit()
		again := s.processes[name].Again()
		edit()
		again.Pause()
		edit()
		<-time.After(500 * time.Millisecond)
		again.Continue()
		again.Stop()
		edit()
		s.processes[name] = again.Again()
	}
	s.server.Pause()
	edit()
	<-time.After(2 * time.Second)
	s.server.Continue()
	s.server.Kill()
	edit()
	s.server.Restart()
	eventually(t, "the last edit to arrive", func() (string, bool) {
		return "", strings.Contains(strings.Join(valuesOf(s.applied("east")), "\n"), fmt.Sprint("weight: ", weight))
	})
	s.awaitConverged()
	r.nothingGone(t)
}

func TestASecondClusterUnderOneNameIsRefused(t *testing.T) {
	t.Parallel()
	s := separateProcesses(t)
	other := t.TempDir()
	if err := demo.Unpack(other); err != nil {
		t.Fatal(err)
	}
	edit(t, filepath.Join(other, "east/cluster/namespaces.yaml"), eastUID, "00000000-0000-4000-8000-000000000000")
	s.start("impostor", "agent", "--cluster", "east", "--clusters", other)
	impostor := s.processes["impostor"]
	select {
	case <-impostor.Exited():
		impostor.Kill() // it ended by itself, as it must
	case <-time.After(2 * time.Minute):
		t.Fatal("the second east goes on")
	}
	if log := impostor.Log(); !strings.Contains(log, "belongs to another owner") || !strings.Contains(log, eastUID) {
		t.Errorf("it said:\n%s", log)
	}
	s.awaitConverged()
}

func TestDashboardShowsTheClusters(t *testing.T) {
	eachArrangement(t, func(t *testing.T, s *system) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		eventually(t, "the dashboard to name every cluster", func() (string, bool) {
			page, err := get(ctx, "http://"+s.dashboard+"/")
			for _, cluster := range demo.Clusters() {
				if err != nil || !strings.Contains(page, cluster) {
					return fmt.Sprint(err, page), false
				}
			}
			return "", true
		})
	})
}
