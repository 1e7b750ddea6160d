package process_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshweir/meshweir/pipeline/process"
)

func untilEnd(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func TestTogetherEndsAllWhenOneFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		drained := false
		err := process.Together(t.Context(),
			func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(time.Second) // the slow one is waited for
				drained = true
				return errors.New("later")
			},
			process.Named("agent", func(context.Context) error { return broken }),
		)
		if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "running agent: ") {
			t.Errorf("got %v, want the first error, with its name", err)
		}
		if !drained {
			t.Error("returned before all had ended")
		}
	})
}

func TestTogetherEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := process.Together(ctx, untilEnd, func(ctx context.Context) error { return context.Cause(ctx) })
	if err != nil {
		t.Errorf("got %v, want nil: they were told to end", err)
	}
	if err := process.Together(t.Context(), func(context.Context) error { return context.Canceled }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the error: nobody told it to end", err)
	}
}

func TestTogetherGoesOnWhenOneIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		started := time.Now()
		if err := process.Together(ctx, untilEnd, func(context.Context) error { return nil }); err != nil {
			t.Error(err)
		}
		if ran := time.Since(started); ran != time.Minute {
			t.Errorf("ran for %v, want a minute", ran)
		}
	})
}
