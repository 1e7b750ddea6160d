package process

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// UntilSignal returns a context that ends with the first SIGINT or SIGTERM: the
// program is to finish what it does. A second signal ends the process at once,
// with the exit code that shells give it. Call stop when the program is done.
func UntilSignal(ctx context.Context, log *slog.Logger) (_ context.Context, stop func()) {
	received := make(chan os.Signal, 2)
	signal.Notify(received, syscall.SIGINT, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		drainOnSignal(ctx, log, cancel, received, os.Exit)
	}()
	return ctx, func() {
		signal.Stop(received)
		close(received)
		<-done
		cancel()
	}
}

// drainOnSignal cancels on the first signal and exits on the second, until received is closed.
func drainOnSignal(ctx context.Context, log *slog.Logger, cancel func(), received <-chan os.Signal, exit func(code int)) {
	first, ok := <-received
	if !ok {
		return
	}
	log.InfoContext(ctx, "draining", "signal", first.String(), "hint", "a second signal exits at once")
	cancel()
	second, ok := <-received
	if !ok {
		return
	}
	log.WarnContext(ctx, "exiting at once", "signal", second.String())
	code := ExitFailure
	if number, ok := second.(syscall.Signal); ok {
		code = 128 + int(number)
	}
	exit(code)
}
