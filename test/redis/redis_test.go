package redis_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, dialing()) }

// dialing passes over what looks out for a server that is gone, in a pool of the library: it ends when it looks next.
func dialing() goleak.Option {
	return goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial")
}

// arrangement is a Redis of some kind, with what happens to it in the middle of the scenario.
type arrangement struct {
	name  string
	start func(t *testing.T, kind pipelinetest.Kind) place
	// loses says that Redis may forget here what it has acknowledged, so that the owner has to write it again.
	loses bool
	// meets begins an error that somebody must have met, so that what happens is known to have happened; "" for none.
	meets string
}

func arrangements() []arrangement {
	return []arrangement{
		{name: "single, connections cut", start: single},
		{name: "TLS, connections cut", start: encrypted},
		{name: "ACL with the generated users, connections cut", start: restricted},
		{name: "Sentinel, master killed", start: watched, loses: true},
		{name: "Cluster, each master fails over", start: clusterOf(failOver)},
		{name: "Cluster, master killed", start: clusterOf(killMaster), loses: true},
		{name: "Cluster, slots of the keyspaces migrate", start: clusterOf(migrate)},
		{name: "replica promoted with writes missing", start: promoted(sameOwner), loses: true},
		{name: "replica promoted with writes missing, another owner writes them again", start: promoted(anotherOwner), loses: true},
		{name: "maxmemory reached and lifted", start: full, meets: "OOM"},
		{name: "read-only for a while", start: readOnly, meets: "READONLY"},
		{name: "restarted, loading for a while", start: loading, meets: "LOADING"},
		{name: "AOF restarted and killed", start: restarted},
	}
}

func TestTheScenarioHoldsOnEveryRedis(t *testing.T) {
	for _, kind := range []pipelinetest.Kind{pipelinetest.Redis, pipelinetest.Valkey} {
		t.Run(string(kind), func(t *testing.T) {
			pipelinetest.Require(t, string(kind))
			for _, a := range arrangements() {
				t.Run(a.name, func(t *testing.T) {
					running := goleak.IgnoreCurrent()
					t.Cleanup(func() { goleak.VerifyNone(t, running, dialing()) })
					newScenario(t, a, a.start(t, kind)).run()
				})
			}
		})
	}
}
