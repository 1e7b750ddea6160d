package redisconn

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"
)

// Hash returns a password as ACL rules name it without telling it.
func Hash(password string) string {
	sum := sha256.Sum256([]byte(password))
	return "#" + hex.EncodeToString(sum[:])
}

// HasUser reports whether the server knows an ACL user.
func HasUser(ctx context.Context, client redis.UniversalClient, name string) (bool, error) {
	err := client.Do(ctx, "acl", "getuser", name).Err()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for the Redis user %q: %w", name, err)
	}
	return true, nil
}

// SetUser makes an ACL user, or makes it anew: these rules, this password, and no other. Connections that it has
// stay open. saved is false when the server keeps its users in memory only, so that a restart forgets them.
// On a Redis Cluster it does so on every node. Elsewhere a replica has users of its own, and learns of none.
func SetUser(ctx context.Context, client redis.UniversalClient, name, password string, rules []string) (saved bool, err error) {
	args := []any{"acl", "setuser", name, "reset", "on", Hash(password)}
	for _, rule := range rules {
		args = append(args, rule)
	}
	if saved, err = changeUsers(ctx, client, args); err != nil {
		return false, fmt.Errorf("making the Redis user %q: %w", name, err)
	}
	return saved, nil
}

// DeleteUser deletes an ACL user, where it is, and ends its connections. saved is as for [SetUser].
func DeleteUser(ctx context.Context, client redis.UniversalClient, name string) (saved bool, err error) {
	if saved, err = changeUsers(ctx, client, []any{"acl", "deluser", name}); err != nil {
		return false, fmt.Errorf("deleting the Redis user %q: %w", name, err)
	}
	return saved, nil
}

// changeUsers runs a command on every node that takes commands, and has each write its users down.
func changeUsers(ctx context.Context, client redis.UniversalClient, args []any) (saved bool, err error) {
	results := make(chan bool, 1<<10)
	change := func(ctx context.Context, node redis.UniversalClient) error {
		if err := node.Do(ctx, slices.Clone(args)...).Err(); err != nil {
			return err
		}
		err := node.Do(ctx, "acl", "save").Err()
		results <- err == nil
		if redis.HasErrorPrefix(err, "This Redis instance is not configured to use an ACL file") {
			return nil
		}
		return err
	}
	if cluster, ok := client.(*redis.ClusterClient); ok {
		err = cluster.ForEachShard(ctx, func(ctx context.Context, node *redis.Client) error { return change(ctx, node) })
	} else {
		err = change(ctx, client)
	}
	close(results)
	saved = err == nil
	for one := range results {
		saved = saved && one
	}
	return saved, err
}
