package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/process"
)

// inspectKeyspace reads any keyspace, also those whose keys name no Kubernetes objects.
func (o *operator) inspectKeyspace() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "keyspace KEYSPACE [KEY]", Short: "List what is in any keyspace, or print one value of it", Args: cobra.RangeArgs(1, 2),
		ValidArgsFunction: o.completeKeyspaces,
		Long:              "KEYSPACE is a name that `meshweir pipeline status` lists, and KEY one that the list shows.",
		Example: `  meshweir inspect keyspace registry/clusters
  meshweir inspect keyspace insight/east
  meshweir inspect keyspace view/clusters east -o json`,
		Run: o.run(func(ctx context.Context, s session, args []string) error {
			name, err := keyspace.ParseName(args[0])
			if err != nil {
				return process.UsageError{Err: err}
			}
			items, err := s.items(ctx, name.Kind(), name.Instance())
			if err != nil {
				return err
			}
			if len(args) == 2 {
				return printItem(s, name, items, args[1], format)
			}
			return printItems(s, name, items, format)
		}),
	}
	process.ChoiceP(cmd.Flags(), &format, "output", "o", "form of the answer (text: a list is a table, a value YAML)", "text", "json", "yaml")
	return cmd
}

func printItems(s session, name keyspace.Name, items []keyspace.Item, format string) error {
	type entry struct {
		Key      string `json:"key"`
		Revision uint64 `json:"revision"`
		Raw      int    `json:"raw"`
		Stored   int    `json:"stored"`
		Says     string `json:"says,omitempty"`
		Problem  string `json:"problem,omitempty"`
	}
	entries := make([]entry, len(items))
	for i, item := range items {
		e := entry{Key: item.Key, Revision: item.Position.Revision, Stored: item.Stored}
		value, err := item.Value()
		if e.Raw = len(value); err != nil {
			e.Problem = err.Error()
		} else {
			e.Says = saysOf(name.Kind(), rowOf(item).Kind, value)
		}
		entries[i] = e
	}
	if format != "text" {
		return encode(s.out, format, struct {
			Entries []entry `json:"entries"`
		}{entries})
	}
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KEY\tREVISION\tRAW\tSTORED\tSAYS")
	for _, e := range entries {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%s\n", e.Key, e.Revision, e.Raw, e.Stored, dash(e.Says+e.Problem))
	}
	return table.Flush()
}

func printItem(s session, name keyspace.Name, items []keyspace.Item, key, format string) error {
	i := slices.IndexFunc(items, func(item keyspace.Item) bool { return item.Key == key })
	if i < 0 {
		return fmt.Errorf("there is no %s in %s; `meshweir inspect keyspace %s` lists what is", key, name, name)
	}
	return printValue(s.out, items[i], format)
}

// printValue prints the value of an item, as YAML unless JSON is asked for.
func printValue(out io.Writer, item keyspace.Item, format string) error {
	value, err := item.Value()
	if err != nil {
		return fmt.Errorf("reading %s: %w", item.Key, err)
	}
	if format == "json" {
		return encode(out, format, json.RawMessage(value))
	}
	text, err := yaml.JSONToYAML(value)
	if err != nil {
		return fmt.Errorf("printing %s: %w", item.Key, err)
	}
	_, err = out.Write(text)
	return err
}
