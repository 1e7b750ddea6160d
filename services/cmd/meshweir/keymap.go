package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/process"
)

// redisKey is one key in Redis, and what it is for.
type redisKey struct {
	Key      string `json:"key"`
	Keyspace string `json:"keyspace,omitempty"`
	// Role is "meta", "events", "beat", "bucket", "directory" or "dead letters".
	Role string `json:"role"`
	Type string `json:"type"`
	// Bytes is what Redis says that it takes.
	Bytes int64 `json:"bytes"`
	// Owner is who writes it: the identity that an owned keyspace is bound to, or the service of dead letters.
	Owner string `json:"owner,omitempty"`
	// Until is when it goes by itself; zero for never.
	Until time.Time `json:"until,omitzero"`
}

const bucketRole = "bucket"

func (o *operator) inspectKeys() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "keys [KEYSPACE|CLUSTER]...", Short: "Show each key in Redis: keyspace, role, type, size, owner, time to live",
		ValidArgsFunction: o.completeKeyspaces,
		Long:              "Shows the keys that are there of those that Meshweir makes; what else lives in that Redis is not looked at. The table\nhas one row for all buckets of a keyspace; json and yaml have each. " + aboutSelection,
		Example:           "  meshweir inspect keys\n  meshweir inspect keys east -o json | jq '[.keys[].bytes] | add'",
		Run: o.run(func(ctx context.Context, s session, args []string) error {
			taken, err := s.look(ctx, args, false)
			if err != nil {
				return err
			}
			var keys []redisKey
			for _, k := range taken.Keyspaces {
				meta, err := s.store.Meta(ctx, k.Name)
				if err != nil {
					return err
				}
				of := func(key, role string) redisKey {
					return redisKey{Key: key, Keyspace: string(k.Name), Role: role, Owner: k.Owner}
				}
				keys = append(keys, of(k.Name.MetaKey(), "meta"), of(k.Name.EventsKey(), "events"), of(k.Name.BeatKey(), "beat"))
				for b := range meta.Buckets {
					keys = append(keys, of(k.Name.BucketKey(b), bucketRole))
				}
			}
			if len(args) == 0 {
				keys = append(keys, redisKey{Key: keyspace.DirectoryKey, Role: "directory"})
				for _, d := range taken.DeadLetters {
					keys = append(keys, redisKey{Key: keyspace.DeadLettersKey(d.Group), Role: "dead letters", Owner: d.Group})
				}
			}
			if keys, err = describeKeys(ctx, s.client, keys, taken.At); err != nil {
				return err
			}
			return printKeys(s, keys, format, taken.At)
		}),
	}
	process.ChoiceP(cmd.Flags(), &format, "output", "o", "form of the list", "table", "json", "yaml")
	return cmd
}

// describeKeys asks Redis what the keys are, and leaves out those that are not there.
func describeKeys(ctx context.Context, client redis.UniversalClient, keys []redisKey, now time.Time) ([]redisKey, error) {
	const atOnce = 500
	there := []redisKey{}
	for from := 0; from < len(keys); from += atOnce {
		part := keys[from:min(from+atOnce, len(keys))]
		types, bytes, left := make([]*redis.StatusCmd, len(part)), make([]*redis.IntCmd, len(part)), make([]*redis.DurationCmd, len(part))
		_, _ = client.Pipelined(ctx, func(p redis.Pipeliner) error { // a key that is not there is an error of one command
			for i, k := range part {
				types[i], bytes[i], left[i] = p.Type(ctx, k.Key), p.MemoryUsage(ctx, k.Key), p.PTTL(ctx, k.Key)
			}
			return nil
		})
		for i, k := range part {
			if err := types[i].Err(); err != nil {
				return nil, fmt.Errorf("asking what %s is: %w", k.Key, err)
			}
			if k.Type = types[i].Val(); k.Type == "none" {
				continue
			}
			k.Bytes = bytes[i].Val()
			if left[i].Val() > 0 {
				k.Until = now.Add(left[i].Val())
			}
			there = append(there, k)
		}
	}
	return there, nil
}

func printKeys(s session, keys []redisKey, format string, now time.Time) error {
	if format != "table" {
		return encode(s.out, format, struct {
			Keys []redisKey `json:"keys"`
		}{keys})
	}
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KEY\tKEYSPACE\tROLE\tTYPE\tSIZE\tOWNER\tTTL")
	for _, k := range folded(keys) {
		ttl := "-"
		if !k.Until.IsZero() {
			ttl = duration.HumanDuration(k.Until.Sub(now))
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.Key, dash(k.Keyspace), k.Role, k.Type, size(k.Bytes), dash(k.Owner), ttl)
	}
	return table.Flush()
}

// folded makes one row of the buckets of each keyspace: there are many, and one is like the other.
func folded(keys []redisKey) (rows []redisKey) {
	buckets := 0 // that the last row stands for
	for _, k := range keys {
		switch {
		case k.Role != bucketRole:
			buckets = 0
		case buckets == 0:
			buckets = 1
			k.Key, k.Role = k.Key[:strings.LastIndex(k.Key, ":")+1]+"*", "1 bucket"
		default:
			buckets++
			last := &rows[len(rows)-1]
			last.Bytes += k.Bytes
			last.Role = counted(buckets, "bucket", "buckets")
			continue
		}
		rows = append(rows, k)
	}
	return rows
}
