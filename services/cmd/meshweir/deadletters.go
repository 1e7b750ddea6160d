package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/pipeline/stream"
	"github.com/meshweir/meshweir/pipeline/survey"
	"github.com/meshweir/meshweir/services/cmd/launch"
)

func (o *operator) deadLetters() *cobra.Command {
	cmd := &cobra.Command{
		Use: "dead-letters", Aliases: []string{"dlq"}, Short: "See, replay and drop the entries that services gave up on", Args: noOtherCommand,
		Long: `Entries that cannot be read, or that a service could not handle, are put aside so that they delay nothing else. They are kept for
7 days. What an event told of is not lost with it: services compare everything twice a minute.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(o.deadLettersLs(), o.deadLettersShow(), o.deadLettersReplay(), o.deadLettersDrop())
	return cmd
}

// letter is a dead letter and whose it is. Its id, "group/entry", names it everywhere.
type letter struct {
	stream.DeadLetter
	from *stream.DeadLetters
}

func (l letter) id() string { return l.Group + "/" + l.ID }

// anyClass stands for all classes.
const anyClass = "any"

// letterFilter says which dead letters are meant.
type letterFilter struct{ group, class string }

func (f *letterFilter) define(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.group, "group", "", "only those of this `service`")
	process.Choice(cmd.Flags(), &f.class, "class", "only those of a class", anyClass,
		string(stream.ClassUndecodable), string(stream.ClassPermanent), string(stream.ClassPanic), string(stream.ClassExhausted))
}

// letters reads the dead letters that the filter lets through, the newest of each group first.
func (s session) letters(ctx context.Context, f letterFilter) ([]letter, error) {
	groups, err := s.letterGroups(ctx)
	if err != nil {
		return nil, err
	}
	if f.group != "" && !slices.Contains(groups, f.group) {
		return nil, process.UsageError{Err: fmt.Errorf("--group: no service %q has a consumer group here; there are %s", f.group, list(groups))}
	}
	var found []letter
	for _, group := range groups {
		if f.group != "" && f.group != group {
			continue
		}
		from, err := stream.NewDeadLetters(s.client, keyspace.DeadLettersKey(group), stream.DeadLettersConfig{})
		if err != nil {
			return nil, err
		}
		for before := ""; ; {
			page, err := from.List(ctx, stream.Page{Before: before, Limit: 500})
			if err != nil {
				return nil, fmt.Errorf("of %s: %w", group, err)
			}
			for _, d := range page {
				if d.Group = group; f.class == "" || f.class == anyClass || f.class == string(d.Class) {
					found = append(found, letter{d, from})
				}
				before = d.ID
			}
			if len(page) < 500 {
				break
			}
		}
	}
	return found, nil
}

// letterGroups returns the groups that have, or may have, dead letters.
func (s session) letterGroups(ctx context.Context) ([]string, error) {
	taken, err := survey.New(s.conn).Take(ctx, survey.Options{Groups: launch.Groups()})
	var groups []string
	for _, d := range taken.DeadLetters {
		groups = append(groups, d.Group)
	}
	return groups, err
}

// pile is what `dead-letters ls` shows: those that one service gave up on for one reason.
type pile struct {
	Group     string       `json:"group"`
	Class     stream.Class `json:"class"`
	Error     string       `json:"error"`
	Count     int          `json:"count"`
	FirstAt   time.Time    `json:"firstAt"`
	LastAt    time.Time    `json:"lastAt"`
	Keyspaces []string     `json:"keyspaces,omitempty"`
	IDs       []string     `json:"ids"`
}

// varying is what differs between errors that have one reason.
var varying = regexp.MustCompile(`\b[0-9a-fA-F]{8,}\b|[0-9]+(-[0-9]+)?`)

// piles groups dead letters by what went wrong, the largest pile first.
func piles(letters []letter) []*pile {
	byReason := map[string]*pile{}
	for _, l := range letters {
		first, _, _ := strings.Cut(l.Error, "\n")
		reason := l.Group + "\x00" + string(l.Class) + "\x00" + varying.ReplaceAllString(first, "#")
		p := byReason[reason]
		if p == nil {
			p = &pile{Group: l.Group, Class: l.Class, Error: first, FirstAt: l.At.UTC(), LastAt: l.At.UTC()}
			byReason[reason] = p
		}
		p.Count++
		p.IDs = append(p.IDs, l.id())
		if l.At.Before(p.FirstAt) {
			p.FirstAt = l.At.UTC()
		}
		if l.At.After(p.LastAt) {
			p.LastAt = l.At.UTC()
		}
		if name, ok := keyspace.OfEvents(l.Stream); ok && !slices.Contains(p.Keyspaces, string(name)) {
			p.Keyspaces = append(p.Keyspaces, string(name))
		}
	}
	return slices.SortedFunc(maps.Values(byReason), func(a, b *pile) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), b.LastAt.Compare(a.LastAt), cmp.Compare(a.Error, b.Error))
	})
}

func (o *operator) deadLettersLs() *cobra.Command {
	var filter letterFilter
	var format string
	cmd := &cobra.Command{
		Use: "ls", Short: "List dead letters, grouped by what went wrong", Args: cobra.NoArgs,
		Example: `  meshweir pipeline dead-letters ls
  meshweir pipeline dead-letters ls --group translator -o json | jq -r '.piles[].ids[]'`,
		Run: o.run(func(ctx context.Context, s session, _ []string) error {
			letters, err := s.letters(ctx, filter)
			if err != nil {
				return err
			}
			found := piles(letters)
			if format != "table" {
				return encode(s.out, format, struct {
					Piles []*pile `json:"piles"`
				}{append([]*pile{}, found...)})
			}
			if len(found) == 0 {
				_, err := fmt.Fprintln(s.notes, "There are no dead letters.")
				return err
			}
			table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "COUNT\tGROUP\tCLASS\tFIRST\tLAST\tFROM\tNEWEST\tERROR")
			now := time.Now()
			for _, p := range found {
				fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.Count, p.Group, p.Class, age(now, p.FirstAt), age(now, p.LastAt),
					short(list(p.Keyspaces), 40), p.IDs[0], short(p.Error, 100))
			}
			return table.Flush()
		}),
	}
	filter.define(cmd)
	process.ChoiceP(cmd.Flags(), &format, "output", "o", "form of the list", "table", "json", "yaml")
	return cmd
}

func short(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// named returns the dead letters that ids name: "group/entry", or the entry alone where one group has it.
func named(letters []letter, ids []string) ([]letter, error) {
	var found []letter
	for _, id := range ids {
		var meant []letter
		var names []string
		for _, l := range letters {
			if l.id() == id || l.ID == id {
				meant, names = append(meant, l), append(names, l.id())
			}
		}
		switch len(meant) {
		case 0:
			return nil, fmt.Errorf("there is no dead letter %q (any more); `meshweir pipeline dead-letters ls` lists them", id)
		case 1:
			found = append(found, meant[0])
		default:
			return nil, process.UsageError{Err: fmt.Errorf("%q is the id of several dead letters: give one of %s", id, list(names))}
		}
	}
	return found, nil
}

// completeLetters offers the ids of dead letters.
func (o *operator) completeLetters(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return o.offer(cmd, func(ctx context.Context, s session) (offers []string, err error) {
		letters, err := s.letters(ctx, letterFilter{})
		for _, l := range letters {
			offers = append(offers, l.id())
		}
		return offers, err
	}), cobra.ShellCompDirectiveNoFileComp
}

// document is a dead letter as `dead-letters show` prints it.
type document struct {
	ID       string            `json:"id"`
	At       time.Time         `json:"at"`
	Keyspace string            `json:"keyspace,omitempty"`
	Stream   string            `json:"stream,omitempty"`
	Entry    string            `json:"entry,omitempty"`
	Class    stream.Class      `json:"class"`
	Attempts int               `json:"attempts"`
	Trace    string            `json:"traceparent,omitempty"`
	Message  string            `json:"message,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Payload  any               `json:"payload,omitempty"`
	Raw      map[string]string `json:"raw,omitempty"`
	Error    string            `json:"error"`
}

func (l letter) document() document {
	name, _ := keyspace.OfEvents(l.Stream)
	d := document{
		ID: l.id(), At: l.At.UTC(), Keyspace: string(name), Stream: l.Stream, Entry: l.EntryID, Class: l.Class, Attempts: l.Attempts,
		Trace: l.TraceParent, Error: l.Error,
	}
	if l.Message != nil {
		d.Message, d.Metadata = l.Message.UUID, l.Message.Metadata
		if payload, err := decodeJSON[any]("", l.Message.Payload); err == nil {
			d.Payload = payload
		} else {
			d.Payload = fmt.Sprintf("%q", l.Message.Payload)
		}
	}
	for field, value := range l.Raw {
		if d.Raw == nil {
			d.Raw = map[string]string{}
		}
		d.Raw[field] = fmt.Sprintf("%q", value)
	}
	return d
}

func (o *operator) deadLettersShow() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "show ID...", Short: "Show dead letters: payload, attempts, class, error, trace", Args: cobra.MinimumNArgs(1),
		ValidArgsFunction: o.completeLetters,
		Example:           `  meshweir pipeline dead-letters show translator/1764414000000-0`,
		Run: o.run(func(ctx context.Context, s session, args []string) error {
			letters, err := s.letters(ctx, letterFilter{})
			if err == nil {
				letters, err = named(letters, args)
			}
			if err != nil {
				return err
			}
			documents := make([]document, len(letters))
			for i, l := range letters {
				documents[i] = l.document()
			}
			if len(documents) == 1 {
				return encode(s.out, format, documents[0])
			}
			return encode(s.out, format, documents)
		}),
	}
	process.ChoiceP(cmd.Flags(), &format, "output", "o", "form of the letters", "yaml", "json")
	return cmd
}

