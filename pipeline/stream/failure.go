package stream

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/redis/go-redis/v9"
)

// Class says why a message became a dead letter.
type Class string

const (
	// ClassUndecodable is an entry that is no message at all.
	ClassUndecodable Class = "undecodable"
	// ClassPermanent is an error that the handler marked with [Permanent].
	ClassPermanent Class = "permanent"
	// ClassPanic is a handler that panicked on every attempt.
	ClassPanic Class = "panic"
	// ClassExhausted is an error that should have passed and did not, attempt after attempt.
	ClassExhausted Class = "exhausted"
)

// Permanent marks an error that trying again cannot mend, such as a payload that
// does not parse: its message goes to the dead letters at once. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanentError{err}
}

type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// Blameless marks an error that says nothing of its message, however often it happens: the message waits, and
// never goes to the dead letters. Blameless(nil) is nil.
func Blameless(err error) error {
	if err == nil {
		return nil
	}
	return blamelessError{err}
}

type blamelessError struct{ error }

func (e blamelessError) Unwrap() error { return e.error }

// classify returns the class under which a message is to be given up whose given
// attempt failed with err, or "" when it is to be tried again. That err is not
// [unavailable] has been seen to.
func classify(err error, attempt, maxAttempts int) Class {
	var (
		permanent permanentError
		panicked  middleware.RecoveredPanicError
	)
	switch {
	case errors.As(err, &permanent):
		return ClassPermanent
	case attempt < maxAttempts:
		return ""
	case errors.As(err, &panicked):
		return ClassPanic
	default:
		return ClassExhausted
	}
}

// unavailable reports whether err says that something the handler stands on is
// not there for now: its context ended, a connection broke, Redis is not ready, or the handler says so.
// The message is not to blame, however often this happens.
func unavailable(err error) bool {
	var (
		blameless blamelessError
		network   net.Error
		reply     redis.Error
	)
	switch {
	case errors.As(err, &blameless):
		return true
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, redis.ErrClosed), errors.Is(err, redis.ErrPoolTimeout), errors.Is(err, redis.ErrPoolExhausted):
		return true
	case errors.As(err, &network):
		return true
	default:
		return errors.As(err, &reply) && !errors.Is(err, redis.Nil) && !IsReply(reply)
	}
}
