//go:build unix

package stream_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/stream"
)

// BenchmarkConsume consumes and acks events of 1 KiB from a real Redis: through
// the Watermill router with our subscriber, with watermill-redisstream as
// shipped, and, as the floor, with batched reads and acks and nothing else.
// Beside the time it reports the CPU of this process and of the server for each
// event, which say more on a machine that others use too.
func BenchmarkConsume(b *testing.B) {
	b.Run("ours", func(b *testing.B) {
		client := events(b)
		cfg := stream.Config{Group: "g", Lane: func(_ string, msg *message.Message) string { return msg.Metadata.Get("lane") }}
		router, err := stream.NewRouter(quiet(), stream.RouterConfig{DeadLetters: newDeadLetters(b, client)})
		if err != nil {
			b.Fatal(err)
		}
		consume(b, client, router, newSubscriber(b, client, cfg))
	})
	b.Run("ours, one lane", func(b *testing.B) {
		client := events(b)
		router, err := stream.NewRouter(quiet(), stream.RouterConfig{DeadLetters: newDeadLetters(b, client)})
		if err != nil {
			b.Fatal(err)
		}
		consume(b, client, router, newSubscriber(b, client, stream.Config{Group: "g"}))
	})
	b.Run("watermill-redisstream", func(b *testing.B) {
		client := events(b)
		router, err := message.NewRouter(message.RouterConfig{}, watermill.NopLogger{})
		if err != nil {
			b.Fatal(err)
		}
		cfg := redisstream.SubscriberConfig{Client: dial(b, client, nil), ConsumerGroup: "g"}
		subscriber, err := redisstream.NewSubscriber(cfg, watermill.NopLogger{})
		if err != nil {
			b.Fatal(err)
		}
		consume(b, client, router, subscriber)
	})
	b.Run("floor", func(b *testing.B) {
		client := events(b)
		ctx := context.Background()
		measure(b, client, func() {
			for done := 0; done < b.N; {
				reply, err := client.XReadGroup(ctx, &redis.XReadGroupArgs{
					Group: "g", Consumer: "c", Streams: []string{"s", ">"}, Count: 256, Block: time.Second,
				}).Result()
				if err != nil {
					b.Fatal(err)
				}
				ids := make([]string, len(reply[0].Messages))
				for i, m := range reply[0].Messages {
					ids[i] = m.ID
				}
				if err := client.XAck(ctx, "s", "g", ids...).Err(); err != nil {
					b.Fatal(err)
				}
				done += len(ids)
			}
		})
	})
}

// events fills stream "s" of a Redis with b.N events in eight lanes.
func events(b *testing.B) redis.UniversalClient {
	client := pipelinetest.Real(b)
	if err := client.XGroupCreateMkStream(context.Background(), "s", "g", "0").Err(); err != nil {
		b.Fatal(err)
	}
	p := newPublisher(b, client, stream.PublisherConfig{})
	payload := make([]byte, 1024)
	for left := b.N; left > 0; left -= 500 {
		batch := make([]*message.Message, min(left, 500))
		for i := range batch {
			batch[i] = message.NewMessage(watermill.NewUUID(), payload)
			batch[i].Metadata.Set("lane", strconv.Itoa(i%8))
		}
		if err := p.Publish("s", batch...); err != nil {
			b.Fatal(err)
		}
	}
	return client
}

func consume(b *testing.B, client redis.UniversalClient, router *message.Router, subscriber message.Subscriber) {
	var handled atomic.Int64
	done := make(chan struct{})
	router.AddConsumerHandler("bench", "s", subscriber, func(*message.Message) error {
		if handled.Add(1) == int64(b.N) {
			close(done)
		}
		return nil
	})
	measure(b, client, func() {
		go router.Run(context.Background()) //nolint:errcheck // it is closed below
		<-done
	})
	router.Close()
}

func measure(b *testing.B, client redis.UniversalClient, run func()) {
	b.ReportAllocs()
	b.ResetTimer()
	ours, theirs := processCPU(b), serverCPU(b, client)
	run()
	b.StopTimer()
	ours, theirs = processCPU(b)-ours, serverCPU(b, client)-theirs
	b.ReportMetric(float64(ours.Microseconds())/float64(b.N), "client-µs/op")
	b.ReportMetric(float64(theirs.Microseconds())/float64(b.N), "redis-µs/op")
}

func processCPU(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func serverCPU(b *testing.B, client redis.UniversalClient) time.Duration {
	return time.Duration(pipelinetest.ServerInfo(b, client, "used_cpu_sys", "used_cpu_user") * float64(time.Second))
}
