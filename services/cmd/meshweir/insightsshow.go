package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/schemas/insight"
)

func (o *operator) insightsShow() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "show ID...", Short: "Show insights whole: evidence, how to mend them, since when, when they close", Args: cobra.MinimumNArgs(1),
		ValidArgsFunction: o.completeInsights,
		Long:              "ID is what `meshweir insights` lists, or a beginning of it that one insight alone has.",
		Example: `  meshweir insights show HLT0113/west
  meshweir insights show CFG0104/east -o yaml`,
		Run: o.run(func(ctx context.Context, s session, args []string) error {
			all, err := readInsights(ctx, s.store)
			if err != nil {
				return err
			}
			meant, err := namedInsights(all.Insights, args)
			switch {
			case err != nil:
				return err
			case format == "text":
				for n, i := range meant {
					if n > 0 {
						fmt.Fprintln(s.out)
					}
					printInsight(s.out, i, time.Now())
				}
				return nil
			case len(meant) == 1:
				return encode(s.out, format, meant[0])
			}
			return encode(s.out, format, meant)
		}),
	}
	process.ChoiceP(cmd.Flags(), &format, "output", "o", "form of the insights", "text", "json", "yaml")
	return cmd
}

// namedInsights returns the insights that ids name: in whole, or by a beginning that no other has.
func namedInsights(all []finding, ids []string) ([]finding, error) {
	var meant []finding
	for _, id := range ids {
		var likely []finding
		var names []string
		for _, i := range all {
			if i.ID == id {
				likely, names = []finding{i}, nil
				break
			}
			if strings.HasPrefix(i.ID, id) {
				likely, names = append(likely, i), append(names, i.ID)
			}
		}
		switch len(likely) {
		case 0:
			return nil, fmt.Errorf("there is no insight %q (any more); `meshweir insights --muted` lists them", id)
		case 1:
			meant = append(meant, likely[0])
		default:
			return nil, process.UsageError{Err: fmt.Errorf("several insights begin with %q: give one of %s", id, list(names))}
		}
	}
	return meant, nil
}

// completeInsights offers the ids of insights.
func (o *operator) completeInsights(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return o.offer(cmd, func(ctx context.Context, s session) (offers []string, err error) {
		all, err := readInsights(ctx, s.store)
		for _, i := range all.Insights {
			offers = append(offers, i.ID)
		}
		return offers, err
	}), cobra.ShellCompDirectiveNoFileComp
}

// printInsight prints an insight for people.
func printInsight(out io.Writer, i finding, now time.Time) {
	fmt.Fprintf(out, "%s\n%s: %s\n%s\n\n", i.ID, i.Severity, i.Title, i.Summary)
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(out, "  %-9s  %s\n", name, text)
		}
	}
	line("about", place(i.Target))
	for _, ref := range i.Also {
		line("also", place(ref))
	}
	line("since", age(now, i.FirstSeen)+", "+i.FirstSeen.UTC().Format(time.RFC3339))
	if i.LastChanged.After(i.FirstSeen) {
		line("changed", age(now, i.LastChanged)+" ago, "+i.LastChanged.UTC().Format(time.RFC3339))
	}
	line("unknown", i.Unknown)
	if i.MutedBy != nil {
		line("muted by", place(*i.MutedBy))
	}
	line("closes", "when "+i.Closes)
	fmt.Fprint(out, "\nEvidence\n")
	for n, e := range i.Evidence {
		fmt.Fprintf(out, "  %d. %s\n     %s\n", n+1, e.Says, strings.TrimSpace(place(e.Source)+" "+e.Field))
		if e.Value != "" {
			fmt.Fprintf(out, "     = %s\n", strings.ReplaceAll(e.Value, "\n", "\n       "))
		}
	}
	fmt.Fprint(out, "\nHow to mend it\n")
	for n, step := range i.Remediation {
		fmt.Fprintf(out, "  %d. %s\n", n+1, step.Do)
		for _, command := range step.Commands {
			fmt.Fprintf(out, "     $ %s\n", command)
		}
	}
}

// place says what a reference of an insight leads to.
func place(ref insight.Ref) string {
	switch {
	case ref.Cluster == "" && ref.Object == "":
		return "the fleet"
	case ref.Object == "":
		return "cluster " + ref.Cluster
	}
	return strings.TrimSpace(ref.Cluster + " " + ref.Object)
}