// choice says which dead letters something is done with.
type choice struct {
	letterFilter
	all bool
}

func (c *choice) of(ctx context.Context, s session, ids []string) ([]letter, error) {
	switch {
	case c.all && len(ids) > 0:
		return nil, process.UsageError{Err: errors.New("give either ids or --all")}
	case !c.all && len(ids) == 0:
		return nil, process.UsageError{Err: errors.New("give ids, as `dead-letters ls` prints them, or --all with --group or --class")}
	}
	letters, err := s.letters(ctx, c.letterFilter)
	if err != nil || c.all {
		return letters, err
	}
	return named(letters, ids)
}

func (o *operator) deadLettersReplay() *cobra.Command {
	var c choice
	cmd := &cobra.Command{
		Use: "replay ID... | --all", Short: "Put dead letters back into the streams that they came from", ValidArgsFunction: o.completeLetters,
		Long: `Puts dead letters back into the streams that they came from, as they were, and takes them out of the dead letters. Every service
that reads the stream sees them again, which does no harm: an event is a hint to look. Mend first what they failed for.`,
		Example: `  meshweir pipeline dead-letters replay translator/1764414000000-0
  meshweir pipeline dead-letters replay --all --class exhausted --group translator`,
		Run: o.run(func(ctx context.Context, s session, args []string) error {
			letters, err := c.of(ctx, s, args)
			if err != nil {
				return err
			}
			slices.Reverse(letters) // the oldest first, as they came
			return each(s, letters, "replayed", func(l letter) error { return l.from.Replay(ctx, l.ID) })
		}),
	}
	c.define(cmd)
	cmd.Flags().BoolVar(&c.all, "all", false, "all that --group and --class let through")
	return cmd
}

