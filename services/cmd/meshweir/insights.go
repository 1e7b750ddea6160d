package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/services/insights"
	"github.com/meshweir/meshweir/services/insights/check"
)

// insightsCommand holds what shows insights. By itself it lists them.
func insightsCommand(code *int) *cobra.Command {
	o := &operator{code: code}
	ls := o.insightsLs()
	cmd := o.group("insights", "List what is wrong or risky in the fleet, with evidence and how to mend it", ls, o.insightsShow())
	cmd.RunE, cmd.Run = nil, ls.Run
	cmd.Flags().AddFlagSet(ls.Flags())
	return cmd
}

// finding is an insight and its id, which is its key in Redis.
type finding struct {
	ID string `json:"id"`
	insight.Insight
}

// state says in a word whether it holds.
func (f finding) state() string {
	words := map[bool]string{true: "open", false: "unknown"}[f.Unknown == ""]
	if f.MutedBy != nil {
		words += ", muted"
	}
	return words
}

// clusters are those that it is about, sorted; none for the fleet.
func (f finding) clusters() []string {
	names := map[string]bool{}
	for _, ref := range append([]insight.Ref{f.Target}, f.Also...) {
		names[ref.Cluster] = true
	}
	delete(names, "")
	return slices.Sorted(maps.Keys(names))
}

// found is what insights said when it was read.
type found struct {
	// Looked says that the service has looked at the whole fleet. While it has not, that there are none says nothing.
	Looked bool `json:"looked"`
	// Insights are sorted: the gravest first, then by id.
	Insights []finding `json:"insights"`
}

// readInsights reads the insights of all clusters and of the fleet.
func readInsights(ctx context.Context, store *keyspace.Store) (found, error) {
	all := found{Insights: []finding{}}
	err := keyspace.Once(ctx, store, keyspace.ReplicaConfig[insight.Insight]{
		Names: []keyspace.Name{insights.FleetName}, Kinds: []string{insights.Kind}, Decode: decodeJSON[insight.Insight],
	}, func(v keyspace.View[insight.Insight]) {
		all.Looked = v.Meta(insights.FleetName).Complete
		for _, name := range v.Names() {
			for id, i := range v.All(name) {
				all.Insights = append(all.Insights, finding{id, i})
			}
		}
	})
	slices.SortFunc(all.Insights, func(a, b finding) int {
		return cmp.Or(a.Severity.Compare(b.Severity), cmp.Compare(a.ID, b.ID))
	})
	if err != nil {
		return found{}, fmt.Errorf("reading the insights: %w", err)
	}
	return all, nil
}

// insightFilter says which insights are meant.
type insightFilter struct {
	cluster, code, severity string
	muted                   bool
}

// anySeverity stands for all severities.
const anySeverity = "any"

func (f *insightFilter) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.cluster, "cluster", "", "only those about this `cluster` or an object of it")
	flags.StringVar(&f.code, "code", "", "only those of this `code`, such as CFG0101")
	process.Choice(flags, &f.severity, "severity", "only those of a severity", anySeverity, string(insight.Error), string(insight.Warning), string(insight.Info))
	flags.BoolVar(&f.muted, "muted", false, "those too that somebody chose not to be bothered by")
}

// matches does not ask whether it is muted.
func (f insightFilter) matches(i finding) bool {
	return (f.severity == anySeverity || f.severity == string(i.Severity)) && (f.code == "" || strings.EqualFold(f.code, i.Code)) &&
		(f.cluster == "" || slices.Contains(i.clusters(), f.cluster))
}

// of returns what the filter lets through, and how many it hides as they are muted.
func (f insightFilter) of(all []finding) (shown []finding, muted int) {
	shown = []finding{}
	for _, i := range all {
		switch {
		case !f.matches(i):
		case i.MutedBy != nil && !f.muted:
			muted++
		default:
			shown = append(shown, i)
		}
	}
	return shown, muted
}

