package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/process"
)

// clusterCommand holds what is to be done with clusters.
func clusterCommand(code *int) *cobra.Command {
	o := &operator{code: code}
	return o.group("cluster", "List the clusters of the fleet, take them in and out", o.clusterLs(), o.clusterRegister(), o.clusterDeregister())
}

func (o *operator) clusterLs() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "ls", Short: "List the clusters", Args: cobra.NoArgs,
		Long: `Lists the clusters that are registered, that published anything, or that something in force was made from.

  connected      an agent works for it, since it started
  unreadable     an agent works for it and cannot read it, since then; its last state stays in force
  silent         no agent works for it; what it held when it last changed is known, and stays in force
  expected       nothing is known of it; what was made from it is held as it is
  deregistered   no part of the fleet until it is registered again; its name is kept, as that is what shuts out an agent
                 of it that comes back`,
		Example: `  meshweir cluster ls
  meshweir cluster ls -o json | jq -r '.clusters[] | select(.state != "connected") | .name'`,
		Run: o.run(func(ctx context.Context, s session, _ []string) error {
			fleet, err := readRoster(ctx, s.store)
			if err != nil {
				return err
			}
			return printClusters(s.out, s.notes, fleet.sorted(), format, time.Now())
		}),
	}
	process.ChoiceP(cmd.Flags(), &format, "output", "o", "form of the list", "table", "json", "yaml")
	return cmd
}

// clusterName wants one argument that can be the name of a cluster.
func clusterName(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one name of a cluster, got %d arguments", len(args))
	}
	if _, err := keyspace.NewName(snapshotKind, args[0]); err != nil {
		return fmt.Errorf("%q cannot be the name of a cluster: it is to be of lower-case letters, digits, '-' and '.', as in Kubernetes names", args[0])
	}
	return nil
}

// losses says what is taken away by the deregistration of a cluster.
func losses(c *cluster) string {
	if len(c.Feeds) == 0 {
		return " Nothing elsewhere was made from it."
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(c.Feeds)) {
		parts = append(parts, fmt.Sprintf("%s (%s)", name, counted(c.Feeds[name], "object", "objects")))
	}
	return " What was made from it changes or goes in " + strings.Join(parts, ", ") + "."
}

func printClusters(out, notes io.Writer, clusters []*cluster, format string, now time.Time) error {
	document := struct {
		Clusters []*cluster `json:"clusters"`
	}{clusters}
	if format != "table" {
		return encode(out, format, document)
	}
	if len(clusters) == 0 {
		_, err := fmt.Fprintln(notes, "No cluster is known. One joins when its agent starts; `meshweir cluster register NAME` prepares it.")
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "NAME\tSTATE\tSINCE\tIDENTITY\tREVISION\tOBJECTS\tRESULTS\tAGENT")
	for _, c := range clusters {
		since := "-"
		if !c.Since.IsZero() {
			since = duration.HumanDuration(now.Sub(c.Since))
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n",
			c.Name, c.State, since, c.identity(), c.Revision, c.Objects, results(c.Results), dash(c.AgentVersion))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, c := range clusters {
		if len(c.SameAs) > 0 && c.Name < c.SameAs[0] {
			fmt.Fprintf(notes, "%s and %s are one cluster under several names, by their identity. Find out which is right, stop the agent of the other, and `meshweir cluster deregister` that.\n",
				c.Name, list(c.SameAs))
		}
		switch {
		case c.State == deregistered && c.AgentVersion != "":
			fmt.Fprintf(notes, "%s is deregistered, and its agent works: stop it, or `meshweir cluster register %s`.\n", c.Name, c.Name)
		case c.Outage != "":
			fmt.Fprintf(notes, "%s cannot be read by its agent, since %s: %s. Its last state stays in force.\n", c.Name, age(now, c.OutageSince), c.Outage)
		case c.State == expected && len(c.Feeds) > 0:
			fmt.Fprintf(notes, "%s is not seen; what was made from it is held in %s. If it is gone for good: `meshweir cluster deregister %s`.\n",
				c.Name, list(slices.Sorted(maps.Keys(c.Feeds))), c.Name)
		}
	}
	return nil
}

// identity is what the name is bound to, and who else is.
func (c *cluster) identity() string {
	if len(c.SameAs) > 0 {
		return c.UID + " (also " + list(c.SameAs) + ")"
	}
	return dash(c.UID)
}

// results prints counts, "12 Applied, 1 Error".
func results(counts map[string]int) string {
	var parts []string
	for _, result := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[result], result))
	}
	return dash(strings.Join(parts, ", "))
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