func (o *operator) deadLettersDrop() *cobra.Command {
	var c choice
	var yes bool
	cmd := &cobra.Command{
		Use: "drop ID... | --all", Short: "Delete dead letters", ValidArgsFunction: o.completeLetters,
		Long: `Deletes dead letters for good. It says what it would delete, and does so with --yes only.`,
		Example: `  meshweir pipeline dead-letters drop translator/1764414000000-0 --yes
  meshweir pipeline dead-letters drop --all --class undecodable --yes`,
		Run: o.run(func(ctx context.Context, s session, args []string) error {
			letters, err := c.of(ctx, s, args)
			if err != nil {
				return err
			}
			if !yes && len(letters) > 0 {
				for _, p := range piles(letters) {
					fmt.Fprintf(s.notes, "would delete %d of %s: %s: %s\n", p.Count, p.Group, p.Class, short(p.Error, 100))
				}
				return process.UsageError{Err: errors.New("nothing is deleted; --yes deletes them")}
			}
			return each(s, letters, "dropped", func(l letter) error { return l.from.Drop(ctx, l.ID) })
		}),
	}
	c.define(cmd)
	cmd.Flags().BoolVar(&c.all, "all", false, "all that --group and --class let through")
	cmd.Flags().BoolVar(&yes, "yes", false, "delete them")
	return cmd
}

// each does something with each dead letter, and says how many are done. One that fails does not keep it from the others.
func each(s session, letters []letter, done string, do func(letter) error) error {
	count := 0
	var errs []error
	for _, l := range letters {
		if err := do(l); err != nil {
			errs = append(errs, err)
			continue
		}
		count++
	}
	fmt.Fprintf(s.notes, "%d of %d %s.\n", count, len(letters), done)
	if len(errs) > 3 {
		errs = append(errs[:3], fmt.Errorf("and %d more", len(errs)-3))
	}
	return errors.Join(errs...)
}
