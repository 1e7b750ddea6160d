package stream

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
)

// RouterConfig tunes [NewRouter].
type RouterConfig struct {
	// DeadLetters takes the messages that are given up. Required.
	DeadLetters *DeadLetters
	// Middlewares go around everything else, the first one outermost: tracing, metrics. They see an error as nil once
	// its message is a dead letter; the message's metadata then holds [ClassKey].
	Middlewares []message.HandlerMiddleware
	// MaxAttempts is the number of deliveries after which a message whose errors do not pass is given up. Default 5.
	MaxAttempts int
	// QuickRetries is how often a handler is called again within one delivery, after a few milliseconds. Default 2;
	// negative for none.
	QuickRetries int
	// Group names the consumer group in dead letters.
	Group string
	// CloseTimeout is how long handlers may take to end. Default 30 s.
	CloseTimeout time.Duration
}

// NewRouter returns a Watermill router whose handlers never lose a message and
// never block on one: a panic is an error, an error is retried, first at once
// and then by redelivery with the backoff of the [Subscriber]; a [Permanent]
// error and one that outlives MaxAttempts end in the dead letters. While Redis
// or an upstream is unavailable, or the service is stopping, a message waits
// instead: such errors never fill the dead letters.
func NewRouter(log *slog.Logger, cfg RouterConfig) (*message.Router, error) {
	if cfg.DeadLetters == nil {
		return nil, errors.New("making a router: no dead letters")
	}
	cfg.MaxAttempts = cmp.Or(cfg.MaxAttempts, 5)
	cfg.QuickRetries = max(0, cmp.Or(cfg.QuickRetries, 2))
	if cfg.MaxAttempts < 1 {
		return nil, fmt.Errorf("making a router: MaxAttempts is %d, want 1 or more", cfg.MaxAttempts)
	}
	// Watermill tells of every start and end of a handler at info.
	logger := watermill.NewSlogLoggerWithLevelMapping(log, map[slog.Level]slog.Level{slog.LevelInfo: slog.LevelDebug})
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: cfg.CloseTimeout}, logger)
	if err != nil {
		return nil, fmt.Errorf("making a router: %w", err)
	}
	poison, err := middleware.PoisonQueueWithFilter(cfg.DeadLetters.publisher(), cfg.DeadLetters.stream, givenUp)
	if err != nil {
		return nil, fmt.Errorf("making a router: %w", err)
	}
	retry := middleware.Retry{
		MaxRetries:          cfg.QuickRetries,
		InitialInterval:     10 * time.Millisecond,
		MaxInterval:         100 * time.Millisecond,
		Multiplier:          3,
		RandomizationFactor: 0.5,
		ResetContextOnRetry: true,
		ShouldRetry: func(p middleware.RetryParams) bool {
			var permanent permanentError
			return !unavailable(p.Err) && !errors.As(p.Err, &permanent)
		},
	}
	router.AddMiddleware(cfg.Middlewares...)
	router.AddMiddleware(poison, judge(cfg))
	if cfg.QuickRetries > 0 {
		router.AddMiddleware(retry.Middleware)
	}
	router.AddMiddleware(middleware.Recoverer)
	return router, nil
}

// finalError is an error whose message is given up.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

func givenUp(err error) bool {
	var final finalError
	return errors.As(err, &final)
}

// judge decides what an error means for its message, and writes it on the message.
func judge(cfg RouterConfig) message.HandlerMiddleware {
	return func(next message.HandlerFunc) message.HandlerFunc {
		return func(msg *message.Message) ([]*message.Message, error) {
			// Retry leaves the context of its last attempt, which a poison queue must not depend on.
			ctx := msg.Context()
			produced, err := next(msg)
			if err == nil {
				return produced, nil
			}
			msg.SetContext(ctx)
			if unavailable(err) {
				msg.Metadata.Set(excusedKey, "true")
				return nil, err
			}
			class := classify(err, Attempt(msg), cfg.MaxAttempts)
			if class == "" {
				return nil, err
			}
			msg.Metadata.Set(ClassKey, string(class))
			msg.Metadata.Set(GroupKey, cfg.Group)
			return nil, finalError{err}
		}
	}
}
