package clusters

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest/apiserver"
	"github.com/meshweir/meshweir/test/oracle"
)

// TestClusters runs its parts on one fleet, one after the other: it takes longer
// to start than most of them take. Each part begins and ends converged, and says
// that nothing was taken away on the way.
func TestClusters(t *testing.T) {
	f := newFleet(t)
	f.awaitConverged()
	for _, part := range []struct {
		name string
		test func(t *testing.T, f *fleet)
	}{
		{"a change in one cluster becomes configuration in the other", changesReachTheOther},
		{"an API server restarts in the middle", apiServerRestarts},
		{"an agent sleeps", agentSleeps},
		{"an agent sleeps, and another replica takes over", agentIsReplaced},
		{"Redis is flushed, and one cluster is back alone", flushedWithOneClusterBack},
		{"a cluster is dead for long", clusterIsDead},
		{"a cluster is deregistered", clusterIsDeregistered},
		{"a cluster is restored from an old backup", clusterIsRestored},
		{"a second cluster under one name is refused", impostorIsRefused},
		{"five thousand Services at once", manyServices},
	} {
		t.Run(part.name, func(t *testing.T) {
			f := *f
			f.t, f.explained = t, map[string][]string{}
			defer f.nothingTaken()() // it also says what was taken when a wait was in vain
			part.test(t, &f)
			f.awaitConverged()
		})
	}
}

func changesReachTheOther(t *testing.T, f *fleet) {
	began := time.Now()
	f.edit("east", "weight: 90", "weight: 89")
	f.awaitText("east", `"weight":89`)
	t.Logf("from a change to the same cluster: %s", time.Since(began).Round(time.Millisecond))

	began = time.Now()
	f.edit("west", "198.51.100.20", "198.51.100.21")
	f.awaitText("east", "198.51.100.21")
	t.Logf("from a change to the other cluster: %s", time.Since(began).Round(time.Millisecond))

	f.edit("east", "consecutiveErrors: 3", "consecutiveErrors: 4")
	f.awaitText("west", `"consecutive5xxErrors":4`)
}

func apiServerRestarts(t *testing.T, f *fleet) {
	east := f.clusters["east"]
	f.edit("east", "weight: 90", "weight: 80")
	east.Kill()
	f.edit("west", "198.51.100.20", "198.51.100.22")
	east.Start()
	began := time.Now()
	f.awaitText("east", `"weight":80`)
	f.awaitText("east", "198.51.100.22")
	t.Logf("from the start of one that was killed to what was missed: %s", time.Since(began).Round(time.Millisecond))
	f.clusters["west"].Restart()
	began = time.Now()
	f.edit("east", "consecutiveErrors: 3", "consecutiveErrors: 6")
	f.awaitText("west", `"consecutive5xxErrors":6`)
	t.Logf("from the start of one that was stopped to a change: %s", time.Since(began).Round(time.Millisecond))
}

func impostorIsRefused(t *testing.T, f *fleet) {
	f.clusters["impostor"] = newCluster(t, "east")
	defer delete(f.clusters, "impostor")
	f.startAgent("impostor", "east")
	impostor := f.programs["agent-impostor"]
	select {
	case <-impostor.Exited():
		impostor.Kill()
	case <-time.After(2 * time.Minute):
		t.Fatal("the second east goes on")
	}
	if log := impostor.Log(); !strings.Contains(log, "belongs to another owner") {
		t.Errorf("it said:\n%s", log)
	}
	if writes := f.clusters["impostor"].Writes().By(agent); len(istio(writes)) > 0 {
		t.Errorf("it was written to the second east:\n%s", writes)
	}
}

func manyServices(t *testing.T, f *fleet) {
	const count, workers = 5000, 16
	west := f.clusters["west"]
	began := time.Now()
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for i := worker; i < count; i += workers {
				body := fmt.Sprintf(`{"metadata":{"name":"s%d"},"spec":{"clusterIP":"None","selector":{"app":"s%d"},"ports":[{"port":80}]}}`, i, i)
				response, err := west.Client(apiserver.Admin).Post(west.URL+"/api/v1/namespaces/shop/services", "application/json", strings.NewReader(body))
				if err != nil {
					t.Errorf("creating Service %d: %v", i, err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body) // read to its end, the connection is used again
				response.Body.Close()
				if response.StatusCode != http.StatusCreated {
					t.Errorf("creating Service %d: %s", i, response.Status)
					return
				}
			}
		})
	}
	all.Wait()
	t.Logf("the API server has them after %s", time.Since(began).Round(time.Millisecond))
	f.eventually("all of them in the snapshot", func() (string, bool) {
		values, err := oracle.Values(t.Context(), f.store, "snapshot/west")
		if err != nil {
			return err.Error(), false
		}
		known := 0
		for key := range values[keyspace.Name("snapshot/west")] {
			if strings.HasPrefix(key, "Service.") || strings.HasPrefix(key, "Service/") {
				known++
			}
		}
		return fmt.Sprint(known), known >= count
	})
	t.Logf("and the snapshot after %s", time.Since(began).Round(time.Millisecond))
	began = time.Now()
	f.edit("west", "198.51.100.20", "198.51.100.24")
	f.awaitText("east", "198.51.100.24")
	t.Logf("from a change to the other cluster, beside them: %s", time.Since(began).Round(time.Millisecond))
}
