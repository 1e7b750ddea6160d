package clusters

import (
	"context"
	"encoding/json"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshweir/meshweir/deploy/k8s/crds"
	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/pipelinetest/apiserver"
	"github.com/meshweir/meshweir/pipeline/pipelinetest/program"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/test/oracle"
)

// Users that the agents are: a second replica is another one, so that the recorder tells the two apart.
const (
	agent   = "agent"
	standby = "standby"
)

// binaries is the folder that TestMain builds the commands into.
var binaries string

func TestMain(m *testing.M) {
	os.Exit(program.Main(m, &binaries, "github.com/meshweir/meshweir/services/cmd/..."))
}

// fleet is two clusters, a Redis, an agent for each cluster and a translator.
type fleet struct {
	t        testing.TB
	redis    *pipelinetest.Server
	store    *keyspace.Store
	clusters map[string]*apiserver.Server
	programs map[string]*program.Program
	logs     string
	// explained holds texts by cluster: what contains one may be taken away.
	explained map[string][]string
}

func newFleet(t testing.TB) *fleet {
	t.Helper()
	f := &fleet{
		t: t, redis: pipelinetest.RealServer(t, "--appendonly", "yes"), logs: t.TempDir(),
		clusters: map[string]*apiserver.Server{}, programs: map[string]*program.Program{},
	}
	var err error
	f.store, err = keyspace.NewStore(slog.New(slog.DiscardHandler), f.redis.Client(), keyspace.Config{Block: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for _, cluster := range []string{"east", "west"} {
		f.clusters[cluster] = newCluster(t, cluster)
	}
	f.startAgent("east", "east")
	f.startAgent("west", "west")
	f.start("translator", "translator")
	return f
}

// newCluster starts an API server that holds what the cluster's manifest says.
func newCluster(t testing.TB, name string) *apiserver.Server {
	t.Helper()
	server := apiserver.Start(t, apiserver.Config{Name: name, Users: map[string][]string{agent: nil, standby: nil}})
	server.Apply(apiserver.FromModule(t, "istio.io/api", "kubernetes/customresourcedefinitions.gen.yaml"))
	server.Apply(apiserver.FromModule(t, "sigs.k8s.io/gateway-api", "config/crd/standard/*.yaml"))
	definitions, err := fs.Glob(crds.Files(), "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range definitions {
		content, err := fs.ReadFile(crds.Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		server.Apply(string(content))
	}
	server.Apply(manifest(t, "both"))
	server.Apply(manifest(t, name))
	return server
}

func manifest(t testing.TB, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// startAgent starts the agent of an API server, which calls its cluster by a name.
func (f *fleet) startAgent(server, name string) {
	f.t.Helper()
	f.startReplica("agent-"+server, agent, server, name)
}

func (f *fleet) startReplica(program, user, server, name string) {
	f.t.Helper()
	f.start(program, "agent", "--cluster", name, "--source", "kubernetes", "--kubeconfig", f.clusters[server].Kubeconfig(user))
}

func (f *fleet) start(name, command string, args ...string) {
	f.t.Helper()
	f.programs[name] = program.Start(f.t, program.Config{
		Path: filepath.Join(binaries, command), Log: filepath.Join(f.logs, name+".log"),
		Args: append(args, "--redis-control", f.redis.URL()),
	})
}

// again starts a program that was stopped.
func (f *fleet) again(name string) {
	f.t.Helper()
	f.programs[name] = f.programs[name].Again()
}

// edit replaces a text in a cluster's manifest and applies the result.
func (f *fleet) edit(cluster, old, replacement string) {
	f.t.Helper()
	content := manifest(f.t, cluster)
	if n := strings.Count(content, old); n != 1 {
		f.t.Fatalf("the manifest of %s contains %q %d times, want once", cluster, old, n)
	}
	f.clusters[cluster].Apply(strings.Replace(content, old, replacement, 1))
}

// istioKinds are those that Meshweir writes.
func istioKinds() map[string]string {
	return map[string]string{
		"Gateway": "gateways", "VirtualService": "virtualservices", "DestinationRule": "destinationrules", "ServiceEntry": "serviceentries",
	}
}

// given is what stands in a cluster by Meshweir's hand: object key → spec.
func (f *fleet) given(cluster string) map[string]any {
	f.t.Helper()
	given := map[string]any{}
	for kind, plural := range istioKinds() {
		answer := f.clusters[cluster].Do(apiserver.Request{
			Path: "/apis/networking.istio.io/v1/" + plural + "?labelSelector=app.kubernetes.io/managed-by%3Dmeshweir",
		})
		if answer.Code != http.StatusOK {
			f.t.Fatalf("listing %s of %s: %d %s", plural, cluster, answer.Code, answer.Body)
		}
		var list struct {
			Items []struct {
				Metadata struct{ Namespace, Name string }
				Spec     any
			}
		}
		if err := json.Unmarshal(answer.Body, &list); err != nil {
			f.t.Fatal(err)
		}
		for _, item := range list.Items {
			key := resource.Key{Group: "networking.istio.io", Kind: kind, Namespace: item.Metadata.Namespace, Name: item.Metadata.Name}
			given[key.String()] = item.Spec
		}
	}
	return given
}

// awaitConverged waits until every cluster has what a full translation gives.
func (f *fleet) awaitConverged() {
	f.t.Helper()
	f.eventually("every cluster to have what a full translation gives", func() (string, bool) {
		ctx, cancel := context.WithTimeout(f.t.Context(), 30*time.Second)
		defer cancel()
		wanted, err := oracle.Wanted(ctx, f.store, "east", "west")
		if err != nil {
			return err.Error(), false
		}
		if len(wanted["east"]) == 0 || len(wanted["west"]) == 0 {
			return "nothing is wanted", false
		}
		given := map[string]map[string]any{"east": f.given("east"), "west": f.given("west")}
		diff := cmp.Diff(wanted, given)
		return "(-wanted +given)\n" + diff, diff == ""
	})
}

// awaitText waits until what stands in a cluster by Meshweir's hand contains a text.
func (f *fleet) awaitText(cluster, text string) {
	f.t.Helper()
	f.eventually(text+" in "+cluster, func() (string, bool) {
		given := f.text(cluster)
		return given, strings.Contains(given, text)
	})
}

// text is what stands in a cluster by Meshweir's hand, as JSON.
func (f *fleet) text(cluster string) string {
	f.t.Helper()
	given, err := json.Marshal(f.given(cluster))
	if err != nil {
		f.t.Fatal(err)
	}
	return string(given)
}

// mayGo explains in advance that what contains a text is taken away in a cluster.
func (f *fleet) mayGo(cluster, text string) {
	f.explained[cluster] = append(f.explained[cluster], text)
}

// nothingTaken begins to watch over what stands in the clusters; the test calls
// the result at its end. It says what was deleted or shrunk that no change of the test explains.
func (f *fleet) nothingTaken() func() {
	f.t.Helper()
	began := map[string]int{}
	for name, server := range f.clusters {
		began[name] = len(server.Writes())
	}
	return func() {
		f.t.Helper()
		for name, server := range f.clusters {
			for _, w := range istio(server.Writes()[began[name]:]) {
				if w.User != agent && w.User != standby {
					continue
				}
				if w.Deletes() && !f.isExplained(name, string(w.Before)) {
					f.t.Errorf("taken away in %s, though no change explains it: %s:\n%s", name, w, w.Before)
				}
				for _, loss := range w.Lost() {
					if value, err := json.Marshal(loss.Value); err != nil || !f.isExplained(name, string(value)) {
						f.t.Errorf("taken away in %s, though no change explains it: %s of %s:\n%s (%v)", name, loss, w, value, err)
					}
				}
			}
		}
	}
}

func (f *fleet) isExplained(cluster, lost string) bool {
	return slices.ContainsFunc(f.explained[cluster], func(text string) bool { return strings.Contains(lost, text) })
}

// istio returns the writes of Istio's resources.
func istio(writes apiserver.Writes) apiserver.Writes {
	var found apiserver.Writes
	for _, plural := range istioKinds() {
		found = append(found, writes.Of("networking.istio.io", plural)...)
	}
	return found
}

func (f *fleet) eventually(what string, holds func() (string, bool)) {
	f.t.Helper()
	var why string
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		ok := false
		if why, ok = holds(); ok {
			return
		}
		for name, p := range f.programs {
			if p.Failed() {
				f.t.Fatalf("waiting for %s: %s ended by itself", what, name)
			}
		}
		<-time.After(50 * time.Millisecond)
	}
	f.t.Fatalf("waited in vain for %s: %s", what, why)
}
