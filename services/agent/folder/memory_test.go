package folder

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/meshweir/meshweir/pipeline/keyspace"
)

func kubeSystem(uid string) string {
	return "{apiVersion: v1, kind: Namespace, metadata: {name: kube-system, uid: " + uid + "}}\n"
}

// identity returns what an agent that starts now takes the cluster for.
func identity(t *testing.T, x *fixture) string {
	t.Helper()
	f, err := Open(slog.New(slog.DiscardHandler), Config{Dir: x.dir, Cluster: "east"})
	x.must(err)
	defer f.Close()
	id, err := f.Identity(t.Context())
	x.must(err)
	return id
}

func TestIdentityIsThatOfTheKubeSystemNamespace(t *testing.T) {
	x := newFixture(t, map[string]string{"east/ns.yaml": kubeSystem("one")})
	if got := identity(t, x); got != "one" {
		t.Errorf("got %q, want that of the manifest", got)
	}
	x.write("east/ns.yaml", "broken: [")
	if got := identity(t, x); got != "one" {
		t.Errorf("got %q while the manifest is damaged, want the one from before", got)
	}
	x.write("east/ns.yaml", kubeSystem("two"))
	if got := identity(t, x); got != "two" {
		t.Errorf("got %q, want that of the other cluster whose manifests these are", got)
	}
}

func TestIdentityThatWasMadeUpStays(t *testing.T) {
	x := newFixture(t, nil)
	made := identity(t, x)
	if made == "" || identity(t, x) != made {
		t.Errorf("got %q and another one, want one", made)
	}
	x.write("east/ns.yaml", kubeSystem("late"))
	if got := identity(t, x); got != made {
		t.Errorf("got %q, want %q: the cluster is known by it", got, made)
	}
}

func TestRemembersHowFarItApplied(t *testing.T) {
	x := newFixture(t, nil)
	f := x.open()
	at := keyspace.Position{Epoch: keyspace.Epoch{Millis: 7, Nonce: "ab"}, Revision: 3}
	x.must(f.SetLastApplied("output", at))
	f.Close()
	again, err := Open(f.log, f.cfg)
	x.must(err)
	defer again.Close()
	if got := again.LastApplied("output"); got != at {
		t.Errorf("got %s, want %s", got, at)
	}
	if got := again.LastApplied("status"); got != (keyspace.Position{}) {
		t.Errorf("got %s for what was never applied, want none", got)
	}
}

func TestDamagedMemoryIsAnError(t *testing.T) {
	x := newFixture(t, map[string]string{"applied/east/.meshweir.json": "{"})
	_, err := Open(slog.New(slog.DiscardHandler), Config{Dir: x.dir, Cluster: "east"})
	if err == nil || !strings.Contains(err.Error(), ".meshweir.json") || !strings.Contains(err.Error(), "correct it") {
		t.Errorf("got %v, want which file, and how to mend it", err)
	}
}
