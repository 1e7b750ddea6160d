package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/services/translator"
)

// redisWithFleet is a Redis in which east is connected, west silent, and south named by what is in force in east.
type redisWithFleet struct {
	t     *testing.T
	url   string
	store *keyspace.Store
	east  *keyspace.Owned
}

func newRedisWithFleet(t *testing.T) *redisWithFleet {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	server, err := redisconn.StartEmbedded(log, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	conn, err := redisconn.Open(log, server.URL(), redisconn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	store, err := keyspace.NewStore(log, conn.Client, keyspace.Config{Block: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	r := &redisWithFleet{t: t, url: server.URL(), store: store, east: store.Owned("snapshot/east", "uid-east")}
	r.east.Set("ServiceEntry.networking.istio.io/shop/a", madeFrom("east,south,west"))
	r.east.Set("ServiceEntry.networking.istio.io/shop/b", madeFrom("west"))
	r.flush(r.east)
	r.beat()
	west := store.Owned("snapshot/west", "uid-west")
	west.Set("Service/shop/catalog", []byte(`{}`))
	r.flush(west)
	applied := store.Owned("applied/west", "uid-west")
	for i := range 3 {
		applied.Set(fmt.Sprint("Gateway/a/", i), []byte(`{"result":"Applied"}`))
	}
	applied.Set("Gateway/a/bad", []byte(`{"result":"Error","message":"no"}`))
	r.flush(applied)
	for _, name := range []keyspace.Name{"output/west", "status/west", "insight/west", "view/resources.west", "view/history.west"} {
		derived := store.Derived(name)
		derived.Complete()
		if err := derived.Flush(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func madeFrom(clusters string) []byte {
	return fmt.Appendf(nil, `{"metadata":{"labels":{"app.kubernetes.io/managed-by":"meshweir"},"annotations":{"meshweir.io/source-clusters":%q}}}`, clusters)
}

func (r *redisWithFleet) flush(o *keyspace.Owned) {
	r.t.Helper()
	o.Complete()
	if err := o.Check(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *redisWithFleet) beat() {
	r.t.Helper()
	r.beatOf(internalv1.Heartbeat{Version: "v1.2.3", StartedAt: time.Now().Add(-time.Hour).UTC()})
}

func (r *redisWithFleet) beatOf(beat internalv1.Heartbeat) {
	r.t.Helper()
	value, err := json.Marshal(beat)
	if err == nil {
		err = r.east.Beat(r.t.Context(), value, time.Hour)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// meshweir runs the command line and returns what it printed.
func (r *redisWithFleet) meshweir(wantCode int, args ...string) (stdout, stderr string) {
	r.t.Helper()
	r.t.Setenv("MESHWEIR_REDIS_CONTROL", r.url)
	var out, errs bytes.Buffer
	if code := run(r.t.Context(), args, &out, &errs); code != wantCode {
		r.t.Fatalf("meshweir %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), code, wantCode, &out, &errs)
	}
	return out.String(), errs.String()
}

// clusters is what `cluster ls` says.
func (r *redisWithFleet) clusters() map[string]cluster {
	r.t.Helper()
	out, _ := r.meshweir(0, "cluster", "ls", "-o", "json")
	var document struct{ Clusters []cluster }
	if err := json.Unmarshal([]byte(out), &document); err != nil {
		r.t.Fatal(err)
	}
	found := map[string]cluster{}
	for _, c := range document.Clusters {
		found[c.Name] = c
	}
	return found
}

func TestClusterLsTellsWhatAnAgentCannotRead(t *testing.T) {
	r := newRedisWithFleet(t)
	r.beatOf(internalv1.Heartbeat{Version: "v1", StartedAt: time.Now(), Outage: "connection refused", OutageSince: time.Now().Add(-time.Hour)})
	_, notes := r.meshweir(0, "cluster", "ls")
	if got := r.clusters()["east"]; got.State != unreadable || time.Since(got.Since) < time.Hour {
		t.Errorf("east is %s since %s", got.State, got.Since)
	}
	if want := "east cannot be read by its agent, since 60m: connection refused."; !strings.Contains(notes, want) {
		t.Errorf("got %q, want %q in it", notes, want)
	}
}

func TestClusterLsTellsTheStateOfEveryClusterThatIsExpected(t *testing.T) {
	r := newRedisWithFleet(t)
	r.meshweir(0, "cluster", "register", "north")
	want := map[string]cluster{
		"east":  {Name: "east", State: connected, UID: "uid-east", Revision: 1, Objects: 2, AgentVersion: "v1.2.3"},
		"north": {Name: "north", State: expected},
		"south": {Name: "south", State: expected, Feeds: map[string]int{"east": 1}},
		"west": {
			Name: "west", State: silent, UID: "uid-west", Revision: 1, Objects: 1,
			Results: map[string]int{"Applied": 3, "Error": 1}, Feeds: map[string]int{"east": 2},
		},
	}
	got := r.clusters()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(cluster{}, "Since")); diff != "" {
		t.Errorf("the list (-want +got):\n%s", diff)
	}
	for name, c := range got {
		if c.Since.IsZero() != (name == "south") { // nobody wrote down when something was made from it
			t.Errorf("%s is %s since %s", name, c.State, c.Since)
		}
	}
	table, notes := r.meshweir(0, "cluster", "ls")
	for _, line := range [][]string{
		{"NAME", "STATE", "SINCE", "IDENTITY", "REVISION", "OBJECTS", "RESULTS", "AGENT"},
		{"east", "connected", "60m", "uid-east", "1", "2", "-", "v1.2.3"},
		{"south", "expected", "-", "-", "0", "0", "-", "-"},
	} {
		if !strings.Contains(strings.Join(strings.Fields(table), " "), strings.Join(line, " ")) {
			t.Errorf("no line %v in\n%s", line, table)
		}
	}
	if !strings.Contains(table, "3 Applied, 1 Error") || !strings.Contains(notes, "meshweir cluster deregister south") {
		t.Errorf("got\n%s%s", table, notes)
	}
	asYAML, _ := r.meshweir(0, "cluster", "ls", "-o", "yaml")
	asJSON, _ := r.meshweir(0, "cluster", "ls", "-o", "json")
	if converted, err := yaml.YAMLToJSON([]byte(asYAML)); err != nil || !equalJSON(t, converted, []byte(asJSON)) {
		t.Errorf("yaml and json differ (%v):\n%s\n%s", err, asYAML, asJSON)
	}
}

func equalJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal(a, &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &y); err != nil {
		t.Fatal(err)
	}
	return cmp.Equal(x, y)
}

func TestDeregisterMarksThenDropsAllThatIsKnown(t *testing.T) {
	r := newRedisWithFleet(t)
	_, notes := r.meshweir(0, "cluster", "deregister", "west")
	if !strings.Contains(notes, "east (2 objects)") {
		t.Errorf("it does not say what is lost: %s", notes)
	}
	for _, name := range []keyspace.Name{
		"snapshot/west", "applied/west", "output/west", "status/west", "insight/west", "view/resources.west", "view/history.west",
	} {
		if meta, err := r.store.Meta(t.Context(), name); err != nil || meta.Exists() {
			t.Errorf("%s is still there (%v)", name, err)
		}
	}
	names, err := r.store.Names(t.Context())
	if want := []keyspace.Name{translator.RegistryName, "snapshot/east"}; err != nil || !cmp.Equal(names, want) {
		t.Errorf("the directory lists %v, want %v (%v)", names, want, err)
	}
	got := r.clusters()["west"]
	if got.State != deregistered || got.UID != "uid-west" {
		t.Errorf("got %+v", got)
	}
	before, err := r.store.Meta(t.Context(), translator.RegistryName)
	if err != nil {
		t.Fatal(err)
	}
	r.meshweir(0, "cluster", "deregister", "west") // again
	if after, err := r.store.Meta(t.Context(), translator.RegistryName); err != nil || after.Position != before.Position {
		t.Errorf("saying it again moved the registry from %s to %s (%v)", before.Position, after.Position, err)
	}

	r.meshweir(0, "cluster", "register", "west")
	if got := r.clusters()["west"]; got.State != expected || got.UID != "" {
		t.Errorf("after it was registered again: %+v", got)
	}
	if _, notes := r.meshweir(0, "cluster", "register", "west"); !strings.Contains(notes, "registered before") {
		t.Errorf("got %s", notes)
	}
}

func TestDeregisterRefusesWhileAnAgentWorks(t *testing.T) {
	r := newRedisWithFleet(t)
	if _, notes := r.meshweir(1, "cluster", "deregister", "east"); !strings.Contains(notes, "stop the agent first") {
		t.Errorf("got %s", notes)
	}
	if got := r.clusters()["east"]; got.State != connected || got.Objects != 2 {
		t.Errorf("a refused command changed %+v", got)
	}
	if _, notes := r.meshweir(0, "cluster", "deregister", "east", "--force"); !strings.Contains(notes, "Its agent goes on") {
		t.Errorf("got %s", notes)
	}
	r.flush(r.east)
	r.beat()
	if got := r.clusters()["east"]; got.State != deregistered || got.AgentVersion == "" {
		t.Errorf("an agent that goes on made of the deregistered cluster %+v", got)
	}
	if _, notes := r.meshweir(0, "cluster", "ls"); !strings.Contains(notes, "east is deregistered, and its agent works") {
		t.Errorf("got %s", notes)
	}
}

func TestDeregisterRefusesANameThatNobodyKnows(t *testing.T) {
	r := newRedisWithFleet(t)
	if _, notes := r.meshweir(1, "cluster", "deregister", "wset"); !strings.Contains(notes, "the clusters are east, south, west") {
		t.Errorf("got %s", notes)
	}
	r.meshweir(0, "cluster", "deregister", "south") // named by what is in force only
	r.meshweir(0, "cluster", "deregister", "wset", "--force")
	if got := r.clusters()["wset"]; got.State != deregistered {
		t.Errorf("got %+v", got)
	}
}

func TestClusterCommandsRefuseWrongInput(t *testing.T) {
	r := newRedisWithFleet(t)
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"a form that is none", []string{"cluster", "ls", "-o", "xml"}, 2, "want one of table, json, yaml"},
		{"an argument too many", []string{"cluster", "ls", "east"}, 2, "unknown command"},
		{"no name", []string{"cluster", "register"}, 2, "want one name"},
		{"two names", []string{"cluster", "deregister", "a", "b"}, 2, "want one name"},
		{"a name that cannot be one", []string{"cluster", "register", "East_1"}, 2, "cannot be the name of a cluster"},
		{"an unknown flag", []string{"cluster", "register", "east", "--what"}, 2, "unknown flag"},
		{"an unknown command", []string{"cluster", "list"}, 2, "unknown command"},
		{"a Redis URL that is none", []string{"cluster", "ls", "--redis-control", "http://x"}, 2, "its scheme is none of"},
		{"a Redis that is away", []string{"cluster", "ls", "--redis-control", "redis://127.0.0.1:1"}, 1, "MESHWEIR_REDIS_CONTROL"},
		{"a user of an embedded Redis", []string{"cluster", "register", "east", "--create-user", "--agent-redis", "redis://redis.example"}, 1, "knows no users"},
		{"no time", []string{"cluster", "ls", "--timeout", "1ns"}, 1, "--timeout 1ns"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, notes := r.meshweir(tt.code, tt.args...); !strings.Contains(notes, tt.want) {
				t.Errorf("got %s, want %q in it", notes, tt.want)
			}
		})
	}
}

func TestNamesOfClustersAreCompleted(t *testing.T) {
	r := newRedisWithFleet(t)
	r.meshweir(0, "cluster", "register", "north")
	out, _ := r.meshweir(0, "__complete", "cluster", "deregister", "")
	for _, name := range []string{"east", "north", "west"} {
		if !strings.Contains(out, name+"\n") {
			t.Errorf("%s is not offered:\n%s", name, out)
		}
	}
	if out, _ := r.meshweir(0, "__complete", "--redis-control", "redis://127.0.0.1:1", "cluster", "deregister", ""); strings.Contains(out, "east") {
		t.Errorf("offered without Redis:\n%s", out)
	}
}
