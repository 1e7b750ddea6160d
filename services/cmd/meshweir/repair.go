package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/pipeline/stream"
	"github.com/meshweir/meshweir/pipeline/survey"
)

// asked is one keyspace whose repair was asked for.
type asked struct {
	Keyspace keyspace.Name `json:"keyspace"`
	// Entry is what asks.
	Entry string `json:"entry"`
	// Before and After are the revisions: where they differ something was written, by repair or by a change.
	Before uint64 `json:"before"`
	After  uint64 `json:"after"`
	// Done and Open are the services that have compared it, and that have not.
	Done []string `json:"done,omitempty"`
	Open []string `json:"open,omitempty"`
	// Behind is by how many revisions of its inputs it is behind afterwards.
	Behind uint64 `json:"behind"`
	Lost   bool   `json:"lost,omitempty"`
}

// errUnrepaired says that a repair was not seen to happen.
var errUnrepaired = errors.New("not everything was compared")

func (o *operator) pipelineRepair() *cobra.Command {
	var all, noWait bool
	var format string
	cmd := &cobra.Command{
		Use: "repair KEYSPACE|CLUSTER... | --all", Short: "Ask the services to compare everything now, and to repair what differs",
		ValidArgsFunction: o.completeKeyspaces,
		Long: `Asks all who follow the keyspaces, and those that they are made from, to read them again as a whole, and the services that work
on them to compare all that they write, and waits until they have. They do so by themselves twice a minute, for what revisions tell of; a value that somebody changed
in Redis behind their backs is found only when it is asked for. It changes nothing where nothing is wrong.

Agents and dashboards follow without a consumer group, so that nobody can tell when they are done: within seconds, where they run.
Exit code 1 when a service has not compared it within --timeout, or when something stays behind its inputs.`,
		Example: `  meshweir pipeline repair east                # snapshot/east, output/east and all others of east
  meshweir pipeline repair output/east         # and the snapshots that it is made from
  meshweir pipeline repair snapshot/east
  meshweir pipeline repair --all -o json`,
		Run: o.run(func(ctx context.Context, s session, args []string) error {
			if all == (len(args) > 0) {
				return process.UsageError{Err: errors.New("say what is to be repaired: keyspaces, clusters, or --all")}
			}
			asks, waitErr := s.repair(ctx, args, !noWait)
			if asks == nil {
				return waitErr
			}
			return errors.Join(printRepair(s, asks, format), waitErr)
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "repair all keyspaces")
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "ask, and do not wait for what comes of it")
	process.ChoiceP(cmd.Flags(), &format, "output", "o", "form of the answer", "table", "json", "yaml")
	return cmd
}

// repair asks, waits until every group has acked what asked it, and looks at what came of it.
func (s session) repair(ctx context.Context, args []string, wait bool) ([]*asked, error) {
	before, err := s.look(ctx, nil, false)
	if err != nil {
		return nil, err
	}
	chosen, err := withInputs(before.Keyspaces, args)
	if err != nil {
		return nil, err
	}
	asks := []*asked{}
	for _, k := range chosen {
		if !k.Exists {
			fmt.Fprintf(s.notes, "%s holds nothing, and only its writer can mend that.\n", k.Name)
			continue
		}
		entry, err := s.store.Ask(ctx, k.Name)
		if err != nil {
			return nil, err
		}
		a := &asked{Keyspace: k.Name, Entry: entry, Before: k.Revision, After: k.Revision}
		for _, g := range k.Stream.Groups {
			a.Open = append(a.Open, g.Name)
		}
		asks = append(asks, a)
	}
	if !wait {
		return asks, nil
	}
	s.await(ctx, asks)
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second) // what came of it is worth more than the time
	defer cancel()
	return asks, s.outcome(late, asks)
}

