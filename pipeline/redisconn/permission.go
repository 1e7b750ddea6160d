package redisconn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// trial is a command that finds out whether a user may run it. It may fail in
// any way but NOPERM, and leaves nothing behind.
type trial struct {
	command string
	run     func(ctx context.Context, client redis.UniversalClient, key string) error
}

// readTrials are what the pipeline does to a key that it follows.
func readTrials() []trial {
	return []trial{
		{"HMGET", func(ctx context.Context, c redis.UniversalClient, key string) error {
			return c.HMGet(ctx, key, "field").Err()
		}},
		{"HGETALL", func(ctx context.Context, c redis.UniversalClient, key string) error {
			return c.HGetAll(ctx, key).Err()
		}},
		{"XRANGE", func(ctx context.Context, c redis.UniversalClient, key string) error {
			return c.XRangeN(ctx, key, "-", "+", 1).Err()
		}},
		{"XREVRANGE", func(ctx context.Context, c redis.UniversalClient, key string) error {
			return c.XRevRangeN(ctx, key, "+", "-", 1).Err()
		}},
		{"XREAD", func(ctx context.Context, c redis.UniversalClient, key string) error {
			return c.XRead(ctx, &redis.XReadArgs{Streams: []string{key, "$"}, Count: 1, Block: -1}).Err()
		}},
	}
}

// writeTrials are what the pipeline does to a key that it writes. The last one
// gives the key a millisecond to live, so that it goes even if DEL is forbidden.
func writeTrials() []trial {
	return []trial{
		{"WATCH, MULTI, EXEC", func(ctx context.Context, c redis.UniversalClient, key string) error {
			return c.Watch(ctx, func(tx *redis.Tx) error {
				_, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error { return p.HDel(ctx, key, "field").Err() })
				return err
			}, key)
		}},
		{"HSET", func(ctx context.Context, c redis.UniversalClient, key string) error {
			return c.HSet(ctx, key, "field", "1").Err()
		}},
		{"HDEL", func(ctx context.Context, c redis.UniversalClient, key string) error {
			return c.HDel(ctx, key, "field").Err()
		}},
		{"DEL", func(ctx context.Context, c redis.UniversalClient, key string) error {
			return c.Del(ctx, key).Err()
		}},
		{"XADD", func(ctx context.Context, c redis.UniversalClient, key string) error {
			return c.XAdd(ctx, &redis.XAddArgs{Stream: key, NoMkStream: true, Values: []string{"field", "1"}}).Err()
		}},
		{"XTRIM", func(ctx context.Context, c redis.UniversalClient, key string) error {
			return c.XTrimMaxLen(ctx, key, 0).Err()
		}},
		{"SET", func(ctx context.Context, c redis.UniversalClient, key string) error {
			return c.Set(ctx, key, "1", time.Millisecond).Err()
		}},
	}
}

// tryPermissions runs the trials and gathers what the server forbade.
func tryPermissions(ctx context.Context, client redis.UniversalClient, user string, need Need) ([]Finding, error) {
	var findings []Finding
	for _, t := range []struct {
		key, access string
		trials      []trial
	}{
		{need.Write, "write", writeTrials()},
		{need.Read, "read", readTrials()},
	} {
		if t.key == "" {
			continue
		}
		found, err := tryAll(ctx, client, t.key, t.trials)
		if err != nil {
			return findings, fmt.Errorf("trying to %s %s: %w", t.access, t.key, err)
		}
		if found.refusal != nil {
			findings = append(findings, *found.refusal)
		}
		if len(found.denied) > 0 {
			findings = append(findings, forbidden(user, found.denied, "to "+t.access+" "+t.key, " ~"+t.key))
		}
	}
	if need.Channel == "" {
		return findings, nil
	}
	err := client.Publish(ctx, need.Channel, "").Err()
	if redis.IsPermissionError(err) {
		return append(findings, forbidden(user, []string{"PUBLISH"}, "on channel "+need.Channel, " &"+need.Channel)), nil
	}
	if err != nil {
		return findings, fmt.Errorf("trying to publish on %s: %w", need.Channel, err)
	}
	return findings, nil
}

// outcome is what came of some trials.
type outcome struct {
	denied  []string // commands that the user may not run
	refusal *Finding // why the server takes no write at all
}

func tryAll(ctx context.Context, client redis.UniversalClient, key string, trials []trial) (outcome, error) {
	var o outcome
	for _, t := range trials {
		err := t.run(ctx, client, key)
		var reply redis.Error
		refusal, refused := Refusal(err)
		switch {
		case redis.IsPermissionError(err):
			o.denied = append(o.denied, t.command)
		case refused:
			o.refusal = &refusal
		case err != nil && !errors.As(err, &reply):
			return o, err // no reply at all: the connection, not the command
		}
	}
	return o, nil
}

func forbidden(user string, commands []string, doing, pattern string) Finding {
	list := strings.Join(commands, ", ")
	grant := "+" + strings.ReplaceAll(strings.ToLower(list), ", ", " +") + pattern
	return Finding{
		Severity: Problem,
		What:     fmt.Sprintf("the Redis user %q may not run %s %s", cmp.Or(user, "default"), list, doing),
		Why:      "the service cannot work without",
		Mend:     "grant it, with a pattern that covers all of the service's keys: " + grant,
	}
}
