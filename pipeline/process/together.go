package process

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// Together runs all of them until ctx ends or one fails, waits for every one,
// and returns the first error. When one fails, the context of the others ends.
// One that returns nil early is done, and the others go on. That a run says
// [context.Canceled] because ctx ended is no error.
func Together(ctx context.Context, runs ...func(context.Context) error) error {
	group, inner := errgroup.WithContext(ctx)
	for _, run := range runs {
		group.Go(func() error {
			err := run(inner)
			if errors.Is(err, context.Canceled) && inner.Err() != nil {
				return nil
			}
			return err
		})
	}
	return group.Wait()
}

// Named gives run's error the name of what ran, "running agent east: …".
func Named(name string, run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := run(ctx); err != nil {
			return fmt.Errorf("running %s: %w", name, err)
		}
		return nil
	}
}
