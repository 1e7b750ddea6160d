package clusters

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/pipelinetest/apiserver"
	"github.com/meshweir/meshweir/schemas/internalv1"
)

// What the tests say of clusters that cannot be seen: what was made from them is held, and not lost.

func agentSleeps(_ *testing.T, f *fleet) {
	f.programs["agent-east"].Pause()
	f.edit("east", "weight: 90", "weight: 70")
	f.edit("west", "198.51.100.20", "198.51.100.23")
	f.eventually("its Lease in Kubernetes and its heartbeat in Redis to run out", func() (string, bool) {
		lease, beat := f.lease("east"), f.beat("east")
		ranOut := time.Now().After(lease.RenewTime.Add(time.Duration(lease.LeaseDurationSeconds) * time.Second))
		return fmt.Sprint(lease, beat), ranOut && beat == nil
	})
	f.programs["agent-east"].Continue()
	f.awaitText("east", `"weight":70`)
	f.awaitText("east", "198.51.100.23")
}

// agentIsReplaced has a second replica take over from one that sleeps. When that
// one wakes up, it still believes that it leads, and must not write.
func agentIsReplaced(t *testing.T, f *fleet) {
	east, sleeper := f.clusters["east"], f.programs["agent-east"]
	f.startReplica("agent-east-2", standby, "east", "east")
	defer delete(f.programs, "agent-east-2")
	f.eventually("the second replica to wait", func() (string, bool) {
		log := f.programs["agent-east-2"].Log()
		return log, strings.Contains(log, "another replica works for the cluster")
	})
	before, beat := f.lease("east"), f.beat("east")
	f.edit("east", "weight: 90", "weight: 65") // what the sleeper last knows
	f.awaitText("east", `"weight":65`)
	sleeper.Pause()
	f.edit("east", "weight: 90", "weight: 66")
	f.edit("west", "198.51.100.20", "198.51.100.26")
	f.awaitText("east", `"weight":66`)
	f.awaitText("east", "198.51.100.26")
	f.eventually("the second replica to have the Lease in Kubernetes and the heartbeat in Redis", func() (string, bool) {
		lease, now := f.lease("east"), f.beat("east")
		return fmt.Sprint(lease, now), lease.HolderIdentity != "" && lease.HolderIdentity != before.HolderIdentity &&
			now != nil && now.StartedAt.After(beat.StartedAt)
	})

	writes, snapshot := len(east.Writes()), f.position("snapshot/east").Epoch
	sleeper.Continue()
	f.eventually("the sleeper to see that it leads no more", func() (string, bool) {
		log := sleeper.Log()
		return log, strings.Count(log, "another replica works for the cluster") > 0
	})
	f.edit("east", "weight: 90", "weight: 67")
	f.awaitText("east", `"weight":67`)
	if late := east.Writes()[writes:].By(agent); len(late) > 0 {
		t.Errorf("once it was awake, the sleeper wrote\n%s", late)
	}
	if epoch := f.position("snapshot/east").Epoch; epoch != snapshot {
		t.Errorf("the snapshot's epoch went from %s to %s: two wrote it", snapshot, epoch)
	}
	f.programs["agent-east-2"].Stop() // and the first leads again
	f.edit("east", "weight: 90", "weight: 68")
	f.awaitText("east", `"weight":68`)
}

// flushedWithOneClusterBack: what east was given from west's Services stays while
// nothing knows of west, and what has nothing to do with west goes on.
func flushedWithOneClusterBack(_ *testing.T, f *fleet) {
	f.programs["agent-west"].Stop()
	f.redis.Flush()
	f.edit("east", "weight: 90", "weight: 60")
	f.awaitText("east", `"weight":60`)
	f.awaitInputMissing("True")
	f.awaitText("east", "198.51.100.2")
	f.again("agent-west")
	f.awaitInputMissing("")
}

// clusterIsDead: with its API server and its agent gone, what is known of west stays in force. When Redis forgets
// that too, what was made from west is held, until it is back.
func clusterIsDead(t *testing.T, f *fleet) {
	west := f.clusters["west"]
	f.programs["agent-west"].Kill()
	west.Kill()
	f.awaitState("west", "silent")
	f.edit("east", "weight: 90", "weight: 55")
	f.awaitText("east", `"weight":55`)

	f.redis.Flush()
	f.edit("east", "weight: 90", "weight: 56")
	f.awaitText("east", `"weight":56`)
	f.awaitInputMissing("True")
	f.awaitState("west", "expected")
	if _, notes := f.meshweir("cluster", "ls"); !strings.Contains(notes, "west is not seen; what was made from it is held in east") {
		t.Errorf("meshweir cluster ls says\n%s", notes)
	}
	f.awaitText("east", "198.51.100.2")

	west.Start()
	f.again("agent-west")
	f.awaitState("west", "connected")
	f.awaitInputMissing("")
}

// clusterIsDeregistered: only the operator's word takes away what was made from
// a cluster, and it takes away only that: the endpoints there, and the door for callers from there.
func clusterIsDeregistered(_ *testing.T, f *fleet) {
	const address = "198.51.100.28"
	f.edit("west", "198.51.100.20", address)
	f.awaitText("east", address)
	f.awaitConverged()
	whole, without := f.given("east"), f.given("east")
	maps.DeleteFunc(without, func(key string, _ any) bool { return strings.Contains(key, "/istio-eastwest/") })
	for _, spec := range without {
		if entry := spec.(map[string]any); entry["endpoints"] != nil {
			entry["endpoints"] = slices.DeleteFunc(entry["endpoints"].([]any), func(e any) bool { return e.(map[string]any)["address"] == address })
		}
	}
	is := func(want map[string]any) func() (string, bool) {
		return func() (string, bool) {
			diff := cmp.Diff(want, f.given("east"))
			return "(-want +got)\n" + diff, diff == ""
		}
	}

	f.programs["agent-west"].Stop()
	f.awaitState("west", "silent")
	f.mayGo("east", address)
	f.mayGo("east", "east-west.meshweir.internal")
	f.meshweir("cluster", "deregister", "west")
	f.eventually("what was made from west to go, and nothing else", is(without))
	f.awaitState("west", "deregistered")

	f.meshweir("cluster", "register", "west")
	f.again("agent-west")
	f.eventually("all of it to be back", is(whole))
}

