package stream

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// drainTimeout bounds the last words to Redis at the end of a subscription.
const drainTimeout = 5 * time.Second

// subscription is one Subscribe: its readers fill its lanes, its lanes hand
// messages out.
type subscription struct {
	*Subscriber
	topic string
	out   chan *message.Message
	// live ends when nothing more is to be read or handed out.
	live context.Context
	stop context.CancelFunc
	// messages is the context of the messages. It has the values of Subscribe's, but outlives it by the grace.
	messages       context.Context
	cancelMessages context.CancelFunc

	lanes *lanes
	acks  *acks

	// mu guards readers and released.
	mu       sync.Mutex
	readers  []*reader
	released []*entry

	background sync.WaitGroup
	reading    sync.WaitGroup
}

func newSubscription(ctx context.Context, s *Subscriber, topic string) *subscription {
	sub := &subscription{
		Subscriber: s, topic: topic, out: make(chan *message.Message), acks: newAcks(),
	}
	sub.lanes = newLanes(sub.serveEntry)
	sub.live, sub.stop = context.WithCancel(ctx)
	sub.messages, sub.cancelMessages = context.WithCancel(context.WithoutCancel(ctx))
	return sub
}

// run is the life of the subscription. starts are its first streams, each with
// the id to start behind.
func (s *subscription) run(ctx context.Context, starts map[string]string) {
	defer close(s.out)
	defer s.cancelMessages()
	unhook := context.AfterFunc(s.closing, s.stop)
	defer unhook()
	s.assign(slices.Sorted(maps.Keys(starts)), starts)

	// What keeps messages in hand works until the last of them is settled.
	tending, endTending := context.WithCancel(context.WithoutCancel(ctx))
	defer endTending()
	if s.cfg.Group != "" {
		s.background.Go(func() { s.ackLoop(tending) })
		s.background.Go(func() { s.keepAlive(tending) })
	}
	s.follow()

	grace := time.AfterFunc(s.cfg.Grace, s.cancelMessages)
	defer grace.Stop()
	s.reading.Wait()
	s.lanes.wait()
	endTending()
	s.background.Wait()
	s.settle(context.WithoutCancel(ctx))
}

// follow asks again and again which streams belong to the topic, until the subscription ends.
func (s *subscription) follow() {
	trouble := outage{log: s.log, what: "listing the streams of " + s.topic}
	wait := s.cfg.ExpandEvery
	for pause(s.live, wait) {
		wait = s.cfg.ExpandEvery
		if err := s.refresh(s.live); err != nil && s.live.Err() == nil {
			wait = max(wait, trouble.failed(s.live, err))
			continue
		}
		trouble.over(s.live)
	}
}

func (s *subscription) refresh(ctx context.Context) error {
	streams, err := s.cfg.Expand(ctx, s.topic)
	if err != nil {
		return err
	}
	s.assign(streams, nil)
	return nil
}

// assign gives every stream to one reader, and takes away what is not in the
// list. A stream without a start is read from its beginning: it came after the
// subscription.
func (s *subscription) assign(streams []string, starts map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	capacity := streamsPerRead
	if s.cfg.OneStreamPerRead {
		capacity = 1
	}
	wanted := make(map[string]bool, len(streams))
	for _, stream := range streams {
		wanted[stream] = true
	}
	for _, r := range s.readers {
		r.keep(wanted)
	}
	for _, stream := range slices.Sorted(maps.Keys(wanted)) {
		i := slices.IndexFunc(s.readers, func(r *reader) bool { return r.count() < capacity })
		if i < 0 {
			i = len(s.readers)
			s.readers = append(s.readers, newReader(s))
			s.reading.Go(s.readers[i].run)
		}
		s.readers[i].add(stream, starts[stream])
	}
}

// verdict is what became of a message that was offered.
type verdict int

const (
	ended   verdict = iota // the subscription ended first
	acked                  // handled
	nacked                 // to be offered again
	excused                // to be offered again, and not the message's fault
)

// serveEntry brings one entry to its end: acked, dead-lettered or released.
func (s *subscription) serveEntry(e *entry) {
	for failures := 1; s.live.Err() == nil; failures++ {
		v := s.offer(e)
		if v == acked {
			s.done(e)
			return
		}
		if v == ended {
			break
		}
		if v == nacked {
			e.attempt++
		}
		e.handed = false
		s.rememberAttempts(e)
		if !pause(s.live, backoff(s.cfg.Backoff, s.cfg.MaxBackoff, failures)) {
			break
		}
	}
	s.release(e)
}

// offer hands the entry to the consumer and waits for the verdict; an entry that
// means nothing goes to the dead letters instead.
func (s *subscription) offer(e *entry) verdict {
	if e.undecodable != nil {
		return s.bury(e)
	}
	msg := e.message()
	ctx, cancel := context.WithCancel(s.messages)
	defer cancel()
	msg.SetContext(ctx)
	select {
	case s.out <- msg:
		e.handed = true
	case <-s.live.Done():
		return ended
	}
	select {
	case <-msg.Acked():
		return acked
	case <-msg.Nacked():
		if _, ok := msg.Metadata[excusedKey]; ok {
			return excused
		}
		return nacked
	case <-s.messages.Done():
	}
	select { // a verdict of the last moment counts
	case <-msg.Acked():
		return acked
	default:
		return ended
	}
}

// message returns a fresh message of the entry: what an earlier attempt did to its own leaves no trace.
func (e *entry) message() *message.Message {
	msg := e.decoded
	e.decoded = nil
	if msg == nil {
		msg, _ = Decode(e.values) // it could be decoded when it was read
	}
	msg.Metadata[StreamKey] = e.stream
	msg.Metadata[EntryIDKey] = e.id
	msg.Metadata[AttemptKey] = strconv.Itoa(e.attempt)
	return msg
}

// bury puts an entry that means nothing into the dead letters.
func (s *subscription) bury(e *entry) verdict {
	if s.cfg.DeadLetters == nil {
		s.log.ErrorContext(s.live, "undecodable entry dropped", "stream", e.stream, "entry_id", e.id, "error", e.undecodable)
		return acked
	}
	if err := s.cfg.DeadLetters.addRaw(s.live, e, s.cfg.Group); err != nil {
		s.log.WarnContext(s.live, "undecodable entry not dead-lettered yet", "stream", e.stream, "entry_id", e.id, "error", err)
		return excused
	}
	return acked
}

func (s *subscription) done(e *entry) {
	if s.cfg.Group != "" {
		s.acks.add(e.stream, e.id)
	}
	e.room.free()
}

func (s *subscription) release(e *entry) {
	s.mu.Lock()
	s.released = append(s.released, e)
	s.mu.Unlock()
	e.room.free()
}
