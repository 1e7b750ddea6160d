package check

import (
	"fmt"
	"time"

	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/services/insights/fleet"
)

// agentSilent is HLT0113. Replicas of insights know of different moments when an agent was last heard, so no moment that only one
// of them knows is part of what is said.
func agentSilent(r *fleet.Reader, subject fleet.Ref, settings Settings) Result {
	agent, state := r.Agent(subject.Cluster), r.State(subject.Cluster)
	switch {
	case agent.Alive && agent.Outage == "":
		return Result{}
	case agent.Alive:
		if _, long := r.Since(agent.OutageSince, settings.SilentAfter); !long {
			return Result{}
		}
		return Result{Found: []Finding{blind(subject, agent)}}
	}
	if _, long := r.Since(agent.Heard, settings.SilentAfter); !long || agent.Heard.IsZero() {
		return Result{Doubts: []Doubt{{Target: subject, Why: "insights has not listened for long enough since it started"}}}
	}
	return Result{Found: []Finding{silent(subject, state)}}
}

func silent(subject fleet.Ref, state fleet.State) Finding {
	f := Finding{
		Target: subject, Summary: "no agent of " + subject.Cluster + " is heard: what is known of the cluster is as old as its last word",
		Evidence: []insight.Evidence{{Says: "the heartbeat that its agent renews every few seconds has run out", Source: subject.Insight()}},
	}
	if !state.Seen {
		f.Summary = "no agent of " + subject.Cluster + " is heard, and nothing is known of the cluster"
		f.Evidence = append(f.Evidence, insight.Evidence{Says: "Redis holds no complete snapshot of the cluster", Source: subject.Insight()})
	}
	if state.Member.State == internalv1.Registered {
		f.Evidence = append(f.Evidence, insight.Evidence{
			Says: "the cluster is registered", Source: subject.Insight(), Value: state.Member.At.UTC().Format(time.RFC3339),
		})
	}
	f.Remedy = []insight.Step{
		{
			Do:       "See whether the agent runs, and what it logs. An agent that cannot reach Redis, or that Redis refuses, says so.",
			Commands: []string{kubectl(subject, "get pods -n meshweir"), kubectl(subject, "logs deploy/agent -n meshweir --tail=50")},
		},
		{
			Do:       "If the cluster is gone for good, take it out of the fleet. What was made from it elsewhere then goes.",
			Commands: []string{"meshweir cluster deregister " + subject.Cluster},
		},
	}
	return f
}

func blind(subject fleet.Ref, agent fleet.Agent) Finding {
	return Finding{
		Target:  subject,
		Summary: "the agent of " + subject.Cluster + " lives and cannot read its cluster, whose last known state stays in force",
		Evidence: []insight.Evidence{
			{Says: "the agent says why", Source: subject.Insight(), Value: agent.Outage},
			{Says: "it has been so since", Source: subject.Insight(), Value: agent.OutageSince.UTC().Format(time.RFC3339)},
		},
		Remedy: []insight.Step{{
			Do:       fmt.Sprintf("Bring back what the agent (%s) reads: the API server of the cluster, the way to it, and the agent's rights there.", agent.Holder),
			Commands: []string{kubectl(subject, "get --raw /readyz"), kubectl(subject, "logs deploy/agent -n meshweir --tail=50")},
		}},
	}
}
