package stream_test

import (
	"cmp"
	"context"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/stream"
)

// trap is one way in which watermill-redisstream 1.4.5 surprises its user. Its
// probe returns an error when a transport falls into it.
type trap struct {
	name  string
	probe func(t *testing.T, k kit) error
	// real says that the embedded Redis cannot show it.
	real bool
	// none says why there is nothing to show; probe is then nil.
	none string
}

var traps = []trap{
	{name: "01 an undecodable entry ends the subscription", probe: undecodableEntry},
	{name: "02 a slow handler is called again for the message it works on", probe: slowHandler},
	{name: "03 a cancelled subscription swallows the next message", probe: cancelledSubscription},
	{name: "04 a nack spins", probe: nackSpins},
	{name: "05 Close closes the caller's client", probe: closeClosesClient},
	{name: "06 keeping the stream short loses what nobody has read", probe: boundedStream},
	{name: "07 acks are lost while the router closes", probe: ackAtShutdown},
	{name: "08 a lost consumer group is never healed", probe: lostGroup},
	{name: "09 fan-out misses what comes between two reads", probe: fanOutGap},
	{name: "10 more is taken than is handled", probe: prefetch},
	{name: "11 half of a batch is published", probe: halfBatch},
	{name: "12 a restarted consumer reads new entries before its own", probe: restartedConsumer},
	{name: "13 a consumer is deleted together with what it has just been given", probe: consumerRace, real: true},
	{
		name: "14 entries that were deleted while pending",
		none: "not a defect of 1.4.5: it acks what XCLAIM no longer finds, and Redis 7 drops it by itself; TestAcksPendingEntriesThatLeftTheStream shows ours",
	},
	{name: "15 entries of the living keep those of the dead from being claimed", probe: claimStarves},
	{name: "16 a cancelled message cannot be published", probe: cancelledPublish},
	{name: "17 many subscriptions starve the connection pool", probe: poolStarves},
	{name: "18 a lost reply becomes a duplicate", probe: lostReply},
}

func TestTrapsOfWatermillRedisstream(t *testing.T) {
	kits := []struct {
		name  string
		kit   kit
		falls bool
	}{
		{"watermill-redisstream falls", reference{}, true},
		{"ours does not", ours{}, false},
	}
	for _, trap := range traps {
		t.Run(trap.name, func(t *testing.T) {
			if trap.none != "" {
				t.Skip(trap.none)
			}
			for _, k := range kits {
				t.Run(k.name, func(t *testing.T) {
					t.Parallel()
					if trap.real {
						pipelinetest.Require(t, "redis")
					}
					err := trap.probe(t, k.kit)
					if k.falls && err == nil {
						t.Error("got no trouble, want the trap: does it still belong in the table?")
					}
					if !k.falls && err != nil {
						t.Errorf("got %v, want none", err)
					}
					if k.falls && err != nil {
						t.Logf("as expected: %v", err)
					}
				})
			}
		})
	}
}

// kit is a transport as the probes use it.
type kit interface {
	// subscriber reads with a group, or with every entry for itself when group is empty.
	subscriber(t *testing.T, client redis.UniversalClient, o options) message.Subscriber
	publisher(t *testing.T, client redis.UniversalClient) message.Publisher
	// subscribeAll subscribes to every topic in the way that the transport offers.
	subscribeAll(ctx context.Context, t *testing.T, client redis.UniversalClient, topics []string) ([]<-chan *message.Message, error)
	// publishBounded publishes with what the transport has to keep a stream short.
	publishBounded(t *testing.T, client redis.UniversalClient, topic string, messages []*message.Message)
	// removeConsumers removes the idle consumers of a group once.
	removeConsumers(t *testing.T, client redis.UniversalClient, topic, group string)
	// soon is how long a probe waits for what should happen at once. What falls into a trap keeps it waiting in vain.
	soon() time.Duration
	// await gives a trap the time to show.
	await(shows func() bool)
}

type options struct {
	group, consumer string
	claimIdle       time.Duration // default: as shipped
	spare           string        // a consumer whose entries are not to be taken over
	limit           int           // entries to hold, where the transport can limit it
	grace           time.Duration // how long closing waits for handlers, where the transport does; default 2 s
}

type reference struct{}

func (reference) soon() time.Duration { return 1500 * time.Millisecond }

func (reference) await(shows func() bool) {
	for deadline := time.Now().Add(patience); !shows() && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
}

