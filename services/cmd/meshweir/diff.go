package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/cmd/meshweir/standing"
)

// clusterDiff is what differs in one cluster.
type clusterDiff struct {
	Cluster string `json:"cluster"`
	// Output, Snapshot are the positions of what was compared.
	Output   string `json:"output"`
	Snapshot string `json:"snapshot"`
	// Same counts the objects that stand just as they should, and Objects are the others.
	Same    int               `json:"same"`
	Objects []standing.Object `json:"objects"`
}

func diffCommand(code *int) *cobra.Command {
	o := &operator{code: code}
	var format string
	cmd := &cobra.Command{
		Use: "diff [CLUSTER [OBJECT]]", Short: "Compare what clusters should have with what they have", Args: cobra.MaximumNArgs(2),
		Long: `Compares, for each object of Meshweir's, what should stand in a cluster (output), what its agent made of it (applied) and what
stands there (snapshot), for one cluster or for all of the fleet. An OBJECT, by its key as the table shows it, is printed as a unified
diff of YAML: what stands, and how it would become what should.

  missing   it should stand and does not
  extra     Meshweir wrote it, and it should stand no more
  added     it stands as it should, and others added these fields, which stay theirs
  differs   it stands otherwise than it should, in these fields
  held      the agent left it as it is, and says why

The exit code is 0 when everything stands as it should, 1 when not, and 2 when that could not be found out.`,
		Example: `  meshweir diff
  meshweir diff east
  meshweir diff east VirtualService.networking.istio.io/shop/cart
  meshweir diff -o json | jq -r '.clusters[] | .cluster as $c | .objects[] | "\($c) \(.state) \(.object)"'`,
		ValidArgsFunction: o.complete,
	}
	differs := false
	run := o.run(func(ctx context.Context, s session, args []string) (err error) {
		differs, err = diff(ctx, s, args, format)
		return err
	})
	cmd.Run = func(cmd *cobra.Command, args []string) {
		switch run(cmd, args); { // the codes are those of diff(1)
		case *code != process.ExitOK:
			*code = process.ExitUsage
		case differs:
			*code = process.ExitFailure
		}
	}
	o.define(cmd.Flags(), 30*time.Second)
	process.ChoiceP(cmd.Flags(), &format, "output", "o", "form of the answer", "table", "json", "yaml")
	return cmd
}

// diff prints what differs, and says whether anything does.
func diff(ctx context.Context, s session, args []string, format string) (differs bool, err error) {
	clusters := args[:min(len(args), 1)]
	if len(clusters) == 0 {
		if clusters, err = memberNames(ctx, s.store); err != nil {
			return false, err
		}
	}
	all := []clusterDiff{}
	var unknown []error // one cluster that cannot be compared hides no other
	for _, name := range clusters {
		d, err := diffOf(ctx, s.store, name)
		if err != nil {
			if unknown = append(unknown, err); ctx.Err() != nil {
				break
			}
			continue
		}
		if len(args) == 2 {
			return printUnified(s.out, d, args[1])
		}
		d.Same, d.Objects = withoutSame(d.Objects)
		differs = differs || slices.ContainsFunc(d.Objects, standing.Object.Wrong)
		all = append(all, d)
	}
	if len(all) == 0 && unknown != nil {
		return false, errors.Join(unknown...)
	}
	return differs, errors.Join(append(unknown, printDiffs(s.out, s.notes, all, format))...)
}

// diffOf compares all objects of a cluster.
func diffOf(ctx context.Context, store *keyspace.Store, cluster string) (clusterDiff, error) {
	d := clusterDiff{Cluster: cluster, Objects: []standing.Object{}}
	output, snapshot, applied := keyspace.Name(outputKind+"/"+cluster), keyspace.Name(snapshotKind+"/"+cluster), keyspace.Name(appliedKind+"/"+cluster)
	known := standing.Known{Desired: map[string][]byte{}, Live: map[string][]byte{}, Applied: map[string]internalv1.Applied{}}
	var unknown []string
	err := keyspace.Once(ctx, store, keyspace.ReplicaConfig[[]byte]{
		Names:  []keyspace.Name{output, snapshot, applied},
		Decode: func(_ string, value []byte) ([]byte, error) { return value, nil },
	}, func(v keyspace.View[[]byte]) {
		for _, name := range []keyspace.Name{output, snapshot} {
			if !v.Meta(name).Complete {
				unknown = append(unknown, string(name))
			}
		}
		d.Output, d.Snapshot = v.Meta(output).Position.String(), v.Meta(snapshot).Position.String()
		maps.Insert(known.Desired, v.All(output))
		maps.Insert(known.Live, v.All(snapshot))
		for key, value := range v.All(applied) {
			var record internalv1.Applied
			if json.Unmarshal(value, &record) == nil { // what cannot be read says nothing
				known.Applied[key] = record
			}
		}
	})
	if err != nil {
		return d, fmt.Errorf("reading what is known of %q: %w", cluster, err)
	}
	if len(unknown) > 0 {
		return d, fmt.Errorf("comparing %q: Redis does not hold all of %s: see `meshweir cluster ls` for whether its agent works",
			cluster, strings.Join(unknown, " and "))
	}
	if d.Objects, err = standing.Compare(known); err != nil {
		return d, fmt.Errorf("comparing %q: %w", cluster, err)
	}
	return d, nil
}

func withoutSame(all []standing.Object) (same int, others []standing.Object) {
	others = []standing.Object{}
	for _, o := range all {
		if o.State == standing.Same {
			same++
		} else {
			others = append(others, o)
		}
	}
	return same, others
}

func printUnified(out io.Writer, d clusterDiff, key string) (differs bool, err error) {
	for _, o := range d.Objects {
		if o.Key != key {
			continue
		}
		text, err := o.Unified()
		if err != nil || o.State == standing.Same {
			return false, err
		}
		if o.Why != "" {
			text = "# " + string(o.State) + ": " + o.Why + "\n" + text
		}
		_, err = io.WriteString(out, text)
		return o.Wrong(), err
	}
	return false, fmt.Errorf("comparing %s of %q: Meshweir neither wants nor wrote such an object there: `meshweir diff %s` lists those that differ", key, d.Cluster, d.Cluster)
}

func printDiffs(out, notes io.Writer, all []clusterDiff, format string) error {
	if format != "table" {
		return encode(out, format, struct {
			Clusters []clusterDiff `json:"clusters"`
		}{all})
	}
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	rows := 0
	for _, d := range all {
		for _, o := range d.Objects {
			if rows++; rows == 1 {
				fmt.Fprintln(table, "CLUSTER\tSTATE\tOBJECT\tFIELDS\tWHY")
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", d.Cluster, o.State, o.Key, dash(fieldNames(o.Fields)), dash(firstLine(o.Why)))
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, d := range all {
		wrong := 0
		for _, o := range d.Objects {
			if o.Wrong() {
				wrong++
			}
		}
		of := d.Same + len(d.Objects)
		fmt.Fprintf(notes, "%s: %d of %d objects stand as they should.\n", d.Cluster, of-wrong, of)
	}
	return nil
}

// fieldNames names the first fields.
func fieldNames(fields []resource.Difference) string {
	const most = 3
	var names []string
	for _, f := range fields[:min(len(fields), most)] {
		names = append(names, f.Path)
	}
	if more := len(fields) - most; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
