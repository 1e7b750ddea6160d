package keyspace

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/stream"
	"github.com/meshweir/meshweir/pipeline/telemetry"
	"github.com/meshweir/meshweir/schemas/events"
)

// Ask asks all who follow a keyspace to list it again, and one replica of each service that works on it to check
// everything that it writes. It changes nothing by itself. It returns the id of the entry that asks: a
// service has done it once its consumer group has acked that.
func (s *Store) Ask(ctx context.Context, name Name) (entryID string, err error) {
	meta, err := s.Meta(ctx, name)
	if err != nil {
		return "", err
	}
	if !meta.Exists() {
		return "", fmt.Errorf("asking for repair of %s: %w: the keyspace does not exist, or its meta cannot be read", name, ErrNotFound)
	}
	now := time.Now()
	payload, err := json.Marshal(events.Changed{
		Version: 1, Keyspace: string(name), Epoch: meta.Epoch.String(), Revision: meta.Revision, Complete: meta.Complete,
		At: now.UnixMilli(), Relist: true,
	})
	if err != nil {
		return "", fmt.Errorf("encoding an event: %w", err)
	}
	msg := message.NewMessage(newID(16), payload)
	telemetry.Inject(ctx, msg.Metadata)
	values, err := stream.Values(msg)
	if err != nil {
		return "", err
	}
	if entryID, err = s.client.XAdd(ctx, &redis.XAddArgs{Stream: name.EventsKey(), Values: values}).Result(); err != nil {
		return "", fmt.Errorf("asking for repair of %s: %w", name, err)
	}
	return entryID, nil
}
