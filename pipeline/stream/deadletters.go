package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// ErrNoDeadLetter says that there is no dead letter of that id (any more).
var ErrNoDeadLetter = errors.New("no such dead letter")

// maxReason caps the error text that a dead letter keeps: a panic brings its stack.
const maxReason = 4 << 10

// DeadLettersConfig tunes [DeadLetters]. The zero value is usable.
type DeadLettersConfig struct {
	// MaxLength is the approximate number of dead letters that are kept. Default 10,000.
	MaxLength int64
	// MaxAge is how long one is kept. Default 7 days. Age is looked at whenever one is added.
	MaxAge time.Duration
	// Meter receives meshweir.dead_letters, by group and class of the error. Default none.
	Meter metric.Meter
	// Group is whose counters begin at 0: the first dead letter would else be no increase. Optional.
	Group string
}

// DeadLetters keeps what was given up on in a stream of its own, in the wire
// format of every other message, until someone replays or drops it. It is safe
// for concurrent use.
type DeadLetters struct {
	client redis.UniversalClient
	stream string
	cfg    DeadLettersConfig
	added  metric.Int64Counter
}

// DeadLetter is a message that was given up on.
type DeadLetter struct {
	// ID names the dead letter.
	ID string
	// At is when the message was given up.
	At time.Time
	// Stream and EntryID are where the message came from, Group is who gave it up.
	Stream, EntryID, Group string
	// Class and Error say why, Attempts after how many deliveries.
	Class    Class
	Error    string
	Attempts int
	// TraceParent is the W3C trace context of the message, if it had one.
	TraceParent string
	// Message is as it was published. It is nil for an undecodable entry, which has Raw instead.
	Message *message.Message
	// Raw holds the fields of an undecodable entry.
	Raw map[string][]byte
}

// Page selects dead letters, newest first.
type Page struct {
	// Before is the id behind which the page begins; empty for the newest.
	Before string
	// Limit is the number of dead letters at most. Default 100.
	Limit int
}

// NewDeadLetters returns the dead letters that lie in stream. The client stays
// the caller's to close.
func NewDeadLetters(client redis.UniversalClient, stream string, cfg DeadLettersConfig) (*DeadLetters, error) {
	if client == nil || stream == "" {
		return nil, errors.New("opening dead letters: no Redis client or no stream")
	}
	cfg.MaxLength = cmp.Or(cfg.MaxLength, 10_000)
	cfg.MaxAge = cmp.Or(cfg.MaxAge, 7*24*time.Hour)
	if cfg.MaxLength < 1 || cfg.MaxAge < 0 {
		return nil, fmt.Errorf("opening dead letters: a limit is out of range: %d entries, %s", cfg.MaxLength, cfg.MaxAge)
	}
	if cfg.Meter == nil {
		cfg.Meter = noop.Meter{}
	}
	added, err := cfg.Meter.Int64Counter("meshweir.dead_letters", metric.WithDescription("Messages that were given up, by the class of the error."))
	if err != nil {
		return nil, fmt.Errorf("opening dead letters: %w", err)
	}
	d := &DeadLetters{client: client, stream: stream, cfg: cfg, added: added}
	if cfg.Group != "" {
		for _, class := range []Class{ClassUndecodable, ClassPermanent, ClassPanic, ClassExhausted} {
			d.count(context.Background(), 0, cfg.Group, class)
		}
	}
	return d, nil
}

// Count returns the number of dead letters.
func (d *DeadLetters) Count(ctx context.Context) (int64, error) {
	n, err := d.client.XLen(ctx, d.stream).Result()
	if err != nil {
		return 0, fmt.Errorf("counting dead letters: %w", err)
	}
	return n, nil
}

// List returns a page of dead letters. The next page begins before the last id.
func (d *DeadLetters) List(ctx context.Context, page Page) ([]DeadLetter, error) {
	end := "+"
	if page.Before != "" {
		end = "(" + page.Before
	}
	entries, err := d.client.XRevRangeN(ctx, d.stream, end, "-", int64(cmp.Or(page.Limit, 100))).Result()
	if err != nil {
		return nil, fmt.Errorf("listing dead letters: %w", err)
	}
	letters := make([]DeadLetter, len(entries))
	for i, entry := range entries {
		letters[i] = parseDeadLetter(entry)
	}
	return letters, nil
}

// Replay publishes a dead letter to the stream that it came from, as it was
// published first, and then drops it. Every group of that stream sees it. When
// dropping fails the message is published and the dead letter still there.
func (d *DeadLetters) Replay(ctx context.Context, id string) error {
	entries, err := d.client.XRange(ctx, d.stream, id, id).Result()
	if err != nil {
		return fmt.Errorf("replaying dead letter %q: %w", id, err)
	}
	if len(entries) == 0 {
		return fmt.Errorf("replaying dead letter %q: %w", id, ErrNoDeadLetter)
	}
	letter := parseDeadLetter(entries[0])
	if letter.Stream == "" {
		return fmt.Errorf("replaying dead letter %q: it does not say where it came from", id)
	}
	values, err := letter.values()
	if err != nil {
		return fmt.Errorf("replaying dead letter %q: %w", id, err)
	}
	if err := appendAll(ctx, d.client, letter.Stream, 0, [][]any{values}, nil); err != nil {
		return fmt.Errorf("replaying dead letter %q to %q: %w", id, letter.Stream, err)
	}
	return d.Drop(ctx, id)
}

