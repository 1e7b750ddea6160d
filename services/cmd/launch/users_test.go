package launch_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/meshweir/meshweir/services/cmd/launch"
)

func TestEveryServiceHasARedisUser(t *testing.T) {
	users, err := launch.Users("east")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if _, err := os.Stat("../" + entry.Name() + "/main.go"); err != nil ||
			// The operator's tools, and what no fleet is deployed with: a gateway to try it with, and, so far, the limiter.
			slices.Contains([]string{"meshweir", "devgateway", "ratelimiter"}, entry.Name()) {
			continue
		}
		if !slices.ContainsFunc(users, func(u launch.User) bool {
			return strings.HasPrefix(u.Name, "meshweir-"+entry.Name()) && len(u.Rules) > 0
		}) {
			t.Errorf("the service %s is in none of %v: add it to Users", entry.Name(), users)
		}
	}
	if agent, err := launch.AgentUser("east"); err != nil || agent.Name != "meshweir-agent-east" || strings.Contains(strings.Join(agent.Rules, " "), "/*") {
		t.Errorf("the agent of east is %v (%v), want it to have its own cluster alone", agent, err)
	}
	if _, err := launch.AgentUser("ea*t"); err == nil {
		t.Error("a pattern passes for the name of a cluster")
	}
}
