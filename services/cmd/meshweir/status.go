package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/pipeline/survey"
)

const aboutSelection = `Name keyspaces (snapshot/east), kinds ('snapshot/*') or clusters (east) to see these alone.`

func (o *operator) pipelineStatus() *cobra.Command {
	var format string
	var sizes bool
	cmd := &cobra.Command{
		Use: "status [KEYSPACE|CLUSTER]...", Short: "Show each keyspace: its revision, its events, by how much it is behind its inputs",
		ValidArgsFunction: o.completeKeyspaces,
		Long: `Shows the servers, each keyspace, and the dead letters. ` + aboutSelection + `

  BEHIND   by how many revisions of its inputs a derived keyspace was not compared yet; services compare at every change,
           and otherwise twice a minute
  BEAT     how long the heartbeat of its owner still holds; - where nobody says that they look after it`,
		Example: `  meshweir pipeline status
  meshweir pipeline status east --sizes
  meshweir pipeline status 'output/*' -o json | jq '.keyspaces[] | {name, behind: [.inputs[]?.behind] | add}'`,
		Run: o.run(func(ctx context.Context, s session, args []string) error {
			taken, err := s.look(ctx, args, sizes)
			if err != nil {
				return err
			}
			if format != "table" {
				return encode(s.out, format, taken)
			}
			return printStatus(s.out, taken)
		}),
	}
	cmd.Flags().BoolVar(&sizes, "sizes", false, "count objects and bytes too, which asks Redis two things for each bucket of each keyspace")
	process.ChoiceP(cmd.Flags(), &format, "output", "o", "form of the answer", "table", "json", "yaml")
	return cmd
}

func printStatus(out io.Writer, taken survey.Survey) error {
	for _, v := range judgeServers(taken.Servers) {
		fmt.Fprintf(out, "%s  %s\n", v.Name, v.Says)
	}
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KEYSPACE\tREVISION\tCHANGED\tOBJECTS\tSIZE\tEVENTS\tGROUPS\tBEHIND\tBEAT")
	for _, k := range taken.Keyspaces {
		revision := fmt.Sprint(k.Revision)
		switch {
		case !k.Exists:
			revision = "gone"
		case !k.Complete:
			revision += " (listing)"
		}
		objects := "-"
		if k.Objects >= 0 {
			objects = fmt.Sprint(k.Objects)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", k.Name, revision, age(taken.At, k.ChangedAt), objects, size(k.Bytes),
			k.Stream.Length, groupsOf(k), behindOf(k), beatOf(k, taken.At))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, k := range taken.Keyspaces {
		for _, trouble := range k.Trouble {
			fmt.Fprintf(out, "\n%s: %s\n", k.Name, trouble)
		}
	}
	for _, d := range taken.DeadLetters {
		if d.Count > 0 {
			fmt.Fprintf(out, "\n%s gave up on %s: meshweir pipeline dead-letters ls --group %s\n", d.Group, counted(d.Count, "entry", "entries"), d.Group)
		}
	}
	return nil
}

func groupsOf(k survey.Keyspace) string {
	var names []string
	for _, g := range k.Stream.Groups {
		names = append(names, g.Name)
	}
	return dash(strings.Join(names, ","))
}

func behindOf(k survey.Keyspace) string {
	if len(k.Inputs) == 0 {
		return "-"
	}
	var behind uint64
	for _, in := range k.Inputs {
		if in.Lost {
			return "lost " + string(in.Name)
		}
		behind += in.Behind
	}
	return fmt.Sprint(behind)
}

func beatOf(k survey.Keyspace, now time.Time) string {
	if k.Beat == nil {
		return "-"
	}
	return duration.HumanDuration(k.Beat.Until.Sub(now))
}

// queue is what `pipeline lag` shows of one group on one stream.
type queue struct {
	Keyspace string `json:"keyspace"`
	survey.Group
}

func (o *operator) pipelineLag() *cobra.Command {
	var format string
	var all bool
	cmd := &cobra.Command{
		Use: "lag [KEYSPACE|CLUSTER]...", Short: "Show how far each service is behind on each stream, the longest first",
		ValidArgsFunction: o.completeKeyspaces,
		Long: `Shows, for each consumer group on each stream, how many revisions nobody in it was given yet, for how long the oldest waits, what
was given and is not done, and who holds it. Lag is counted in Meshweir's own revisions: what Redis calls the lag of a group
lies once a stream was trimmed. ` + aboutSelection,
		Example: `  meshweir pipeline lag
  meshweir pipeline lag --all east           # also those that keep up
  watch -n1 meshweir pipeline lag`,
		Run: o.run(func(ctx context.Context, s session, args []string) error {
			taken, err := s.look(ctx, args, false)
			if err != nil {
				return err
			}
			return printLag(s, taken, format, all)
		}),
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "show those that keep up, too")
	process.ChoiceP(cmd.Flags(), &format, "output", "o", "form of the answer", "table", "json", "yaml")
	return cmd
}

func printLag(s session, taken survey.Survey, format string, all bool) error {
	queues, quiet := []queue{}, 0
	for _, k := range taken.Keyspaces {
		for _, g := range k.Stream.Groups {
			if !all && g.Lag == 0 && g.Pending == 0 {
				quiet++
				continue
			}
			queues = append(queues, queue{string(k.Name), g})
		}
	}
	slices.SortStableFunc(queues, func(a, b queue) int { return cmp.Or(cmp.Compare(b.Lag, a.Lag), cmp.Compare(b.Pending, a.Pending)) })
	if format != "table" {
		return encode(s.out, format, struct {
			Groups []queue `json:"groups"`
		}{queues})
	}
	if len(queues) > 0 {
		table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "KEYSPACE\tGROUP\tLAG\tWAITS\tPENDING\tHELD\tATTEMPTS\tHELD BY")
		for _, q := range queues {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t%d\t%s\n", q.Keyspace, q.Name, lagOf(q.Group), age(taken.At, q.UnreadAt), q.Pending,
				age(taken.At, q.PendingAt), q.Attempts, holders(q.Group, taken.At))
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	if quiet > 0 || len(queues) == 0 {
		fmt.Fprintf(s.notes, "%d groups on streams keep up; --all shows them.\n", quiet)
	}
	return nil
}

func lagOf(g survey.Group) string {
	if g.Lag < 0 {
		return "?"
	}
	return fmt.Sprint(g.Lag)
}

// holders names the consumers that hold entries, or all when none does.
func holders(g survey.Group, now time.Time) string {
	var parts []string
	for _, c := range g.Consumers {
		if c.Pending > 0 || g.Pending == 0 {
			part := fmt.Sprintf("%s (%d", c.Name, c.Pending)
			if !c.ActiveAt.IsZero() {
				part += ", active " + age(now, c.ActiveAt) + " ago"
			}
			parts = append(parts, part+")")
		}
	}
	return dash(strings.Join(parts, ", "))
}
