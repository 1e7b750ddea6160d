package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/trace"
	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/pipeline/stream"
	"github.com/meshweir/meshweir/pipeline/telemetry"
)

// sighting is one event, as `pipeline tail` shows it.
type sighting struct {
	At       time.Time     `json:"at"`
	Keyspace keyspace.Name `json:"keyspace"`
	Entry    string        `json:"entry"`
	Epoch    string        `json:"epoch,omitempty"`
	Revision uint64        `json:"revision,omitempty"`
	Set      []string      `json:"set,omitempty"`
	Deleted  []string      `json:"deleted,omitempty"`
	// Asks says that nothing was written, and that somebody asks for repair.
	Asks bool `json:"asks,omitempty"`
	// Took is from when the change was seen to when its event stood in the stream, in milliseconds.
	Took  int64  `json:"tookMs"`
	Trace string `json:"trace,omitempty"`
	// Problem says why the entry is no event.
	Problem string `json:"problem,omitempty"`
}

func (o *operator) pipelineTail() *cobra.Command {
	var format string
	var last int64
	var keys int
	cmd := &cobra.Command{
		Use: "tail [KEYSPACE|CLUSTER]...", Short: "Follow the events of keyspaces as they come",
		ValidArgsFunction: o.completeKeyspaces,
		Long: `Follows the events of one, several or all keyspaces until it is interrupted: when, which keyspace, at which revision, which keys were
set (+) and deleted (-), how long it took from when the change was seen, and the trace that it belongs to. It reads beside the
services and takes nothing from them. ` + aboutSelection,
		Example: `  meshweir pipeline tail
  meshweir pipeline tail east --last 20
  meshweir pipeline tail 'output/*' -o json | jq -r '.keyspace + " " + (.set // [] | join(" "))'`,
		PreRun: func(*cobra.Command, []string) { o.endless = true },
		Run: o.run(func(ctx context.Context, s session, args []string) error {
			t := tail{session: s, args: args, last: last, show: func(seen sighting) error { return printSighting(s, seen, format, keys) }}
			return t.run(ctx)
		}),
	}
	cmd.Flags().Int64VarP(&last, "last", "n", 0, "begin with the last `number` of events of each stream")
	cmd.Flags().IntVar(&keys, "keys", 5, "show at most this `number` of keys of an event in the table; 0 shows all")
	process.ChoiceP(cmd.Flags(), &format, "output", "o", "form of the events", "table", "json", "yaml")
	return cmd
}

// tail follows streams; what it finds it shows one by one.
type tail struct {
	session
	args []string
	last int64
	show func(sighting) error

	mu      sync.Mutex // guards show and failed
	failed  error
	running sync.WaitGroup
}

// streamsAtOnce is how many streams one read waits for.
const streamsAtOnce = 64

func (t *tail) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer t.running.Wait()
	defer cancel()
	known := map[keyspace.Name]bool{}
	look := time.NewTicker(2 * time.Second)
	defer look.Stop()
	for first := true; ; first = false {
		names, err := t.store.Names(ctx)
		if err == nil && first && len(t.args) > 0 {
			_, err = selected(names, t.args)
		}
		if err != nil && first {
			return err
		}
		var fresh []keyspace.Name
		for _, name := range names {
			if chosen, _ := selected([]keyspace.Name{name}, t.args); len(chosen) > 0 && !known[name] {
				known[name], fresh = true, append(fresh, name)
			}
		}
		if err := t.add(ctx, cancel, fresh, first); err != nil && first {
			return err
		}
		select {
		case <-ctx.Done():
			t.mu.Lock()
			defer t.mu.Unlock()
			return t.failed // interrupted otherwise
		case <-look.C:
		}
	}
}