// Drop deletes a dead letter.
func (d *DeadLetters) Drop(ctx context.Context, id string) error {
	n, err := d.client.XDel(ctx, d.stream, id).Result()
	if err != nil {
		return fmt.Errorf("dropping dead letter %q: %w", id, err)
	}
	if n == 0 {
		return fmt.Errorf("dropping dead letter %q: %w", id, ErrNoDeadLetter)
	}
	return nil
}

// add appends a dead letter and trims what is too many or too old, in one step.
func (d *DeadLetters) add(ctx context.Context, msg *message.Message) error {
	if reason := msg.Metadata.Get(middleware.ReasonForPoisonedKey); len(reason) > maxReason {
		msg.Metadata.Set(middleware.ReasonForPoisonedKey, reason[:maxReason])
	}
	values, err := Values(msg)
	if err != nil {
		return fmt.Errorf("adding a dead letter: %w", err)
	}
	// A message is given up even while its service drains.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	oldest := strconv.FormatInt(time.Now().Add(-d.cfg.MaxAge).UnixMilli(), 10)
	err = appendAll(ctx, d.client, d.stream, d.cfg.MaxLength, [][]any{values}, func(pipe redis.Pipeliner) {
		pipe.XTrimMinIDApprox(ctx, d.stream, oldest, 0)
	})
	if err != nil {
		return fmt.Errorf("adding a dead letter: %w", err)
	}
	d.count(ctx, 1, msg.Metadata.Get(GroupKey), Class(msg.Metadata.Get(ClassKey)))
	return nil
}

func (d *DeadLetters) count(ctx context.Context, n int64, group string, class Class) {
	d.added.Add(ctx, n, metric.WithAttributes(attribute.String("group", group), attribute.String("class", string(class))))
}

// addRaw appends an entry that could not be decoded.
func (d *DeadLetters) addRaw(ctx context.Context, e *entry, group string) error {
	msg, err := rawMessage(e, group)
	if err != nil {
		return fmt.Errorf("adding a dead letter: %w", err)
	}
	return d.add(ctx, msg)
}

// publisher lets Watermill's poison queue add dead letters.
func (d *DeadLetters) publisher() message.Publisher { return poisonPublisher{d} }

type poisonPublisher struct{ letters *DeadLetters }

func (p poisonPublisher) Publish(_ string, messages ...*message.Message) error {
	for _, msg := range messages {
		if err := p.letters.add(msg.Context(), msg); err != nil {
			return err
		}
	}
	return nil
}

func (poisonPublisher) Close() error { return nil }

// parseDeadLetter reads any entry; one that is no message itself is its own Raw.
func parseDeadLetter(entry redis.XMessage) DeadLetter {
	letter := DeadLetter{ID: entry.ID, At: TimeOf(entry.ID)}
	msg, err := Decode(entry.Values)
	if err != nil {
		letter.Class, letter.Error, letter.Raw = ClassUndecodable, err.Error(), map[string][]byte{}
		for field, value := range entry.Values {
			text, _ := value.(string)
			letter.Raw[field] = []byte(text)
		}
		return letter
	}
	letter.Stream = msg.Metadata.Get(StreamKey)
	letter.EntryID = msg.Metadata.Get(EntryIDKey)
	letter.Group = msg.Metadata.Get(GroupKey)
	letter.Class = Class(msg.Metadata.Get(ClassKey))
	letter.Error = msg.Metadata.Get(middleware.ReasonForPoisonedKey)
	letter.Attempts = Attempt(msg)
	letter.TraceParent = msg.Metadata.Get("traceparent")
	if msg.Metadata.Get(rawKey) != "" {
		if letter.Raw = decodeRaw(msg.Payload); letter.Raw != nil {
			return letter
		}
	}
	maps.DeleteFunc(msg.Metadata, func(key, _ string) bool { return deadLetterMetadata(key) })
	letter.Message = msg
	return letter
}

// deadLetterMetadata reports whether a key was not on the message when it was published.
func deadLetterMetadata(key string) bool {
	switch key {
	case StreamKey, EntryIDKey, AttemptKey, ClassKey, GroupKey, rawKey, excusedKey,
		middleware.ReasonForPoisonedKey, middleware.PoisonedTopicKey,
		middleware.PoisonedHandlerKey, middleware.PoisonedSubscriberKey:
		return true
	}
	return false
}

// values returns the fields of the entry as it was published first.
func (l DeadLetter) values() ([]any, error) {
	if l.Message != nil {
		return Values(l.Message)
	}
	values := make([]any, 0, 2*len(l.Raw))
	for field, value := range l.Raw {
		values = append(values, field, value)
	}
	return values, nil
}
