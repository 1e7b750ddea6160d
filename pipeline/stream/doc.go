// Package stream is the Watermill transport on Redis Streams: a Publisher, a
// Subscriber and a Router whose wire format is that of watermill-redisstream,
// so that either side can be exchanged for the plain library.
//
// # Data model
//
// A topic is one stream, or, with [Config.Expand], a set of streams that may grow
// while a subscription runs ("snapshot/*"). A [Subscriber] with a group shares
// the entries with all consumers of that group; one without a group sees every
// entry (fan-out). Each entry belongs to a lane ([Config.Lane], by default its
// stream): within a lane the next message is handed out when the one before is
// acked, different lanes go on side by side. A nack means redelivery in the same
// lane after a backoff.
//
// Delivery is at least once. Handlers are expected to be level-triggered: a
// message is a hint to look at the state, so a duplicate, or an older message
// behind a newer one after a consumer has died, does no harm.
//
// # Pattern of use
//
//	subscriber, err := stream.NewSubscriber(log, blocking, stream.Config{Group: "translator", DeadLetters: dead})
//	router, err := stream.NewRouter(log, stream.RouterConfig{DeadLetters: dead})
//	router.AddConsumerHandler("translate", "snapshot/*", subscriber, handle)
//	err = router.Run(ctx)
//
// A handler returns nil to ack, [Permanent] for what no retry can mend, and any
// other error to be called again later. [DeadLetters] keeps what was given up on
// and a [Janitor] keeps streams short without taking what a group has not read.
//
// # Redis clients
//
// The caller owns every client; nothing here closes one. A blocking read
// occupies a connection for up to [Config.Block] at a time and no context
// interrupts it, so a Subscriber should have a client of its own, with a pool of
// at least readers + 4 connections. A reader serves up to 100 streams of a
// subscription; on a Redis Cluster it serves one.
package stream
