package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// JanitorConfig tunes a [Janitor]. Expand is required, the rest has defaults.
type JanitorConfig struct {
	// Expand returns the keys of the streams to look after.
	Expand func(ctx context.Context) ([]string, error)
	// Every is the interval of the rounds. Default 1 minute.
	Every time.Duration
	// Keep is the age under which an entry stays even when every group has it behind it, for those who read without a
	// group. Default 5 minutes.
	Keep time.Duration
	// KeepUngrouped is the age under which an entry of a stream without groups stays. Default 24 hours.
	KeepUngrouped time.Duration
	// MaxLength is the approximate number of entries beyond which the oldest go, read or not, to protect the server's
	// memory. Default 100,000.
	MaxLength int64
	// ConsumerIdle is how long a consumer without pending entries must have been silent to be removed. Default 1 hour.
	ConsumerIdle time.Duration
}

// Janitor keeps streams short. Several may run side by side.
//
// It never takes what a group has not read or not acked; the hard cap alone
// does, and who reads keyspaces notices that and lists again.
type Janitor struct {
	log    *slog.Logger
	client redis.UniversalClient
	cfg    JanitorConfig
}

// NewJanitor returns a janitor on client, which stays the caller's to close.
func NewJanitor(log *slog.Logger, client redis.UniversalClient, cfg JanitorConfig) (*Janitor, error) {
	if client == nil || cfg.Expand == nil {
		return nil, errors.New("making a janitor: no Redis client or no streams")
	}
	cfg.Every = cmp.Or(cfg.Every, time.Minute)
	cfg.Keep = cmp.Or(cfg.Keep, 5*time.Minute)
	cfg.KeepUngrouped = cmp.Or(cfg.KeepUngrouped, 24*time.Hour)
	cfg.MaxLength = cmp.Or(cfg.MaxLength, 100_000)
	cfg.ConsumerIdle = cmp.Or(cfg.ConsumerIdle, time.Hour)
	if cfg.Every < 0 || cfg.Keep < 0 || cfg.KeepUngrouped < 0 || cfg.MaxLength < 1 || cfg.ConsumerIdle < 0 {
		return nil, fmt.Errorf("making a janitor: a limit is out of range: every %s, keep %s or %s, %d entries, idle %s",
			cfg.Every, cfg.Keep, cfg.KeepUngrouped, cfg.MaxLength, cfg.ConsumerIdle)
	}
	return &Janitor{log: log, client: client, cfg: cfg}, nil
}

// Run makes a round at once and then again and again, until ctx ends.
func (j *Janitor) Run(ctx context.Context) error {
	trouble := outage{log: j.log, what: "trimming streams"}
	for {
		if err := j.Sweep(ctx); err != nil && ctx.Err() == nil {
			trouble.failed(ctx, err)
		} else {
			trouble.over(ctx)
		}
		if !pause(ctx, j.cfg.Every) {
			return nil
		}
	}
}

// Sweep makes one round. A stream that cannot be looked after does not keep it
// from the others.
func (j *Janitor) Sweep(ctx context.Context) error {
	streams, err := j.cfg.Expand(ctx)
	if err != nil {
		return fmt.Errorf("listing the streams to trim: %w", err)
	}
	var errs []error
	for _, stream := range streams {
		if err := j.sweep(ctx, stream); err != nil {
			errs = append(errs, fmt.Errorf("trimming stream %q: %w", stream, err))
		}
	}
	return errors.Join(errs...)
}

