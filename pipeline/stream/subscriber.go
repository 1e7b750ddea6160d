package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
)

// Subscriber reads streams and hands out their entries as messages. It is safe
// for concurrent use.
type Subscriber struct {
	log      *slog.Logger
	client   redis.UniversalClient
	cfg      Config
	consumer string
	ledger   ledger

	// lifecycle guards closed, served and additions to subscriptions.
	lifecycle     sync.Mutex
	closed        bool
	served        map[string]struct{} // streams on which the group knows our consumer
	subscriptions sync.WaitGroup
	closing       context.Context
	close         context.CancelFunc
}

var (
	_ message.Subscriber           = (*Subscriber)(nil)
	_ message.SubscribeInitializer = (*Subscriber)(nil)
)

// NewSubscriber returns a subscriber on client, which stays the caller's to
// close and should serve nothing else; see the package's documentation.
func NewSubscriber(log *slog.Logger, client redis.UniversalClient, cfg Config) (*Subscriber, error) {
	if client == nil {
		return nil, errors.New("making a subscriber: no Redis client")
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("making a subscriber: %w", err)
	}
	if _, cluster := client.(*redis.ClusterClient); cluster {
		cfg.OneStreamPerRead = true
	}
	s := &Subscriber{
		log: log, client: client, cfg: cfg, consumer: cfg.Consumer,
		ledger: ledger{held: map[entryKey]*entry{}}, served: map[string]struct{}{},
	}
	if s.consumer == "" {
		s.consumer = newConsumer()
	}
	s.closing, s.close = context.WithCancel(context.Background())
	return s, nil
}

// Subscribe hands out the messages of a topic until ctx ends or the Subscriber
// is closed, then closes the channel. Messages that are in hand at that time
// keep their context for [Config.Grace], and their acks count.
//
// It returns an error when Redis cannot be reached. Whatever happens later is
// healed: an outage, a lost group, a deleted stream, entries that mean nothing.
func (s *Subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	starts, err := s.begin(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("subscribing to %q: %w", topic, err)
	}
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	if s.closed {
		return nil, fmt.Errorf("subscribing to %q: %w", topic, ErrClosed)
	}
	sub := newSubscription(ctx, s, topic)
	s.subscriptions.Go(func() { sub.run(ctx, starts) })
	return sub.out, nil
}

// SubscribeInitialize creates the topic's consumer groups, so that what is
// published before Subscribe is not missed. Without a group it does nothing.
func (s *Subscriber) SubscribeInitialize(topic string) error {
	if s.cfg.Group == "" {
		return nil
	}
	if _, err := s.begin(s.closing, topic); err != nil {
		return fmt.Errorf("preparing topic %q: %w", topic, err)
	}
	return nil
}

// begin prepares the streams of a topic and returns them, each with the id to start behind.
func (s *Subscriber) begin(ctx context.Context, topic string) (map[string]string, error) {
	streams, err := s.cfg.Expand(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("listing the streams: %w", err)
	}
	starts := make(map[string]string, len(streams))
	for batch := range slices.Chunk(streams, streamsPerRead) {
		for stream, found := range s.prepare(ctx, batch, s.cfg.Start) {
			if found.err != nil {
				return nil, fmt.Errorf("preparing stream %q: %w", stream, found.err)
			}
			starts[stream] = found.last
		}
	}
	return starts, nil
}

// Close ends all subscriptions: nothing more is handed out, what is in hand may
// be finished within [Config.Grace] and is acked, the rest is left to the other
// consumers at once. It leaves the client open.
func (s *Subscriber) Close() error {
	s.lifecycle.Lock()
	first := !s.closed
	s.closed = true
	s.lifecycle.Unlock()
	s.close()
	s.subscriptions.Wait()
	if first && s.cfg.Group != "" && s.cfg.Consumer == "" {
		s.leave()
	}
	return nil
}

func (s *Subscriber) serve(stream string) {
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	s.served[stream] = struct{}{}
}

// leave takes our consumer, whose name will not come back, out of its groups.
// Nobody else reads under this name and our readers have ended, so a consumer
// without pending entries stays without. One that has some is left to the
// [Janitor].
func (s *Subscriber) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	pending := map[string]*redis.XPendingExtCmd{}
	pipe := s.client.Pipeline()
	for stream := range s.served {
		pending[stream] = pipe.XPendingExt(ctx, &redis.XPendingExtArgs{
			Stream: stream, Group: s.cfg.Group, Start: "-", End: "+", Count: 1, Consumer: s.consumer,
		})
	}
	pipe.Exec(ctx) //nolint:errcheck // each command is looked at
	pipe = s.client.Pipeline()
	for stream, cmd := range pending {
		if left, err := cmd.Result(); err == nil && len(left) == 0 {
			pipe.XGroupDelConsumer(ctx, stream, s.cfg.Group, s.consumer)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		s.log.DebugContext(ctx, "consumer not removed", "consumer", s.consumer, "error", err)
	}
}
