package launch

import (
	"fmt"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/services/agent"
	"github.com/meshweir/meshweir/services/insights"
	"github.com/meshweir/meshweir/services/translator"
	"github.com/meshweir/meshweir/services/ui"
)

// OperatorUser is the Redis user of people and their command line.
const OperatorUser = "meshweir-operator"

// User is the Redis user of a service, with the rights that its work needs and no other.
type User struct {
	// Name is what it logs in as.
	Name string
	// Rules are those of ACL SETUSER (Redis 7), without passwords.
	Rules []string
}

// role is what has a Redis user, and what it does there.
type role struct {
	name   string
	access keyspace.Access
}

// services are the services of a fleet but for the agents, which have one each for their clusters.
func services() []role {
	return []role{{"translator", translator.Access()}, {"insights", insights.Access()}, {"ui", ui.Access()}}
}

// Groups returns the consumer groups of the services: where all is well, each has a consumer.
func Groups() []string {
	var groups []string
	for _, s := range services() {
		if s.access.Group != "" {
			groups = append(groups, s.access.Group)
		}
	}
	return groups
}

// Users returns the Redis users of a fleet: one for each service, one for operators, and one for the agent of each of
// the clusters.
func Users(clusters ...string) ([]User, error) {
	var users []User
	add := func(service string, access keyspace.Access) error {
		rules, err := access.Rules()
		users = append(users, User{userName(service), rules})
		return err
	}
	for _, s := range append(services(), role{"operator", keyspace.Access{Operates: true}}) {
		if err := add(s.name, s.access); err != nil {
			return nil, fmt.Errorf("making the Redis user of %s: %w", s.name, err)
		}
	}
	for _, cluster := range clusters {
		access, err := agent.Access(cluster)
		if err == nil {
			err = add("agent-"+cluster, access)
		}
		if err != nil {
			return nil, fmt.Errorf("making the Redis user of the agent of cluster %q: %w", cluster, err)
		}
	}
	return users, nil
}

// AgentUser returns the Redis user of the agent of a cluster.
func AgentUser(cluster string) (User, error) {
	users, err := Users(cluster)
	if err != nil {
		return User{}, err
	}
	return users[len(users)-1], nil
}

// userName is the name of a service's Redis user, and of its connections.
func userName(service string) string { return "meshweir-" + service }
