package stream_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
)

// gather acks what comes within d, at most n messages, and returns the payloads.
func gather(messages <-chan *message.Message, n int, d time.Duration) (payloads []string) {
	timeout := time.After(d)
	for len(payloads) < n {
		select {
		case msg, ok := <-messages:
			if !ok {
				return payloads
			}
			payloads = append(payloads, string(msg.Payload))
			msg.Ack()
		case <-timeout:
			return payloads
		}
	}
	return payloads
}

func want(got, want []string) error {
	if !slices.Equal(got, want) {
		return fmt.Errorf("got %q, want %q", got, want)
	}
	return nil
}

func xgroup(t *testing.T, client redis.UniversalClient, topic, group string) {
	t.Helper()
	if err := client.XGroupCreateMkStream(context.Background(), topic, group, "0").Err(); err != nil {
		t.Fatal(err)
	}
}

// give delivers the next n entries to a consumer that then does nothing with them.
func give(t *testing.T, client redis.UniversalClient, topic, group, consumer string, n int) {
	t.Helper()
	err := client.XReadGroup(context.Background(), &redis.XReadGroupArgs{
		Group: group, Consumer: consumer, Streams: []string{topic, ">"}, Count: int64(n), Block: -1,
	}).Err()
	if err != nil {
		t.Fatal(err)
	}
}

// giveNew adds an entry and delivers it to a consumer, in one step so that no other gets it.
func giveNew(t *testing.T, client redis.UniversalClient, topic, group, consumer string) {
	t.Helper()
	_, err := client.TxPipelined(context.Background(), func(pipe redis.Pipeliner) error {
		pipe.XAdd(context.Background(), &redis.XAddArgs{Stream: topic, Values: []string{"field", "value"}})
		pipe.XReadGroup(context.Background(), &redis.XReadGroupArgs{
			Group: group, Consumer: consumer, Streams: []string{topic, ">"}, Block: -1,
		})
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// keepAlive shows, until the test ends, that a consumer lives.
func keepAlive(t *testing.T, client redis.UniversalClient, topic, group, consumer string) {
	ctx, cancel := context.WithCancel(context.Background())
	var living sync.WaitGroup
	living.Go(func() {
		for ctx.Err() == nil {
			mine := client.XPendingExt(ctx, &redis.XPendingExtArgs{
				Stream: topic, Group: group, Start: "-", End: "+", Count: 10, Consumer: consumer,
			}).Val()
			for _, p := range mine {
				client.XClaimJustID(ctx, &redis.XClaimArgs{Stream: topic, Group: group, Consumer: consumer, Messages: []string{p.ID}})
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	t.Cleanup(func() { cancel(); living.Wait() })
}

// before is a hook that is called with the first two words of a command before it is sent.
type before func(words string)

func (b before) call(cmd redis.Cmder) {
	args := cmd.Args()
	b(strings.ToLower(fmt.Sprintln(args[:min(2, len(args))]...)))
}

func (before) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (b before) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		b.call(cmd)
		return next(ctx, cmd)
	}
}

func (b before) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			b.call(cmd)
		}
		return next(ctx, cmds)
	}
}