// clusterIsRestored: the resources of a cluster that was set back are what they
// are now, and its old outputs are out of date. Nothing of the old outputs may win.
func clusterIsRestored(_ *testing.T, f *fleet) {
	east := f.clusters["east"]
	f.kubectl("west", global("leaving"), "apply", "--server-side", "-f", "-")
	f.awaitText("east", "leaving.global")
	f.edit("east", "weight: 90", "weight: 49")
	f.awaitText("east", `"weight":49`)
	backup := east.Backup()

	f.mayGo("east", "leaving")
	f.mayGo("west", "leaving")
	f.kubectl("west", "", "delete", "globalservice", "leaving", "--namespace", "shop")
	f.kubectl("west", global("coming"), "apply", "--server-side", "-f", "-")
	f.edit("east", "weight: 90", "weight: 50")
	f.edit("west", "198.51.100.20", "198.51.100.27")
	for _, text := range []string{"coming.global", `"weight":50`, "198.51.100.27"} {
		f.awaitText("east", text)
	}
	f.awaitConverged()

	east.Restore(backup)
	for _, text := range []string{"coming.global", `"weight":49`, "198.51.100.27"} {
		f.awaitText("east", text)
	}
	f.awaitConverged()
	f.edit("east", "weight: 90", "weight: 51")
	f.awaitText("east", `"weight":51`)

	f.mayGo("east", "coming")
	f.mayGo("west", "coming")
	f.kubectl("west", "", "delete", "globalservice", "coming", "--namespace", "shop")
}

// global is a GlobalService of the Service catalog.
func global(name string) string {
	return `{"apiVersion":"meshweir.io/v1alpha1","kind":"GlobalService","metadata":{"name":"` + name + `","namespace":"shop"},
		"spec":{"host":"` + name + `.global","ports":[{"name":"http","port":80,"servicePort":8080}],
		"services":[{"name":"catalog"}],"clientClusters":["*"]}}`
}

// lease is the spec of a cluster's Lease.
type lease struct {
	HolderIdentity       string
	LeaseDurationSeconds int
	RenewTime            time.Time
}

func (f *fleet) lease(cluster string) lease {
	f.t.Helper()
	var l struct{ Spec lease }
	text := f.kubectl(cluster, "", "get", "lease", "meshweir-agent", "--namespace", "meshweir", "--output", "json")
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		f.t.Fatal(err)
	}
	return l.Spec
}

// beat is the heartbeat of a cluster's agent, nil when there is none.
func (f *fleet) beat(cluster string) *internalv1.Heartbeat {
	f.t.Helper()
	name := keyspace.Name("snapshot/" + cluster)
	beats, err := f.store.Beats(f.t.Context(), name)
	if err != nil {
		f.t.Fatal(err)
	}
	var beat internalv1.Heartbeat
	if json.Unmarshal(beats[name], &beat) != nil {
		return nil // nobody's, or one that was just taken back
	}
	return &beat
}

func (f *fleet) position(name keyspace.Name) keyspace.Position {
	f.t.Helper()
	meta, err := f.store.Meta(f.t.Context(), name)
	if err != nil {
		f.t.Fatal(err)
	}
	return meta.Position
}

// awaitInputMissing waits until the condition InputMissing of east's GlobalService has a status; empty for none.
func (f *fleet) awaitInputMissing(status string) {
	f.t.Helper()
	f.eventually("the condition InputMissing to be "+status, func() (string, bool) {
		got := f.kubectl("east", "", "get", "globalservice", "catalog", "--namespace", "shop",
			"--output", `jsonpath={.status.conditions[?(@.type=="InputMissing")].status}`)
		return got, got == status
	})
}

// awaitState waits until meshweir cluster ls says that a cluster is in a state.
func (f *fleet) awaitState(cluster, state string) {
	f.t.Helper()
	f.eventually(cluster+" to be "+state, func() (string, bool) {
		out, _ := f.meshweir("cluster", "ls", "--output", "json")
		var list struct {
			Clusters []struct{ Name, State string }
		}
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			f.t.Fatal(err)
		}
		for _, c := range list.Clusters {
			if c.Name == cluster {
				return c.State, c.State == state
			}
		}
		return out, false
	})
}

// kubectl runs kubectl in a cluster, as its administrator, and returns what it printed.
func (f *fleet) kubectl(cluster, input string, args ...string) string {
	f.t.Helper()
	args = append([]string{"--kubeconfig", f.clusters[cluster].Kubeconfig(apiserver.Admin)}, args...)
	out, _ := f.command(pipelinetest.Require(f.t, "kubectl"), input, args...)
	return out
}

// meshweir runs the operator's command and returns what it printed.
func (f *fleet) meshweir(args ...string) (out, notes string) {
	f.t.Helper()
	return f.command(filepath.Join(binaries, "meshweir"), "", append(args, "--redis-control", f.redis.URL())...)
}

func (f *fleet) command(path, input string, args ...string) (out, notes string) {
	f.t.Helper()
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(f.t.Context(), path, args...)
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(input), &stdout, &stderr
	if err := command.Run(); err != nil {
		f.t.Fatalf("running %s %s: %v\n%s%s", filepath.Base(path), strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.String(), stderr.String()
}