func (j *Janitor) sweep(ctx context.Context, stream string) error {
	groups, err := j.client.XInfoGroups(ctx, stream).Result()
	if noSuchKey(err) {
		return nil
	}
	if err != nil {
		return err
	}
	// The groups first, then what is pending in them: what is delivered in between lies behind every last-delivered id.
	behind := make([]string, 0, 2*len(groups))
	for _, g := range groups {
		behind = append(behind, g.LastDeliveredID)
		if g.Pending == 0 {
			continue
		}
		pending, err := j.client.XPending(ctx, stream, g.Name).Result()
		if err != nil {
			return err
		}
		if pending.Count > 0 {
			behind = append(behind, pending.Lower)
		}
	}
	trimmed, err := j.client.XTrimMinIDApprox(ctx, stream, trimBefore(time.Now(), behind, j.cfg), 0).Result()
	if err != nil {
		return err
	}
	lost, err := j.client.XTrimMaxLenApprox(ctx, stream, j.cfg.MaxLength, 0).Result()
	if err != nil {
		return err
	}
	if lost > 0 {
		j.log.WarnContext(ctx, "stream over its cap, oldest entries dropped", "stream", stream, "entries", lost, "cap", j.cfg.MaxLength)
	}
	j.log.DebugContext(ctx, "stream trimmed", "stream", stream, "entries", trimmed)
	for _, g := range groups {
		if err := j.removeConsumers(ctx, stream, g.Name); err != nil {
			return fmt.Errorf("removing consumers of group %q: %w", g.Name, err)
		}
	}
	return nil
}

// trimBefore returns the id before which nobody needs entries any more. needed
// are ids that groups stand at or have pending.
func trimBefore(now time.Time, needed []string, cfg JanitorConfig) string {
	keep := cfg.Keep
	if len(needed) == 0 {
		keep = cfg.KeepUngrouped
	}
	before := strconv.FormatInt(now.Add(-keep).UnixMilli(), 10) + "-0"
	for _, id := range needed {
		if CompareIDs(id, before) < 0 {
			before = id
		}
	}
	return before
}

// removeConsumers removes the consumers of a group that are silent and have
// nothing pending.
//
// XGROUP DELCONSUMER forgets what is pending for the consumer, so it must not
// have been given an entry since we looked. Scripts could do both in one step,
// but not every user may run them, and a WATCH alone sees neither XREADGROUP nor
// XCLAIM. It does see XADD: so consumers are removed only while their group is
// at rest, with nothing undelivered and nothing pending. To get an entry then, a
// consumer needs one to be added first, and that makes the transaction fail. A
// group that is never at rest when the janitor looks keeps its dead consumers,
// which do no harm. A consumer that was merely cut off comes back with the next
// entry that it is given.
func (j *Janitor) removeConsumers(ctx context.Context, stream, group string) error {
	err := j.client.Watch(ctx, func(tx *redis.Tx) error {
		idle, err := j.idleConsumers(ctx, tx, stream, group)
		if err != nil || len(idle) == 0 {
			return err
		}
		_, err = tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, consumer := range idle {
				pipe.XGroupDelConsumer(ctx, stream, group, consumer)
			}
			return nil
		})
		if err == nil {
			j.log.InfoContext(ctx, "idle consumers removed", "stream", stream, "group", group, "consumers", len(idle))
		}
		return err
	}, stream)
	if errors.Is(err, redis.TxFailedErr) || noSuchKey(err) || redis.HasErrorPrefix(err, "NOGROUP") {
		return nil // something happens there: another time
	}
	return err
}

// idleConsumers returns the consumers of a group at rest that are to go.
func (j *Janitor) idleConsumers(ctx context.Context, tx *redis.Tx, stream, group string) ([]string, error) {
	consumers, err := tx.XInfoConsumers(ctx, stream, group).Result()
	if err != nil {
		return nil, err
	}
	var idle []string
	for _, c := range consumers {
		if c.Pending == 0 && c.Idle >= j.cfg.ConsumerIdle {
			idle = append(idle, c.Name)
		}
	}
	if len(idle) == 0 {
		return nil, nil
	}
	info, err := tx.XInfoStream(ctx, stream).Result()
	if err != nil {
		return nil, err
	}
	groups, err := tx.XInfoGroups(ctx, stream).Result()
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if g.Name == group && g.Pending == 0 && CompareIDs(g.LastDeliveredID, info.LastGeneratedID) >= 0 {
			return idle, nil
		}
	}
	return nil, nil
}

func noSuchKey(err error) bool { return redis.HasErrorPrefix(err, "no such key") }
