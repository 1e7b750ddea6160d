package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/schemas/resource"
)

// inspectCommand holds what reads the data in Redis.
func inspectCommand(code *int) *cobra.Command {
	o := &operator{code: code}
	clusters := o.clusterLs()
	clusters.Use, clusters.Short = "clusters", "List the clusters, as `cluster ls` does"
	clusters.Example = `  meshweir inspect clusters`
	commands := []*cobra.Command{clusters}
	for kind, what := range map[string]string{
		snapshotKind: "what the agent sees in the cluster", outputKind: "what the cluster is to have",
		statusKind: "its resources with their bad conditions", appliedKind: "what became of each object of the output",
	} {
		commands = append(commands, o.inspectObjects(kind, what))
	}
	return o.group("inspect", "Read the data: clusters, objects, keys, sizes", append(commands, o.inspectObject(), o.inspectKeyspace(), o.inspectKeys(), o.inspectSizes())...)
}

// row is one object of a keyspace.
type row struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Revision is where it was written, Raw and Stored its size in bytes as JSON and in Redis.
	Revision uint64 `json:"revision"`
	Raw      int    `json:"raw"`
	Stored   int    `json:"stored"`
	// Says is what became of it, which of its conditions are bad, or what could not be read; empty for what is content alone.
	Says    string `json:"says,omitempty"`
	Problem string `json:"problem,omitempty"`
}

func rowOf(item keyspace.Item) row {
	r := row{Name: item.Key, Revision: item.Position.Revision, Stored: item.Stored}
	if key, err := resource.ParseKey(item.Key); err == nil {
		r.Kind, _, _ = strings.Cut(item.Key, "/")
		r.Namespace, r.Name = key.Namespace, key.Name
	}
	value, err := item.Value()
	r.Raw = len(value)
	if err != nil {
		r.Problem = err.Error()
	}
	return r
}

// items reads a keyspace of a cluster. One that is not there is an error that says what is.
func (s session) items(ctx context.Context, kind, cluster string) ([]keyspace.Item, error) {
	meta, items, err := s.store.Items(ctx, keyspace.Name(kind+"/"+cluster))
	if err != nil || meta.Exists() {
		return items, err
	}
	names, err := s.store.Names(ctx, kind)
	if err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("there is no %s/%s; there are: %s", kind, cluster, known(names))
}

func (o *operator) inspectObjects(kind, what string) *cobra.Command {
	var format, wanted, namespace string
	cmd := &cobra.Command{
		Use: kind + " CLUSTER", Short: "List " + what + " (" + kind + "/CLUSTER), with sizes", Args: clusterName, ValidArgsFunction: o.complete,
		Example: "  meshweir inspect " + kind + " east\n  meshweir inspect " + kind + " east --kind VirtualService -n istio-ingress",
		Run: o.run(func(ctx context.Context, s session, args []string) error {
			items, err := s.items(ctx, kind, args[0])
			if err != nil {
				return err
			}
			rows, kinds := []row{}, map[string]bool{}
			for _, item := range items {
				r := rowOf(item)
				kinds[r.Kind] = true
				if !isKind(r.Kind, wanted) || namespace != "" && r.Namespace != namespace {
					continue
				}
				if value, err := item.Value(); err == nil {
					r.Says = saysOf(kind, r.Kind, value)
				}
				rows = append(rows, r)
			}
			if err := knownKind(wanted, kinds); err != nil {
				return process.UsageError{Err: err}
			}
			if format != "table" {
				return encode(s.out, format, struct {
					Objects []row `json:"objects"`
				}{rows})
			}
			return printRows(s, rows, len(items))
		}),
	}
	cmd.Flags().StringVar(&wanted, "kind", "", "only objects of this `kind`, with or without its group")
	cmd.Flags().StringVarP(&namespace, "namespace", "n", "", "only objects in this `namespace`")
	process.ChoiceP(cmd.Flags(), &format, "output", "o", "form of the list", "table", "json", "yaml")
	return cmd
}

