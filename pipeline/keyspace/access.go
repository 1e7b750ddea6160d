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
	// Counts says that it counts rate limits, in the Redis that holds their counters.
	Counts bool
	// Operates says that it looks at everything in this Redis, asks for repair, and replays and drops dead letters.
	Operates bool
}

// everyInstance stands for all keyspaces of a kind.
const everyInstance = "*"

// Listed reports whether the service writes the directory of keyspaces: who follows a kind does.
func (a Access) Listed() bool {
	return slices.ContainsFunc(slices.Concat(a.Writes, a.Reads), func(text string) bool { return strings.HasSuffix(text, "/"+everyInstance) })
}

// Rules returns the rules of a Redis ACL user (Redis 7) that may do what a says and nothing else. What is done
// to keys stands in selectors, so that each command is allowed on the keys that it is meant for, and on no other.
func (a Access) Rules() ([]string, error) {
	if err := a.validate(); err != nil {
		return nil, fmt.Errorf("making the rules of a Redis user: %w", err)
	}
	base := append(redisconn.Commands(), "multi", "exec", "unwatch")
	if len(a.Writes) > 0 {
		base = append(base, "publish")
	}
	if a.Listed() {
		base = append(base, "publish", "subscribe")
	}
	if a.Operates {
		base = append(base, "subscribe")
	}
	rules := []string{"-@all", "&" + AnnounceChannel}
	rules = append(rules, allow(base)...)
	for _, s := range a.selectors() {
		if len(s.keys) > 0 {
			rules = append(rules, "("+strings.Join(slices.Concat(s.keys, allow(s.commands)), " ")+")")
		}
	}
	return rules, nil
}

func (a Access) validate() error {
	all := slices.Concat(a.Writes, a.Reads)
	if len(all) == 0 && !a.Operates && !a.Counts {
		return errors.New("no keyspace is named")
	}
	for _, text := range all {
		kind, instance, _ := strings.Cut(text, "/")
		if instance == everyInstance {
			instance = "all"
		}
		if _, err := NewName(kind, instance); err != nil {
			return err
		}
	}
	return nil
}

// selector allows some commands on some keys.
type selector struct{ keys, commands []string }

func (a Access) selectors() []selector {
	var read, write, group, tidy, dead, directory selector
	for _, text := range slices.Concat(a.Writes, a.Reads) {
		read.keys = append(read.keys, "%R~"+Name(text).KeyPattern())
	}
	read.commands = []string{"hmget", "hget", "hgetall", "get", "type", "xread", "xrange", "xrevrange", "watch"}
	for _, text := range a.Writes {
		write.keys = append(write.keys, "~"+Name(text).KeyPattern())
	}
	write.commands = []string{"hset", "hdel", "xadd", "set", "unlink"}
	if a.Group != "" {
		for _, text := range a.Reads {
			group.keys = append(group.keys, "~"+Name(text).EventsKey()) // a group is kept in the stream
		}
		dead.keys = []string{"~" + DeadLettersKey(a.Group)}
	}
	group.commands, dead.commands = stream.GroupCommands(), stream.DeadLetterCommands()
	if a.Tidies {
		tidy.keys = []string{"~" + Name(everyInstance).EventsKey()}
	}
	tidy.commands = stream.JanitorCommands()
	if a.Listed() {
		directory.keys = []string{"~" + DirectoryKey}
	}
	directory.commands = []string{"smembers", "sadd"}
	return append([]selector{read, write, group, dead, tidy, directory, a.counting()}, a.operating()...)
}

// counting lets a rate limiter count, by single commands and by its script.
func (a Access) counting() (s selector) {
	if a.Counts {
		s.keys = []string{"~" + CountersPrefix + "*"}
	}
	s.commands = []string{"get", "set", "incrby", "pexpire", "hmget", "hset", "eval", "evalsha", "time", "zadd", "zrem", "zremrangebyscore", "zcard"}
	return s
}

// operating lets somebody look at all that there is, and put entries back into streams.
func (a Access) operating() []selector {
	if !a.Operates {
		return nil
	}
	return []selector{
		{[]string{"%R~" + prefix + "*"}, []string{
			"smembers", "hmget", "hget", "hgetall", "hlen", "hscan", "get", "type", "pttl", "memory|usage", "watch",
			"xread", "xrange", "xrevrange", "xlen", "xpending", "xinfo|stream", "xinfo|groups", "xinfo|consumers",
		}},
		{[]string{"~" + Name(everyInstance).EventsKey()}, []string{"xadd"}},
		{[]string{"~" + DeadLettersKey("*")}, []string{"xdel"}},
	}
}

// allow returns a rule for each of the commands, and for each once.
func allow(commands []string) []string {
	rules := make([]string, len(commands))
	for i, command := range commands {
		rules[i] = "+" + command
	}
	slices.Sort(rules)
	return slices.Compact(rules)
}
