package work

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/stream"
	"github.com/meshweir/meshweir/pipeline/telemetry"
)

// consume takes the events of the group until ctx ends. A Redis that is away at the start is waited for.
func (w *Worker) consume(ctx context.Context) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := w.route(ctx)
		if ctx.Err() != nil {
			return
		}
		w.log.WarnContext(ctx, "subscribing is tried again", "group", w.cfg.Group, "error", err, "wait", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

func (w *Worker) route(ctx context.Context) error {
	// A Watermill router that cannot subscribe leaves a goroutine behind, so it is made once Redis answers.
	if err := w.clients.Commands.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("reaching Redis: %w", err)
	}
	dead, err := stream.NewDeadLetters(w.clients.Commands, keyspace.DeadLettersKey(w.cfg.Group), stream.DeadLettersConfig{Meter: w.cfg.Meter, Group: w.cfg.Group})
	if err != nil {
		return err
	}
	subscriber, err := stream.NewSubscriber(w.log, w.clients.Blocking, stream.Config{
		Group: w.cfg.Group, Consumer: w.cfg.Consumer, Expand: w.store.EventStreams, DeadLetters: dead,
		// Events are hints: their order does not matter, and those that wait together share a pass.
		Lane: func(_ string, msg *message.Message) string { return msg.UUID },
	})
	if err != nil {
		return err
	}
	defer subscriber.Close()
	measure, err := telemetry.Metrics(w.cfg.Meter)
	if err != nil {
		return err
	}
	handlers := make([]string, len(w.cfg.Kinds))
	for i, kind := range w.cfg.Kinds {
		handlers[i] = w.cfg.Group + "." + kind
	}
	again, err := retries(w.cfg.Meter, handlers...)
	if err != nil {
		return err
	}
	router, err := stream.NewRouter(w.log, stream.RouterConfig{
		DeadLetters: dead, Group: w.cfg.Group,
		Middlewares: []message.HandlerMiddleware{telemetry.Tracing(w.cfg.Tracer), measure, again},
	})
	if err != nil {
		return err
	}
	for i, kind := range w.cfg.Kinds {
		router.AddConsumerHandler(handlers[i], kind+"/*", subscriber, w.handle)
	}
	// For the same reason it begins to end only when it has begun.
	routing, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ended := context.AfterFunc(ctx, func() {
		select {
		case <-router.Running():
			stop()
		case <-routing.Done():
		}
	})
	defer ended()
	return router.Run(routing)
}

// handle brings the output up to an event. The event is a hint: what it says is
// read from the followed state, and a duplicate finds nothing to do.
func (w *Worker) handle(msg *message.Message) error {
	event, err := keyspace.ParseEvent(msg.Payload)
	if err != nil {
		return stream.Permanent(err)
	}
	ctx, name, ask := msg.Context(), keyspace.Name(event.Keyspace), ""
	if event.Relist && msg.Metadata.Get(stream.StreamKey) == name.EventsKey() {
		ask = msg.Metadata.Get(stream.EntryIDKey)
	}
	if err := w.await(ctx, name, keyspace.EventPosition(event), ask); err != nil {
		return err
	}
	err = w.commit(ctx, event.Relist)
	switch {
	case ctx.Err() != nil:
		return err
	case event.Relist: // who asked takes the ack for the answer
		return stream.Blameless(err)
	}
	// A pass that failed was logged, and is made again until it succeeds, here or by whoever starts after this
	// process. The event has nothing to add to that, and is not to blame.
	return nil
}

// await waits until the followed state contains an event, and what was asked for by the entry ask, or Redis no longer does.
func (w *Worker) await(ctx context.Context, name keyspace.Name, at keyspace.Position, ask string) error {
	waiting, cancel := context.WithTimeout(ctx, w.cfg.WaitAtMost)
	defer cancel()
	err := w.follows.WaitFor(waiting, name, at, ask)
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return err
	}
	meta, metaErr := w.store.Meta(ctx, name)
	if metaErr != nil {
		return errors.Join(err, metaErr)
	}
	if meta.Position.Compare(at) < 0 {
		return nil // that history is lost, and with it what the event spoke of
	}
	return err
}