// printRows prints a table. What objects say comes last, where one of them says anything.
func printRows(s session, rows []row, of int) error {
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	says := slices.ContainsFunc(rows, func(r row) bool { return r.Says != "" })
	head := "KIND\tNAMESPACE\tNAME\tREVISION\tRAW\tSTORED"
	if says {
		head += "\tSAYS"
	}
	fmt.Fprintln(table, head)
	for _, r := range rows {
		line := fmt.Sprintf("%s\t%s\t%s\t%d\t%d\t%d", r.Kind, dash(r.Namespace), r.Name, r.Revision, r.Raw, r.Stored)
		if says {
			line += "\t" + dash(r.Says)
		}
		fmt.Fprintln(table, line)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, r := range rows {
		if r.Problem != "" {
			fmt.Fprintf(s.notes, "%s %s/%s cannot be read: %s\n", r.Kind, r.Namespace, r.Name, r.Problem)
		}
	}
	fmt.Fprintf(s.notes, "%d of %s.\n", len(rows), counted(of, "object", "objects"))
	return nil
}

func (o *operator) inspectObject() *cobra.Command {
	var from, format string
	cmd := &cobra.Command{
		Use: "object CLUSTER KIND[.GROUP] [NAMESPACE/]NAME", Short: "Print one object", Args: cobra.ExactArgs(3), ValidArgsFunction: o.complete,
		Example: `  meshweir inspect object east VirtualService istio-ingress/shop
  meshweir inspect object east HTTPRoute shop/shop --from status
  meshweir inspect object east VirtualService istio-ingress/shop --from output > desired.yaml`,
		Run: o.run(func(ctx context.Context, s session, args []string) error {
			if err := clusterName(nil, args[:1]); err != nil {
				return process.UsageError{Err: err}
			}
			namespace, name, ok := strings.Cut(args[2], "/")
			if !ok {
				namespace, name = "", args[2]
			}
			items, err := s.items(ctx, from, args[0])
			if err != nil {
				return err
			}
			var found []keyspace.Item
			for _, item := range items {
				if r := rowOf(item); isKind(r.Kind, args[1]) && r.Namespace == namespace && r.Name == name {
					found = append(found, item)
				}
			}
			switch {
			case len(found) == 0:
				return fmt.Errorf("there is no %s %s in %s/%s; `meshweir inspect %s %s` lists what is", args[1], args[2], from, args[0], from, args[0])
			case len(found) > 1:
				return process.UsageError{Err: fmt.Errorf("%s is ambiguous: give the group too, as in %s", args[1], rowOf(found[0]).Kind)}
			}
			return printValue(s.out, found[0], format)
		}),
	}
	process.Choice(cmd.Flags(), &from, "from", "keyspace that it is read from", snapshotKind, outputKind, statusKind, appliedKind)
	process.ChoiceP(cmd.Flags(), &format, "output", "o", "form of the object", "yaml", "json")
	return cmd
}

// volume is what one kind of objects takes in one keyspace.
type volume struct {
	Keyspace string `json:"keyspace"`
	Kind     string `json:"kind,omitempty"`
	Objects  int    `json:"objects"`
	Raw      int64  `json:"raw"`
	Stored   int64  `json:"stored"`
	// Redis is what all of the keyspace takes in Redis' memory; 0 for a single kind.
	Redis int64 `json:"redis,omitempty"`
}

func (o *operator) inspectSizes() *cobra.Command {
	var format string
	var kinds bool
	cmd := &cobra.Command{
		Use: "sizes [KEYSPACE|CLUSTER]...", Short: "Show the bytes of each keyspace and kind: as JSON, as stored, and in Redis' memory",
		ValidArgsFunction: o.completeKeyspaces,
		Long:              "Reads every value of the keyspaces, one keyspace at a time. " + aboutSelection,
		Example:           "  meshweir inspect sizes\n  meshweir inspect sizes snapshot/east --kinds",
		Run: o.run(func(ctx context.Context, s session, args []string) error {
			taken, err := s.look(ctx, args, true)
			if err != nil {
				return err
			}
			volumes := []volume{}
			for _, k := range taken.Keyspaces {
				_, items, err := s.store.Items(ctx, k.Name)
				if err != nil {
					return err
				}
				volumes = append(volumes, weigh(string(k.Name), k.Bytes, items, kinds)...)
			}
			if format != "table" {
				return encode(s.out, format, struct {
					Sizes []volume `json:"sizes"`
				}{volumes})
			}
			table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "KEYSPACE\tKIND\tOBJECTS\tRAW\tSTORED\tSHARE\tREDIS")
			for _, v := range volumes {
				memory := "-"
				if v.Redis > 0 {
					memory = size(v.Redis)
				}
				fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%d %%\t%s\n", v.Keyspace, cmp.Or(v.Kind, "all"), v.Objects, size(v.Raw), size(v.Stored), 100*v.Stored/max(v.Raw, 1), memory)
			}
			return table.Flush()
		}),
	}
	cmd.Flags().BoolVar(&kinds, "kinds", false, "show each kind of objects, too")
	process.ChoiceP(cmd.Flags(), &format, "output", "o", "form of the list", "table", "json", "yaml")
	return cmd
}

// weigh adds up the sizes of a keyspace, and of each kind in it, the largest first.
func weigh(name string, memory int64, items []keyspace.Item, kinds bool) []volume {
	all, byKind := volume{Keyspace: name, Redis: max(memory, 0)}, map[string]*volume{}
	for _, item := range items {
		r := rowOf(item)
		v := byKind[r.Kind]
		if v == nil {
			v = &volume{Keyspace: name, Kind: cmp.Or(r.Kind, "-")}
			byKind[r.Kind] = v
		}
		for _, sum := range []*volume{&all, v} {
			sum.Objects++
			sum.Raw += int64(r.Raw)
			sum.Stored += int64(r.Stored)
		}
	}
	volumes := []volume{}
	if kinds {
		for _, v := range byKind {
			volumes = append(volumes, *v)
		}
	}
	slices.SortFunc(volumes, func(a, b volume) int { return cmp.Or(cmp.Compare(b.Stored, a.Stored), cmp.Compare(a.Kind, b.Kind)) })
	return slices.Insert(volumes, 0, all)
}