func (reference) subscriber(t *testing.T, client redis.UniversalClient, o options) message.Subscriber {
	cfg := redisstream.SubscriberConfig{
		Client: client, ConsumerGroup: o.group, Consumer: o.consumer, MaxIdleTime: o.claimIdle,
		BlockTime: 20 * time.Millisecond, ClaimInterval: 50 * time.Millisecond,
	}
	if o.group == "" {
		cfg.DisableIndefiniteInitialBlock = true
	}
	if o.spare != "" {
		cfg.ClaimBatchSize = 3
		cfg.ShouldClaimPendingMessage = func(p redis.XPendingExt) bool { return p.Consumer != o.spare }
	}
	s, err := redisstream.NewSubscriber(cfg, watermill.NopLogger{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func (reference) publisher(t *testing.T, client redis.UniversalClient) message.Publisher {
	p, err := redisstream.NewPublisher(redisstream.PublisherConfig{Client: client}, watermill.NopLogger{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (k reference) subscribeAll(ctx context.Context, t *testing.T, client redis.UniversalClient, topics []string) ([]<-chan *message.Message, error) {
	s := k.subscriber(t, client, options{group: "g"})
	channels := make([]<-chan *message.Message, len(topics))
	for i, topic := range topics {
		var err error
		if channels[i], err = s.Subscribe(ctx, topic); err != nil {
			return nil, err
		}
	}
	return channels, nil
}

func (reference) publishBounded(t *testing.T, client redis.UniversalClient, topic string, messages []*message.Message) {
	cfg := redisstream.PublisherConfig{Client: client, DefaultMaxlen: 100}
	p, err := redisstream.NewPublisher(cfg, watermill.NopLogger{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Publish(topic, messages...); err != nil {
		t.Fatal(err)
	}
}

func (reference) removeConsumers(t *testing.T, client redis.UniversalClient, topic, group string) {
	s, err := redisstream.NewSubscriber(redisstream.SubscriberConfig{
		Client: client, ConsumerGroup: group, BlockTime: 20 * time.Millisecond, DisableIndefiniteInitialBlock: true,
		CheckConsumersInterval: 100 * time.Millisecond, ConsumerTimeout: time.Millisecond,
	}, watermill.NopLogger{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.Subscribe(context.Background(), topic); err != nil {
		t.Fatal(err)
	}
}

type ours struct{}

func (ours) soon() time.Duration { return patience }

func (ours) await(shows func() bool) {
	time.Sleep(50 * time.Millisecond)
	shows()
}

func (ours) subscriber(t *testing.T, client redis.UniversalClient, o options) message.Subscriber {
	return newSubscriber(t, client, stream.Config{
		Group: o.group, Consumer: o.consumer, ClaimIdle: o.claimIdle, InFlight: o.limit,
		Block: 20 * time.Millisecond, ClaimEvery: 50 * time.Millisecond, Grace: cmp.Or(o.grace, 2*time.Second),
	})
}

func (ours) publisher(t *testing.T, client redis.UniversalClient) message.Publisher {
	return newPublisher(t, client, stream.PublisherConfig{})
}

func (ours) subscribeAll(ctx context.Context, t *testing.T, client redis.UniversalClient, topics []string) ([]<-chan *message.Message, error) {
	s := newSubscriber(t, client, stream.Config{
		Group: "g", Block: 20 * time.Millisecond,
		Expand: func(context.Context, string) ([]string, error) { return topics, nil },
	})
	all, err := s.Subscribe(ctx, "all")
	return []<-chan *message.Message{all}, err
}

func (ours) publishBounded(t *testing.T, client redis.UniversalClient, topic string, messages []*message.Message) {
	if err := newPublisher(t, client, stream.PublisherConfig{}).Publish(topic, messages...); err != nil {
		t.Fatal(err)
	}
	sweep(t, client, stream.JanitorConfig{Keep: time.Nanosecond}, topic)
}

func (ours) removeConsumers(t *testing.T, client redis.UniversalClient, topic, _ string) {
	sweep(t, client, stream.JanitorConfig{ConsumerIdle: time.Nanosecond}, topic)
}

func sweep(t *testing.T, client redis.UniversalClient, cfg stream.JanitorConfig, streams ...string) {
	t.Helper()
	cfg.Expand = func(context.Context) ([]string, error) { return streams, nil }
	j, err := stream.NewJanitor(quiet(), client, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
}