// add starts to follow keyspaces: those that are there at first from now on, later ones from their beginning.
func (t *tail) add(ctx context.Context, stop func(), names []keyspace.Name, first bool) error {
	var shown []sighting
	limit := streamsAtOnce
	if _, cluster := t.client.(*redis.ClusterClient); cluster {
		limit = 1
	}
	for chunk := range slices.Chunk(names, limit) {
		after := map[string]string{}
		for _, name := range chunk {
			after[name.EventsKey()] = "0-0"
			if !first {
				continue
			}
			entries, err := t.client.XRevRangeN(ctx, name.EventsKey(), "+", "-", max(t.last, 1)).Result()
			if err != nil && !stream.IsReply(err) {
				return fmt.Errorf("reading the last events of %s: %w", name, err)
			}
			if len(entries) > 0 {
				after[name.EventsKey()] = entries[0].ID
			}
			if t.last == 0 {
				continue
			}
			for _, entry := range entries {
				shown = append(shown, see(name, entry))
			}
		}
		t.running.Go(func() {
			if err := t.follow(ctx, after); err != nil {
				t.mu.Lock()
				defer t.mu.Unlock()
				t.failed = err
				stop()
			}
		})
	}
	slices.SortFunc(shown, func(a, b sighting) int { return stream.CompareIDs(a.Entry, b.Entry) })
	return t.tell(shown)
}

func (t *tail) follow(ctx context.Context, after map[string]string) error {
	said := false
	for ctx.Err() == nil {
		var keys, ids []string
		for key, id := range after {
			keys, ids = append(keys, key), append(ids, id)
		}
		found, err := t.conn.Blocking.XRead(ctx, &redis.XReadArgs{Streams: append(keys, ids...), Count: 100, Block: time.Second}).Result()
		switch {
		case redis.HasErrorPrefix(err, "NOPERM"):
			return err
		case err != nil && err != redis.Nil && ctx.Err() == nil: //nolint:errorlint // go-redis returns it as it is
			if !said {
				fmt.Fprintf(t.notes, "meshweir: reading events is tried again: %v\n", err)
			}
			said = true
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			continue
		}
		said = false
		for _, s := range found {
			after[s.Stream] = s.Messages[len(s.Messages)-1].ID
			name, _ := keyspace.OfEvents(s.Stream)
			seen := make([]sighting, len(s.Messages))
			for i, entry := range s.Messages {
				seen[i] = see(name, entry)
			}
			if err := t.tell(seen); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tail) tell(all []sighting) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, seen := range all {
		if err := t.show(seen); err != nil {
			return err
		}
	}
	return nil
}

// see reads an entry.
func see(name keyspace.Name, entry redis.XMessage) sighting {
	s := sighting{At: stream.TimeOf(entry.ID).UTC(), Keyspace: name, Entry: entry.ID}
	e, msg, err := keyspace.DecodeEvent(entry)
	if err != nil {
		s.Problem = err.Error()
		return s
	}
	s.Epoch, s.Revision, s.Set, s.Deleted, s.Asks = e.Epoch, e.Revision, e.Set, e.Deleted, e.Relist
	s.Took = max(s.At.UnixMilli()-e.At, 0)
	if span := trace.SpanContextFromContext(telemetry.Extract(context.Background(), msg.Metadata)); span.IsValid() {
		s.Trace = span.TraceID().String()
	}
	return s
}

func printSighting(s session, seen sighting, format string, most int) error {
	var err error
	switch format {
	case "json":
		err = json.NewEncoder(s.out).Encode(seen)
	case "yaml":
		var text []byte
		if text, err = yaml.Marshal(seen); err == nil {
			_, err = fmt.Fprintf(s.out, "---\n%s", text)
		}
	default:
		_, err = fmt.Fprintln(s.out, seen.line(most))
	}
	return err
}

func (s sighting) line(most int) string {
	what := s.keys(most)
	switch {
	case s.Problem != "":
		what = "no event: " + s.Problem
	case s.Asks:
		what = "somebody asks for repair"
	}
	line := fmt.Sprintf("%s  %-28s r%-6d %6dms  %s", s.At.Local().Format("15:04:05.000"), s.Keyspace, s.Revision, s.Took, what)
	if s.Trace != "" {
		line += "  trace=" + s.Trace
	}
	return line
}

func (s sighting) keys(most int) string {
	var parts []string
	for _, key := range s.Set {
		parts = append(parts, "+"+key)
	}
	for _, key := range s.Deleted {
		parts = append(parts, "-"+key)
	}
	if most > 0 && len(parts) > most {
		parts = append(parts[:most], fmt.Sprintf("and %d more", len(parts)-most))
	}
	return dash(strings.Join(parts, " "))
}
