package insights

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/services/insights/fleet"
)

// deafAfter is how long nobody listened before nothing can be said of who spoke meanwhile. Heartbeats last longer than that.
const deafAfter = 15 * time.Second

// ears hear the heartbeats of agents. They are safe for concurrent use.
type ears struct {
	store *keyspace.Store

	mu sync.Mutex // guards what follows
	// agents are what was last heard, by cluster.
	agents map[string]fleet.Agent
	// spoke is when an agent was last heard.
	spoke map[string]time.Time
	// listened is when heartbeats were last read, and since is the beginning of the time in which that was done without a gap.
	listened, since time.Time
}

func newEars(store *keyspace.Store) *ears {
	return &ears{store: store, agents: map[string]fleet.Agent{}, spoke: map[string]time.Time{}}
}

// add makes a cluster one that is listened for.
func (e *ears) add(cluster string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.agents[cluster]; !ok {
		e.agents[cluster] = fleet.Agent{}
	}
}

// all returns what was last heard.
func (e *ears) all() map[string]fleet.Agent {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.agents)
}

// listen reads the heartbeats, and reports whether they say something new.
func (e *ears) listen(ctx context.Context, now time.Time) (news bool, err error) {
	e.mu.Lock()
	clusters := slices.Sorted(maps.Keys(e.agents))
	e.mu.Unlock()
	names := make([]keyspace.Name, len(clusters))
	for i, cluster := range clusters {
		names[i] = keyspace.Name(snapshotKind + "/" + cluster)
	}
	if len(names) == 0 {
		return false, nil
	}
	beats, err := e.store.Beats(ctx, names...)
	if err != nil {
		return false, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if now.Sub(e.listened) > deafAfter {
		e.since = now
	}
	e.listened = now
	for i, cluster := range clusters {
		before := e.agents[cluster]
		e.agents[cluster] = e.hear(cluster, before, beats[names[i]], now)
		news = news || e.agents[cluster] != before
	}
	return news, nil
}

// hear returns what is heard of an agent, given its heartbeat, nil for none.
func (e *ears) hear(cluster string, before fleet.Agent, beat []byte, now time.Time) fleet.Agent {
	if beat == nil {
		heard := e.spoke[cluster]
		if heard.Before(e.since) {
			heard = e.since
		}
		return fleet.Agent{Heard: heard, Holder: before.Holder}
	}
	e.spoke[cluster] = now
	agent := fleet.Agent{Alive: true}
	var said internalv1.Heartbeat
	if json.Unmarshal(beat, &said) == nil { // one that cannot be read is of another version, and alive
		agent.Outage, agent.OutageSince, agent.Holder = said.Outage, said.OutageSince.UTC(), said.Holder
	}
	return agent
}
