package counter

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed count.lua
var countText string

// kind is what a command does.
type kind byte

const (
	adds    kind = iota // adds hits to a fixed window
	looks               // reads a fixed window
	runs                // runs the script
	expires             // gives a counter its time to live
)

// command asks Redis about one counter, or about several that count together. It is used again and again: its
// arguments point to its fields.
type command struct {
	kind  kind
	first bool // nobody here has met the key yet: it may have no time to live
	asks  []int
	key   string
	hits  int64
	life  int64 // time to live, in ms

	begin  *redis.StatusCmd
	add    *redis.IntCmd
	look   *redis.StringCmd
	expire *redis.BoolCmd
	run    *redis.Cmd
	args   []any // of the script
}

func newCommand() *command {
	c := &command{}
	ctx := context.Background()
	c.begin = redis.NewStatusCmd(ctx, "set", &c.key, "0", "px", &c.life, "nx")
	c.add = redis.NewIntCmd(ctx, "incrby", &c.key, &c.hits)
	return c
}

// appendTo adds what the command sends.
func (c *command) appendTo(cmds []redis.Cmder) []redis.Cmder {
	switch c.kind {
	case adds:
		c.add.SetErr(nil)
		if c.first {
			c.begin.SetErr(nil)
			cmds = append(cmds, c.begin)
		}
		return append(cmds, c.add)
	case looks:
		c.look = redis.NewStringCmd(context.Background(), "get", c.key)
		return append(cmds, c.look)
	case expires:
		c.expire = redis.NewBoolCmd(context.Background(), "pexpire", c.key, c.life)
		return append(cmds, c.expire)
	case runs:
		c.run = redis.NewCmd(context.Background(), c.args...)
		return append(cmds, c.run)
	}
	return cmds
}

// err is why the command has no answer.
func (c *command) err() error {
	var err error
	switch c.kind {
	case adds:
		if err = c.add.Err(); err == nil && c.first {
			err = c.begin.Err()
		}
	case looks:
		err = c.look.Err()
	case expires:
		err = c.expire.Err()
	case runs:
		err = c.run.Err()
	}
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}

// again says whether the command must be sent once more: elsewhere, because its slot moved, or with the whole script.
func (c *command) again() (elsewhere, whole bool) {
	err := c.err()
	if err == nil {
		return false, false
	}
	text := err.Error()
	switch {
	case strings.HasPrefix(text, "NOSCRIPT"):
		c.args[0], c.args[1] = "eval", countText
		return false, true
	case strings.HasPrefix(text, "MOVED "), strings.HasPrefix(text, "ASK "):
		return true, false
	}
	return false, false
}

// numbers returns the script's answer for one of its counters.
func (c *command) numbers(i int) (over bool, a, b, since int64, err error) {
	all, err := c.run.Int64Slice()
	if err != nil {
		return false, 0, 0, 0, err
	}
	if len(all) < 4*(i+1) {
		return false, 0, 0, 0, fmt.Errorf("counting: the script answered %d numbers, want at least %d", len(all), 4*(i+1))
	}
	all = all[4*i:]
	return all[0] == 1, all[1], all[2], all[3], nil
}

// script begins the arguments of a run for keys.
func (c *command) script(sha string, together bool, now int64, keys ...string) {
	c.kind = runs
	c.args = append(c.args[:0], "evalsha", sha, len(keys))
	for _, key := range keys {
		c.args = append(c.args, key)
	}
	flag := "0"
	if together {
		flag = "1"
	}
	c.args = append(c.args, flag, now)
}

// counts adds one counter's arguments.
func (c *command) counts(l *Limit, hits int64, rest time.Duration) {
	limit, span := int64(l.Requests), l.Period.Microseconds()
	switch l.Algorithm {
	case FixedWindow:
		span = lifetime(rest)
	case GCRA:
		hits, limit = l.cost(hits), l.tolerance
	case SlidingWindow:
	}
	denied := "0"
	if l.CountDenied {
		denied = "1"
	}
	c.args = append(c.args, string(l.Algorithm), hits, limit, span, string(l.Effect), denied)
}

// skew is how far the clocks of replicas may be apart before a window is counted twice.
const skew = 2 * time.Second

// lifetime is for how many ms a window's counter is kept.
func lifetime(rest time.Duration) int64 { return (rest + skew).Milliseconds() + 1 }
