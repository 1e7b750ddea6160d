package keyspace

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// directoryPoll is how often the directory is read again; announcements are faster.
const directoryPoll = 2 * time.Second

// Names returns the keyspaces of the kinds that the directory lists, of all kinds when none is named, sorted.
func (s *Store) Names(ctx context.Context, kinds ...string) ([]Name, error) {
	members, err := s.client.SMembers(ctx, DirectoryKey).Result()
	if err != nil {
		return nil, fmt.Errorf("reading the directory of keyspaces: %w", err)
	}
	var names []Name
	for _, member := range members {
		if name, err := ParseName(member); err == nil && (len(kinds) == 0 || slices.Contains(kinds, name.Kind())) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// EventStreams returns the streams behind a topic: "snapshot/east" is one
// keyspace, "snapshot/*" are all of the kind.
func (s *Store) EventStreams(ctx context.Context, topic string) ([]string, error) {
	kind, all := strings.CutSuffix(topic, "/*")
	if !all {
		name, err := ParseName(topic)
		if err != nil {
			return nil, err
		}
		return []string{name.EventsKey()}, nil
	}
	return s.eventStreams(ctx, kind)
}

// AllEventStreams returns the event streams of all keyspaces.
func (s *Store) AllEventStreams(ctx context.Context) ([]string, error) { return s.eventStreams(ctx) }

func (s *Store) eventStreams(ctx context.Context, kinds ...string) ([]string, error) {
	names, err := s.Names(ctx, kinds...)
	streams := make([]string, len(names))
	for i, name := range names {
		streams[i] = name.EventsKey()
	}
	return streams, err
}

// announce makes the keyspace known to those who follow its kind. It is a hint
// that writers repeat, so its errors are not worth more than a debug line.
func (s *Store) announce(ctx context.Context, name Name) {
	if err := s.client.Publish(ctx, AnnounceChannel, string(name)).Err(); err != nil {
		s.log.DebugContext(ctx, "announcing a keyspace", "keyspace", name, "error", err)
	}
	s.enter(ctx, name)
}

// enter puts a name into the directory. An agent's Redis user may not write it:
// then a follower, which hears the announcement, does.
func (s *Store) enter(ctx context.Context, name Name) {
	if s.unlisted.Load() {
		return
	}
	if err := s.client.SAdd(ctx, DirectoryKey, string(name)).Err(); err != nil {
		s.unlisted.Store(strings.HasPrefix(err.Error(), "NOPERM"))
		s.log.DebugContext(ctx, "entering a keyspace in the directory", "keyspace", name, "error", err)
	}
}

// watch calls add for each name of the kinds, again and again, until ctx ends. It
// closes read after the directory was read for the first time.
func (s *Store) watch(ctx context.Context, kinds []string, read chan<- struct{}, add func(Name)) {
	announced := s.cfg.Blocking.Subscribe(ctx, AnnounceChannel)
	defer announced.Close()
	heard := announced.Channel()
	ticker := time.NewTicker(directoryPoll)
	defer ticker.Stop()
	listed := map[Name]bool{}
	for {
		names, err := s.Names(ctx, kinds...)
		if err == nil {
			clear(listed)
			for _, name := range names {
				listed[name] = true
				add(name)
			}
			if read != nil {
				close(read)
				read = nil
			}
		} else if ctx.Err() == nil {
			s.log.DebugContext(ctx, "reading the directory", "error", err)
		}
		for poll := false; !poll; {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				poll = true
			case message, ok := <-heard:
				if !ok { // the client was closed; the directory still tells
					heard = nil
					continue
				}
				name, err := ParseName(message.Payload)
				if err != nil || !slices.Contains(kinds, name.Kind()) || listed[name] {
					continue
				}
				listed[name] = true
				s.enter(ctx, name)
				add(name)
			}
		}
	}
}

// Drop removes a keyspace and all that is in it. Its writers must have ended:
// one that lives will see that history was lost, and write it again.
func (s *Store) Drop(ctx context.Context, name Name) error {
	meta, err := s.Meta(ctx, name)
	if err != nil {
		return err
	}
	keys := []string{name.MetaKey(), name.EventsKey(), name.BeatKey()}
	for i := range max(meta.Buckets, s.cfg.Buckets) {
		keys = append(keys, name.BucketKey(i))
	}
	if err := s.client.Unlink(ctx, keys...).Err(); err != nil {
		return fmt.Errorf("dropping %s: %w", name, err)
	}
	if err := s.client.SRem(ctx, DirectoryKey, string(name)).Err(); err != nil {
		return fmt.Errorf("taking %s out of the directory: %w", name, err)
	}
	return nil
}
