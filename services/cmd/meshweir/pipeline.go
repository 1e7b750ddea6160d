package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/pipeline/survey"
	"github.com/meshweir/meshweir/services/cmd/launch"
	"github.com/meshweir/meshweir/services/ui/view"
)

// pipelineCommand holds what looks at the pipeline, and mends it.
func pipelineCommand(code *int) *cobra.Command {
	o := &operator{code: code}
	return o.group("pipeline", "Look at the pipeline, and mend it: streams, consumer groups, dead letters",
		o.pipelineStatus(), o.pipelineLag(), o.pipelineTail(), o.deadLetters(), o.pipelineRepair())
}

// completeKeyspaces offers the names of keyspaces, and of clusters.
func (o *operator) completeKeyspaces(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return o.offer(cmd, func(ctx context.Context, s session) (offers []string, err error) {
		names, err := s.store.Names(ctx)
		for _, name := range names {
			offers = append(offers, string(name))
		}
		return offers, err
	}), cobra.ShellCompDirectiveNoFileComp
}

// selected returns those of the names that the arguments ask for: a keyspace, "kind/*", or an instance, which is a cluster most
// often. No argument asks for all.
func selected(names []keyspace.Name, args []string) ([]keyspace.Name, error) {
	if len(args) == 0 {
		return names, nil
	}
	var chosen []keyspace.Name
	for _, arg := range args {
		kind, all := strings.CutSuffix(arg, "/*")
		found := false
		for _, name := range names {
			if string(name) == arg || all && name.Kind() == kind || !strings.Contains(arg, "/") && instanceOf(name) == arg {
				chosen, found = append(chosen, name), true
			}
		}
		if !found {
			return nil, process.UsageError{Err: fmt.Errorf("%q is no keyspace: give one such as snapshot/east, a kind as 'snapshot/*', or a cluster; there are: %s", arg, known(names))}
		}
	}
	slices.Sort(chosen)
	return slices.Compact(chosen), nil
}

// instanceOf returns the instance, or of a view of one cluster that cluster.
func instanceOf(name keyspace.Name) string {
	if cluster, ok := view.ClusterOfResources(name); ok {
		return cluster
	}
	if cluster, ok := view.ClusterOfHistory(name); ok {
		return cluster
	}
	return name.Instance()
}

func known(names []keyspace.Name) string {
	const most = 12
	var parts []string
	for i, name := range names {
		if i == most {
			return strings.Join(parts, ", ") + fmt.Sprintf(" and %d more", len(names)-most)
		}
		parts = append(parts, string(name))
	}
	return list(parts)
}

// look takes a survey and keeps of it what the arguments ask for.
func (s session) look(ctx context.Context, args []string, sizes bool) (survey.Survey, error) {
	taken, err := survey.New(s.conn).Take(ctx, survey.Options{Sizes: sizes, Groups: launch.Groups()})
	if err != nil {
		return taken, err
	}
	names := make([]keyspace.Name, len(taken.Keyspaces))
	for i, k := range taken.Keyspaces {
		names[i] = k.Name
	}
	chosen, err := selected(names, args)
	taken.Keyspaces = slices.DeleteFunc(taken.Keyspaces, func(k survey.Keyspace) bool { return !slices.Contains(chosen, k.Name) })
	return taken, err
}