// withInputs returns the keyspaces that the arguments ask for and all that those are made from, because who writes a keyspace works
// on its inputs. Each comes before its inputs: who is asked by one of those looks whether what it writes was asked for too.
func withInputs(spaces []survey.Keyspace, args []string) ([]survey.Keyspace, error) {
	names, byName := make([]keyspace.Name, len(spaces)), map[keyspace.Name]survey.Keyspace{}
	for i, k := range spaces {
		names[i], byName[k.Name] = k.Name, k
	}
	chosen, err := selected(names, args)
	if err != nil {
		return nil, err
	}
	var inputsFirst []survey.Keyspace
	seen := map[keyspace.Name]bool{}
	var visit func(keyspace.Name)
	visit = func(name keyspace.Name) {
		k, listed := byName[name]
		if seen[name] || !listed {
			return
		}
		seen[name] = true
		for _, in := range k.Inputs {
			visit(in.Name)
		}
		inputsFirst = append(inputsFirst, k)
	}
	for _, name := range chosen {
		visit(name)
	}
	slices.Reverse(inputsFirst)
	return inputsFirst, nil
}

// await waits until every group has acked what asked it, or ctx ends.
func (s session) await(ctx context.Context, asks []*asked) {
	for {
		for _, a := range asks {
			s.see(ctx, a)
		}
		if !slices.ContainsFunc(asks, func(a *asked) bool { return len(a.Open) > 0 }) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// see notes which groups have acked the entry. One that is gone waits for nothing.
func (s session) see(ctx context.Context, a *asked) {
	if len(a.Open) == 0 {
		return
	}
	groups, err := s.client.XInfoGroups(ctx, a.Keyspace.EventsKey()).Result()
	if err != nil {
		return
	}
	a.Open = slices.DeleteFunc(a.Open, func(name string) bool {
		i := slices.IndexFunc(groups, func(g redis.XInfoGroup) bool { return g.Name == name })
		if i >= 0 {
			if stream.CompareIDs(groups[i].LastDeliveredID, a.Entry) < 0 {
				return false
			}
			pending, err := s.client.XPendingExt(ctx, &redis.XPendingExtArgs{
				Stream: a.Keyspace.EventsKey(), Group: name, Start: a.Entry, End: a.Entry, Count: 1,
			}).Result()
			if err != nil || len(pending) > 0 {
				return false
			}
		}
		a.Done = append(a.Done, name)
		return true
	})
}

// outcome looks at what the keyspaces became.
func (s session) outcome(ctx context.Context, asks []*asked) error {
	after, err := s.look(ctx, nil, false)
	if err != nil {
		return err
	}
	var open, behind int
	for _, a := range asks {
		i := slices.IndexFunc(after.Keyspaces, func(k survey.Keyspace) bool { return k.Name == a.Keyspace })
		if i < 0 {
			a.After, a.Lost = 0, true
			continue
		}
		a.After = after.Keyspaces[i].Revision
		stale := false // behind for longer than what comes by itself
		for _, in := range after.Keyspaces[i].Inputs {
			a.Behind += in.Behind
			a.Lost = a.Lost || in.Lost
			stale = stale || in.Behind > 0 && since(after.At, in.ChangedAt) > staleAfter
		}
		if len(a.Open) > 0 {
			open++
		}
		if stale || a.Lost {
			behind++
		}
	}
	if open+behind > 0 {
		return fmt.Errorf("%w: %s for a service, %s behind inputs; `meshweir check` says what is wrong", errUnrepaired,
			counted(open, "keyspace waits", "keyspaces wait"), counted(behind, "is", "are"))
	}
	return nil
}

func printRepair(s session, asks []*asked, format string) error {
	if format != "table" {
		return encode(s.out, format, struct {
			Keyspaces []*asked `json:"keyspaces"`
		}{asks})
	}
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KEYSPACE\tREVISION\tCOMPARED BY\tWAITS FOR\tBEHIND")
	for _, a := range asks {
		revision := fmt.Sprintf("%d, as before", a.Before)
		if a.After != a.Before {
			revision = fmt.Sprintf("%d → %d", a.Before, a.After)
		}
		behind := fmt.Sprint(a.Behind)
		if a.Lost {
			behind = "an input is lost"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", a.Keyspace, revision, list(a.Done), list(a.Open), behind)
	}
	return table.Flush()
}
