package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/services/cmd/launch"
)

func (o *operator) clusterDeregister() *cobra.Command {
	var force, deleteUser bool
	cmd := &cobra.Command{
		Use: "deregister NAME", Short: "Take a cluster out of the fleet, and away what was made from it elsewhere",
		Args: clusterName, ValidArgsFunction: o.complete,
		Long: `Takes a cluster out of the fleet until it is registered again. What was made from it is taken away from the other clusters;
what Meshweir wrote into the cluster itself stays as it is. What Redis knows of the cluster is dropped. With --delete-user
its agent's Redis user is deleted too, which ends the agent's connections and shuts it out for good.

It refuses while an agent works for the cluster, and a name that nobody knows, unless it is forced.`,
		Example: `  meshweir cluster deregister west --delete-user
  kubectl --context west delete istio-io -A -l app.kubernetes.io/managed-by=meshweir   # in west itself, when you want it clean`,
		Run: o.run(func(ctx context.Context, s session, args []string) error {
			c, err := deregister(ctx, s.store, args[0], force, time.Now(), func() error {
				if !deleteUser {
					return nil
				}
				return s.deleteUser(ctx, args[0])
			})
			if err != nil {
				return err
			}
			fmt.Fprintf(s.notes, "%s is deregistered.%s\n", c.Name, losses(c))
			if c.AgentVersion != "" {
				fmt.Fprintf(s.notes, "Its agent goes on, and nobody listens to it: stop it%s.\n",
					map[bool]string{false: ", or delete its Redis user: meshweir cluster deregister " + c.Name + " --force --delete-user"}[deleteUser])
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&force, "force", false, "deregister it though an agent works for it, or though nobody knows it")
	cmd.Flags().BoolVar(&deleteUser, "delete-user", false, "delete the Redis user of its agent too")
	return cmd
}

// deleteUser deletes the Redis user of a cluster's agent.
func (s session) deleteUser(ctx context.Context, cluster string) error {
	user, err := launch.AgentUser(cluster)
	if err != nil {
		return err
	}
	if err := s.mayHaveUsers(); err != nil {
		return err
	}
	saved, err := redisconn.DeleteUser(ctx, s.client, user.Name)
	if err != nil {
		return fmt.Errorf("%w%s", err, mendUsers(err))
	}
	fmt.Fprintf(s.notes, "The Redis user %s is deleted.\n", user.Name)
	if !saved {
		fmt.Fprintln(s.notes, "Redis keeps its users in memory only, as it has no aclfile: see that its configuration does not bring this one back.")
	}
	return nil
}
