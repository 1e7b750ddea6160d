package redisconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
)

// Need says what a service will do on a Redis.
type Need struct {
	// Write is a key that the service may write, such as "mw:{check}:agent". It
	// stands for every key that the service writes: the commands of the pipeline
	// are tried on it, and leave nothing behind. Empty tries nothing.
	Write string
	// Read is a key that the service may read. Empty tries nothing.
	Read string
	// Channel is a channel that the service publishes on. Empty tries nothing.
	Channel string
}

// errLoading means that a server still reads its data.
var errLoading = errors.New("the server is still loading its data from disk")

// Check asks the servers how they are and tries what need names. An error means
// that no server answered, or that it is still loading; everything else that
// is wrong is a finding.
func (c *Conn) Check(ctx context.Context, need Need) ([]Finding, error) {
	servers, err := c.Servers(ctx)
	var findings []Finding
	for _, s := range servers {
		findings = append(findings, s.Findings...)
	}
	if err != nil || c.target.Mode == ModeEmbedded || Problems(findings) != nil {
		return findings, err
	}
	denied, err := tryPermissions(ctx, c.Client, c.target.Username, need)
	findings = append(findings, denied...)
	if err != nil {
		return findings, fmt.Errorf("checking %s: %w", c.target, err)
	}
	return findings, nil
}

// Longest and first pause between two tries of [Conn.Await].
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
)

// Await waits until the servers answer and have loaded their data, checks them
// once, and logs each finding, and each reason to wait. It returns the problems among the findings as
// an error, and ctx's error when that ends first. A refused password is an
// error at once: waiting does not mend it.
func (c *Conn) Await(ctx context.Context, need Need) error {
	said := ""
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		findings, err := c.Check(ctx, need)
		if err == nil {
			c.report(ctx, findings)
			if err := Problems(findings); err != nil {
				return fmt.Errorf("checking %s: %w", c.target, err)
			}
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if redis.IsAuthError(err) {
			return err
		}
		level := slog.LevelDebug
		if why := err.Error(); why != said { // once for each reason: it may last
			level, said = slog.LevelWarn, why
		}
		c.log.Log(ctx, level, "waiting for redis", "error", err, "pause", pause.String())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (c *Conn) report(ctx context.Context, findings []Finding) {
	levels := map[Severity]slog.Level{Note: slog.LevelInfo, Warning: slog.LevelWarn, Problem: slog.LevelError}
	for _, f := range findings {
		c.log.LogAttrs(ctx, levels[f.Severity], "redis finding",
			slog.String("node", f.Node), slog.String("what", f.What), slog.String("why", f.Why), slog.String("mend", f.Mend))
	}
}