// validate refuses a code and a cluster that nobody knows: of these, that there is nothing would say nothing.
func (f insightFilter) validate(all []finding, clusters []string) error {
	codes := map[string]bool{}
	for _, c := range check.Table() {
		codes[c.Code] = true
	}
	for _, i := range all {
		codes[i.Code] = true
		clusters = append(clusters, i.clusters()...)
	}
	if f.code != "" && !codes[strings.ToUpper(f.code)] {
		return process.UsageError{Err: fmt.Errorf("--code: there is no check %q; there are %s", f.code, list(slices.Sorted(maps.Keys(codes))))}
	}
	if slices.Sort(clusters); f.cluster != "" && !slices.Contains(clusters, f.cluster) {
		return process.UsageError{Err: fmt.Errorf("--cluster: no cluster %q is known; there are %s", f.cluster, list(slices.Compact(clusters)))}
	}
	return nil
}

func (o *operator) insightsLs() *cobra.Command {
	var filter insightFilter
	var format string
	cmd := &cobra.Command{
		Use: "ls", Short: "List the insights of all clusters and of the fleet, the gravest first", Args: cobra.NoArgs,
		Long: `Lists what the service insights found, as the dashboard does: the gravest first. 'meshweir insights' is the same.

  open      it holds
  unknown   nobody can tell at the moment whether it still holds: a cluster cannot be seen, or not all of it
  muted     somebody chose not to be bothered by it; shown with --muted

The exit code is 0 whatever is found. -o json and -o yaml have all of each: the evidence, and how to mend it.`,
		Example: `  meshweir insights
  meshweir insights ls --cluster east --severity error
  meshweir insights ls -o json | jq -r '.insights[] | select(.unknown == null) | .id'`,
		Run: o.run(func(ctx context.Context, s session, _ []string) error {
			all, err := readInsights(ctx, s.store)
			if err != nil {
				return err
			}
			clusters, err := clusterNames(ctx, s.store)
			if err == nil {
				err = filter.validate(all.Insights, clusters)
			}
			if err != nil {
				return err
			}
			var muted int
			all.Insights, muted = filter.of(all.Insights)
			if format != "table" {
				return encode(s.out, format, all)
			}
			return printInsights(s, all, muted, time.Now())
		}),
	}
	filter.define(cmd)
	process.ChoiceP(cmd.Flags(), &format, "output", "o", "form of the list", "table", "json", "yaml")
	return cmd
}

func printInsights(s session, all found, muted int, now time.Time) error {
	if len(all.Insights) > 0 {
		table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "SEVERITY\tSTATE\tSINCE\tID\tSAYS")
		for _, i := range all.Insights {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", i.Severity, i.state(), age(now, i.FirstSeen), i.ID, told("", i.Summary))
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	fmt.Fprintf(s.notes, "%s.\n", countInsights(all.Insights))
	if muted > 0 {
		fmt.Fprintf(s.notes, "%s muted: --muted shows them.\n", counted(muted, "more is", "more are"))
	}
	if !all.Looked {
		fmt.Fprintln(s.notes, "Nobody has looked at the whole fleet yet: see whether insights works, with `meshweir check`.")
	}
	if len(all.Insights) > 0 {
		fmt.Fprintln(s.notes, "`meshweir insights show ID` has the evidence, and how to mend it.")
	}
	return nil
}

// countInsights says how many there are of each severity.
func countInsights(all []finding) string {
	count := map[insight.Severity]int{}
	for _, i := range all {
		count[i.Severity]++
	}
	var parts []string
	for _, s := range slices.SortedFunc(maps.Keys(count), insight.Severity.Compare) {
		many := string(s) + "s"
		if s == insight.Info {
			many = string(s)
		}
		parts = append(parts, counted(count[s], string(s), many))
	}
	if len(parts) == 0 {
		return "No insights"
	}
	return list(parts)
}
