package stream

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// prepared is what is known of a stream before it is read.
type prepared struct {
	last string // the id to begin behind: that of the last entry in fan-out, the beginning of what is pending in a group
	err  error
}

// prepare makes streams readable: it creates their group where it is missing,
// behind start, and in fan-out finds their last entries. It shows which of many
// streams is the one that Redis refuses, where a read of all would only fail.
func (s *Subscriber) prepare(ctx context.Context, streams []string, start string) map[string]prepared {
	found := make(map[string]prepared, len(streams))
	pipe := s.client.Pipeline()
	if s.cfg.Group == "" {
		cmds := make(map[string]*redis.XMessageSliceCmd, len(streams))
		for _, stream := range streams {
			cmds[stream] = pipe.XRevRangeN(ctx, stream, "+", "-", 1)
		}
		pipe.Exec(ctx) //nolint:errcheck // each command is looked at
		for stream, cmd := range cmds {
			p := prepared{last: beginning, err: cmd.Err()}
			if last := cmd.Val(); len(last) > 0 {
				p.last = last[0].ID
			}
			found[stream] = p
		}
		return found
	}
	cmds := make(map[string]*redis.StatusCmd, len(streams))
	for _, stream := range streams {
		cmds[stream] = pipe.XGroupCreateMkStream(ctx, stream, s.cfg.Group, start)
	}
	pipe.Exec(ctx) //nolint:errcheck // each command is looked at
	for stream, cmd := range cmds {
		err := cmd.Err()
		if redis.HasErrorPrefix(err, "BUSYGROUP") {
			err = nil
		}
		found[stream] = prepared{last: beginning, err: err}
	}
	return found
}

// prepare returns the cursors that can be read, after making ready those that
// were not. A stream that Redis refuses is left out and asked for again later.
func (r *reader) prepare(ctx context.Context) []*cursor {
	now := time.Now()
	var unready []string
	for _, c := range r.cursors {
		if !c.ready && !now.Before(c.retryAt) {
			unready = append(unready, c.stream)
		}
	}
	var found map[string]prepared
	if len(unready) > 0 {
		found = r.s.prepare(ctx, unready, "0")
	}
	var ready []*cursor
	var down error
	for _, c := range r.cursors {
		p, asked := found[c.stream]
		switch {
		case !asked:
		case p.err == nil:
			c.ready, c.refused = true, false
			r.rewind(c, p.last)
		case !IsReply(p.err):
			down = p.err
		default:
			c.retryAt = now.Add(max(time.Second, r.s.cfg.ExpandEvery))
			if !c.refused {
				c.refused = true
				r.s.log.ErrorContext(ctx, "stream refused", "stream", c.stream, "group", r.s.cfg.Group, "error", p.err)
			}
		}
		if c.ready {
			ready = append(ready, c)
		}
	}
	if down != nil && ctx.Err() == nil {
		pause(ctx, r.trouble.failed(ctx, down))
	}
	return ready
}

// heal is called after a read failed. The reply may have been lost on its way,
// so what is pending for us is read again; groups and streams may be gone, so
// they are prepared again.
func (r *reader) heal(err error) {
	for _, c := range r.cursors {
		c.ready = false
		if r.s.cfg.Group != "" {
			c.next = beginning
		}
	}
	if !redis.HasErrorPrefix(err, "NOGROUP") && !redis.HasErrorPrefix(err, "UNBLOCKED") {
		pause(r.s.live, r.trouble.failed(r.s.live, err))
		return
	}
	r.s.log.WarnContext(r.s.live, "consumer group or stream lost, making it again", "topic", r.s.topic, "group", r.s.cfg.Group, "error", err)
	// A stream may be gone for good: ask before it is created again.
	if err := r.s.refresh(r.s.live); err != nil {
		r.s.log.DebugContext(r.s.live, "streams not listed", "topic", r.s.topic, "error", err)
	}
	pause(r.s.live, minOutagePause/2)
}

// checkResets looks, in a quiet fan-out, whether a stream was deleted and began
// anew with lower ids: a read behind the old id would wait for ever.
func (r *reader) checkResets() {
	now := time.Now()
	if now.Before(r.nextCheck) {
		return
	}
	r.nextCheck = now.Add(resetCheck)
	for _, c := range r.cursors {
		c.ready = false
	}
}

// rewind moves a fan-out cursor to the beginning when the stream ends before it.
func (r *reader) rewind(c *cursor, last string) {
	if r.s.cfg.Group == "" && CompareIDs(last, c.next) < 0 {
		c.next = beginning
	}
}

// IsReply reports whether err is an answer of a server that is there and works,
// so that the command is to blame, not the connection or the state of the server.
func IsReply(err error) bool {
	var reply redis.Error
	if !errors.As(err, &reply) || errors.Is(err, redis.Nil) {
		return false
	}
	for _, prefix := range []string{"LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MOVED ", "ASK ", "OOM", "MISCONF", "NOREPLICAS", "BUSY "} {
		if strings.HasPrefix(err.Error(), prefix) {
			return false
		}
	}
	return true
}

// CompareIDs orders the ids of entries, "milliseconds-sequence".
func CompareIDs(a, b string) int {
	aMillis, aSeq := splitID(a)
	bMillis, bSeq := splitID(b)
	return cmp.Or(cmp.Compare(aMillis, bMillis), cmp.Compare(aSeq, bSeq))
}

// TimeOf returns the time in an entry's id: when Redis took the entry.
func TimeOf(id string) time.Time {
	millis, _ := splitID(id)
	return time.UnixMilli(int64(millis)) //nolint:gosec // G115: an id in Redis is the time, far below 2^63
}

func splitID(id string) (millis, seq uint64) {
	left, right, _ := strings.Cut(id, "-")
	millis, _ = strconv.ParseUint(left, 10, 64) // ids come from Redis; what is none orders first
	seq, _ = strconv.ParseUint(right, 10, 64)
	return millis, seq
}
