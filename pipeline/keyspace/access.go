package keyspace

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/pipeline/stream"
)

// Access is what a service does with keyspaces. The rules of the service's Redis user are made from it.
type Access struct {
	// Writes are the keyspaces that it writes, and Reads those that it only follows: "kind/instance", or "kind/*" for all of a kind.
	Writes, Reads []string
	// Group is the consumer group in which it shares the events of what it reads. Empty means that it has none.
	Group string
	// Tidies says that it trims the streams of all keyspaces.
	Tidies bool
}

// everyInstance stands for all keyspaces of a kind.
const everyInstance = "*"

// Rules returns the rules of a Redis ACL user (Redis 7) that may do what a says and nothing else: keys, channels, commands.
func (a Access) Rules() ([]string, error) {
	if len(a.Writes)+len(a.Reads) == 0 {
		return nil, errors.New("making the rules of a Redis user: no keyspace is named")
	}
	var rules []string
	allow := func(mark, what string) {
		if rule := mark + what; !slices.Contains(rules, rule) {
			rules = append(rules, rule)
		}
	}
	kinds := false
	for _, of := range [][]string{a.Writes, a.Reads} {
		for _, text := range of {
			kind, instance, _ := strings.Cut(text, "/")
			kinds = kinds || instance == everyInstance
			if _, err := NewName(kind, strings.ReplaceAll(instance, everyInstance, "all")); err != nil {
				return nil, fmt.Errorf("making the rules of a Redis user: %w", err)
			}
		}
	}
	for _, text := range a.Writes {
		allow("~", Name(text).KeyPattern())
	}
	for _, text := range a.Reads {
		allow("%R~", Name(text).KeyPattern())
		if a.Group != "" {
			allow("~", Name(text).EventsKey()) // a group is kept in the stream
		}
	}
	if a.Tidies {
		allow("~", Name(everyInstance).EventsKey())
	}
	if a.Group != "" {
		allow("~", DeadLettersKey(a.Group))
	}
	if kinds {
		allow("~", DirectoryKey)
	}
	allow("&", AnnounceChannel)
	allow("-", "@all")
	for _, command := range a.commands(kinds) {
		allow("+", command)
	}
	return rules, nil
}

func (a Access) commands(kinds bool) []string {
	all := slices.Concat(redisconn.Commands(), []string{"hmget", "hget", "hgetall", "get", "xread", "xrange", "xrevrange", "multi", "exec"})
	if len(a.Writes) > 0 {
		all = append(all, "watch", "unwatch", "hset", "hdel", "xadd", "set", "type", "unlink", "publish")
	}
	if kinds {
		all = append(all, "smembers", "sadd", "subscribe", "unsubscribe")
	}
	if a.Group != "" {
		all = append(all, stream.GroupCommands()...)
	}
	if a.Tidies {
		all = append(all, stream.JanitorCommands()...)
	}
	return all
}
