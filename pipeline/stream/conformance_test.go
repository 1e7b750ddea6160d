package stream_test

import (
	"testing"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"
	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/stream"
)

// The subscribers of one test share a group, so that they take over from each
// other; only one test of the suite wants a group for each. Its TestReconnect is
// left out, because it races with itself: see TestNothingPublishedIsLostWhenRedisRestarts.
func TestPassesWatermillsConformanceSuite(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, server redis.UniversalClient) {
		// The suite has 50 subscribers read at once; on one client, a connection each.
		client := dial(t, server, func(o *redis.Options) { o.PoolSize = 200 })
		withGroup := func(t *testing.T, group string) (message.Publisher, message.Subscriber) {
			return newPublisher(t, client, stream.PublisherConfig{}), newSubscriber(t, client, fast(group))
		}
		features := tests.Features{
			ConsumerGroups:                      true,
			GuaranteedOrder:                     true,
			GuaranteedOrderWithSingleSubscriber: true,
			Persistent:                          true,
		}
		tests.TestPubSub(t, features, func(t *testing.T) (message.Publisher, message.Subscriber) {
			return withGroup(t, t.Name())
		}, withGroup)

		t.Run("TestNewSubscriberReceivesOldMessages", func(t *testing.T) {
			t.Parallel()
			features.NewSubscriberReceivesOldMessages = true
			test := tests.TestContext{TestID: tests.NewTestID(), Features: features}
			tests.TestNewSubscriberReceivesOldMessages(t, test, func(t *testing.T) (message.Publisher, message.Subscriber) {
				return withGroup(t, watermill.NewShortUUID())
			})
		})
	})
}
