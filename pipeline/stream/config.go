package stream

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// Config tunes a [Subscriber]. The zero value is usable: fan-out of one stream.
type Config struct {
	// Group is the consumer group that shares the entries. Empty means fan-out: every entry, from those that come
	// after Subscribe, with no memory over restarts.
	Group string
	// Consumer names this process within the group. Give one that survives a restart (a StatefulSet's pod) and what
	// was pending is read first. Default: a name of its own, which leaves the group on Close.
	Consumer string
	// Start is where a group begins that does not exist yet: "0", the oldest entry (default), or "$", what comes after.
	Start string

	// Expand returns the keys of the streams that a topic stands for; it is asked again every ExpandEvery. A stream
	// that it no longer lists is no longer read, and not created. Default: the topic is the key of one stream.
	Expand func(ctx context.Context, topic string) ([]string, error)
	// ExpandEvery is the interval of asking Expand. Default 1 s.
	ExpandEvery time.Duration
	// Lane returns the lane of a message. Default: its stream. It must be pure and safe for concurrent use.
	Lane func(stream string, msg *message.Message) string

	// InFlight caps the entries that a reader holds unacked, handed out or waiting in lanes; it is at least one for
	// each stream of the reader. Default 256.
	InFlight int
	// Batch caps the entries that one command reads of one stream. Default 256.
	Batch int
	// Block is how long a read waits for entries, and so how long Close may take. 10 ms to 1 s. Default 500 ms.
	Block time.Duration

	// Backoff is the wait before a nacked message is handed out again; it doubles with each attempt. Default 100 ms.
	Backoff time.Duration
	// MaxBackoff caps that wait. Default 30 s.
	MaxBackoff time.Duration
	// ClaimIdle is how long an entry of another consumer must have been left alone to be taken over. Entries in hand
	// are kept alive three times as often, however slow their handler is. Default 10 s.
	ClaimIdle time.Duration
	// ClaimEvery is the interval of looking for such entries. Default 3 s.
	ClaimEvery time.Duration
	// Grace is how long messages in hand may take to be acked after the end of a subscription. Default 10 s.
	Grace time.Duration

	// DeadLetters takes entries that cannot be decoded. Without it they are logged and acked.
	DeadLetters *DeadLetters
	// OneStreamPerRead makes a reader for each stream. It is implied by a *redis.ClusterClient.
	OneStreamPerRead bool
}

// streamsPerRead caps the streams of one XREADGROUP: its cost for the server grows with them.
const streamsPerRead = 100

func (c Config) withDefaults() (Config, error) {
	c.Start = cmp.Or(c.Start, "0")
	c.ExpandEvery = cmp.Or(c.ExpandEvery, time.Second)
	c.InFlight = cmp.Or(c.InFlight, 256)
	c.Batch = cmp.Or(c.Batch, 256)
	c.Block = cmp.Or(c.Block, 500*time.Millisecond)
	c.Backoff = cmp.Or(c.Backoff, 100*time.Millisecond)
	c.MaxBackoff = cmp.Or(c.MaxBackoff, max(30*time.Second, c.Backoff))
	c.ClaimIdle = cmp.Or(c.ClaimIdle, 10*time.Second)
	c.ClaimEvery = cmp.Or(c.ClaimEvery, 3*time.Second)
	c.Grace = cmp.Or(c.Grace, 10*time.Second)
	if c.Expand == nil {
		c.Expand = func(_ context.Context, topic string) ([]string, error) { return []string{topic}, nil }
	}
	if c.Lane == nil {
		c.Lane = func(stream string, _ *message.Message) string { return stream }
	}
	var errs []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	require(c.Group != "" || c.Consumer == "", "Consumer %q without Group", c.Consumer)
	require(c.Start == "0" || c.Start == "$", `Start is %q, want "0" or "$"`, c.Start)
	require(c.InFlight > 0, "InFlight is %d, want 1 or more", c.InFlight)
	require(c.Batch > 0, "Batch is %d, want 1 or more", c.Batch)
	require(c.Block >= 10*time.Millisecond && c.Block <= time.Second, "Block is %s, want 10ms to 1s", c.Block)
	require(c.ExpandEvery > 0, "ExpandEvery is %s", c.ExpandEvery)
	require(c.Backoff > 0 && c.MaxBackoff >= c.Backoff, "Backoff is %s to %s", c.Backoff, c.MaxBackoff)
	require(c.ClaimIdle >= 10*time.Millisecond && c.ClaimEvery > 0, "claiming after %s, every %s", c.ClaimIdle, c.ClaimEvery)
	require(c.Grace > 0, "Grace is %s", c.Grace)
	return c, errors.Join(errs...)
}

// newConsumer names a consumer so that an operator can tell where it runs.
func newConsumer() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), strings.ToLower(rand.Text()[:8]))
}
