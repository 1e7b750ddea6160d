package keyspace_test

import (
	"context"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/work"
)

// listed is a row of the table of keys in docs/keys.md.
type listed struct {
	pattern, kind string
	matches       *regexp.Regexp
	seen          bool
}

func keyMap(t *testing.T) []*listed {
	t.Helper()
	page, err := os.ReadFile("../../docs/keys.md")
	must(t, err)
	var rows []*listed
	for _, row := range regexp.MustCompile("(?m)^\\| `(mw:[^`]+)` \\| ([a-z ]+) \\|").FindAllStringSubmatch(string(page), -1) {
		pattern := regexp.QuoteMeta(row[1])
		for placeholder, expression := range map[string]string{
			"<kind>": `[a-z0-9.-]+`, "<instance>": `[a-z0-9.-]+`, "<service>": `[a-z0-9.-]+`, "<i>": `\d+`,
		} {
			pattern = strings.ReplaceAll(pattern, placeholder, expression)
		}
		rows = append(rows, &listed{pattern: row[1], kind: row[2], matches: regexp.MustCompile("^" + pattern + "$")})
	}
	return rows
}

// The key map lists all keys, with their types, and none that does not exist.
func TestEveryKeyIsInTheKeyMap(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		rows := keyMap(t)
		writeEveryKind(t, client, client)

		keys, err := client.Keys(t.Context(), "*").Result()
		must(t, err)
		for _, key := range keys {
			kind, err := client.Type(t.Context(), key).Result()
			must(t, err)
			check(t, rows, key, kind)
		}
		check(t, rows, keyspace.AnnounceChannel, "channel")
		for _, row := range rows {
			if !row.seen {
				t.Errorf("docs/keys.md lists %s, a %s, which nothing wrote; keys: %v", row.pattern, row.kind, keys)
			}
		}
	})
}

func check(t *testing.T, rows []*listed, key, kind string) {
	t.Helper()
	for _, row := range rows {
		if row.matches.MatchString(key) {
			row.seen = true
			if row.kind != kind {
				t.Errorf("key %s is a %s; docs/keys.md calls it a %s", key, kind, row.kind)
			}
			return
		}
	}
	t.Errorf("key %s, a %s, is not in the table of docs/keys.md", key, kind)
}

// writeEveryKind makes every write that the pipeline knows. A client that may do more looks on.
func writeEveryKind(t *testing.T, client, looking redis.UniversalClient) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	store := open(t, client, keyspace.Config{})
	owner := store.Owned(snapshot, "uid")
	flush(t, owner, state{"a": "1"})
	must(t, owner.Check(ctx))
	must(t, owner.Beat(ctx, []byte("{}"), time.Minute))
	derived := store.Derived(output)
	derived.Set("a", []byte("1"))
	derived.Complete()
	must(t, derived.Flush(ctx, keyspace.Vector{snapshot: meta(t, store, snapshot).Position}))
	must(t, derived.Check(ctx, keyspace.Vector{}))
	must(t, store.Shared("apikey/fleet").Update(ctx, "k", func([]byte) ([]byte, error) { return []byte("1"), nil }))

	// A worker reads through a consumer group, and what it cannot read becomes a dead letter.
	must(t, client.XAdd(ctx, &redis.XAddArgs{Stream: snapshot.EventsKey(), Values: []string{"no", "event"}}).Err())
	replica, err := keyspace.NewReplica(store, keyspace.ReplicaConfig[string]{Kinds: []string{snapshot.Kind()}, Decode: text})
	must(t, err)
	nothing := func(context.Context, bool) error { return nil }
	worker, err := work.New(slog.New(slog.DiscardHandler), store, work.Clients{Commands: client, Blocking: client}, replica, nothing,
		work.Config{Group: "translator", Kinds: []string{snapshot.Kind()}})
	must(t, err)
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	eventually(t, "a dead letter", func() bool {
		n, err := looking.XLen(ctx, keyspace.DeadLettersKey("translator")).Result()
		return err == nil && n > 0
	})
	cancel()
	must(t, <-ended)
}
