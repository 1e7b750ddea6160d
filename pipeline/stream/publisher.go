package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
)

// ErrClosed says that the Publisher or Subscriber has been closed.
var ErrClosed = errors.New("closed")

// PublisherConfig tunes a [Publisher]. The zero value is usable.
type PublisherConfig struct {
	// MaxLength is the approximate number of entries beyond which the oldest are dropped, read or not: a net under
	// the [Janitor], not flow control. Default 0, no cap.
	MaxLength int64
	// Timeout bounds one Publish. Default 5 s.
	Timeout time.Duration
}

// Publisher appends messages to streams. It is safe for concurrent use.
type Publisher struct {
	client redis.UniversalClient
	cfg    PublisherConfig
	closed atomic.Bool
}

var _ message.Publisher = (*Publisher)(nil)

// NewPublisher returns a publisher on client, which stays the caller's to close.
func NewPublisher(client redis.UniversalClient, cfg PublisherConfig) (*Publisher, error) {
	if client == nil {
		return nil, errors.New("making a publisher: no Redis client")
	}
	if cfg.MaxLength < 0 || cfg.Timeout < 0 {
		return nil, fmt.Errorf("making a publisher: a limit is negative: %d entries, %s", cfg.MaxLength, cfg.Timeout)
	}
	cfg.Timeout = cmp.Or(cfg.Timeout, 5*time.Second)
	return &Publisher{client: client, cfg: cfg}, nil
}

// Publish appends the messages to the stream in one atomic step: all or none.
//
// The end of a message's context does not stop it, so that a handler can still
// publish while its service drains. What was sent is never sent again: an error
// of the connection means that the messages may or may not be in the stream, and
// only the caller knows whether a duplicate is harmless.
func (p *Publisher) Publish(stream string, messages ...*message.Message) error {
	if p.closed.Load() {
		return fmt.Errorf("publishing to %q: %w", stream, ErrClosed)
	}
	if len(messages) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(messages[0].Context()), p.cfg.Timeout)
	defer cancel()
	entries := make([][]any, len(messages))
	for i, msg := range messages {
		values, err := Values(msg)
		if err != nil {
			return fmt.Errorf("publishing to %q: %w", stream, err)
		}
		entries[i] = values
	}
	if err := appendAll(ctx, p.client, stream, p.cfg.MaxLength, entries, nil); err != nil {
		return fmt.Errorf("publishing %d messages to %q: %w", len(messages), stream, err)
	}
	return nil
}

// Close ends publishing. It leaves the client open.
func (p *Publisher) Close() error {
	p.closed.Store(true)
	return nil
}

// appendAll adds entries to a stream, and does then what then queues, in one
// MULTI. That is for more than all or nothing: the client sends a single XADD
// again when the connection breaks before the reply, and so makes a second
// entry, but never a transaction.
func appendAll(ctx context.Context, client redis.UniversalClient, stream string, maxLength int64, entries [][]any, then func(redis.Pipeliner)) error {
	_, err := client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, values := range entries {
			pipe.XAdd(ctx, &redis.XAddArgs{Stream: stream, MaxLen: maxLength, Approx: true, Values: values})
		}
		if then != nil {
			then(pipe)
		}
		return nil
	})
	return err
}
