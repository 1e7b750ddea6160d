package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/pipeline/redisconn"
)

// operator is what the commands that look at a fleet, or change it, have in common.
type operator struct {
	urls    redisconn.URLs
	timeout time.Duration
	// endless says that the command goes on until it is interrupted.
	endless bool
	// code receives the exit code.
	code *int
	// flags are the operator's, wherever they are defined.
	flags *pflag.FlagSet
}

// session is one command's connection to the fleet's Redis.
type session struct {
	store  *keyspace.Store
	client redis.UniversalClient
	target redisconn.Target
	conn   *redisconn.Conn
	// out is for what was asked for, notes for what a person should know beside it.
	out, notes io.Writer
}

// group makes a command that holds others, which all speak to one Redis.
func (o *operator) group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: noOtherCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	o.define(cmd.PersistentFlags(), 30*time.Second)
	cmd.AddCommand(commands...)
	return cmd
}

// define defines the operator's flags: those of a group, or of a command that stands alone.
func (o *operator) define(on *pflag.FlagSet, timeout time.Duration) {
	o.flags = pflag.NewFlagSet("", pflag.ContinueOnError)
	o.urls.DefineFlags(o.flags)
	o.flags.DurationVar(&o.timeout, "timeout", timeout, "how long the command may take")
	on.AddFlagSet(o.flags)
}

// run makes the Run of a command: it opens the Redis, works, and tells what went wrong.
func (o *operator) run(work func(ctx context.Context, s session, args []string) error) func(*cobra.Command, []string) {
	return func(cmd *cobra.Command, args []string) {
		err := process.SetFromEnvironment(o.flags, os.LookupEnv)
		if err == nil {
			err = o.with(cmd, func(ctx context.Context, s session) error { return work(ctx, s, args) })
		}
		o.end(cmd, err)
	}
}

// end tells what went wrong, and sets the exit code.
func (o *operator) end(cmd *cobra.Command, err error) {
	if *o.code = process.ExitCode(err); err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "meshweir: %v\n", err)
	}
}

// storeOf opens what is read once.
func storeOf(log *slog.Logger, conn *redisconn.Conn) (*keyspace.Store, error) {
	return keyspace.NewStore(log, conn.Client, keyspace.Config{
		Blocking: conn.Blocking, Block: 20 * time.Millisecond, // such a read ends with one that waits
	})
}

// unreachedError is about a Redis that was not reached.
type unreachedError struct {
	err  error
	mend string
}

func (u unreachedError) Error() string { return u.err.Error() + "; " + u.mend }
func (u unreachedError) Unwrap() error { return u.err }

func (o *operator) with(cmd *cobra.Command, work func(context.Context, session) error) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if !o.endless {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("it took longer than --timeout %s", o.timeout))
		defer cancel()
	}
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelError}))
	redisconn.RouteLibraryLog(log)
	conn, err := redisconn.Open(log, o.urls.Control, redisconn.Options{Name: "meshweir-cli"})
	if err != nil {
		return process.UsageError{Err: err}
	}
	defer conn.Close()
	if err := conn.Client.Ping(ctx).Err(); err != nil {
		switch {
		case errors.Is(ctx.Err(), context.Canceled):
			return fmt.Errorf("reaching %s: %w", conn, context.Cause(ctx))
		case ctx.Err() != nil:
			err = context.Cause(ctx)
		}
		return unreachedError{fmt.Errorf("reaching %s: %w", conn, err), mendRedis(err)}
	}
	store, err := storeOf(log, conn)
	if err != nil {
		return err
	}
	err = work(ctx, session{store, conn.Client, conn.Target(), conn, cmd.OutOrStdout(), cmd.ErrOrStderr()})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", err, context.Cause(ctx))
	}
	return err
}

// mendRedis says what to do about a Redis that cannot be used.
func mendRedis(err error) string {
	if redis.IsAuthError(err) || redis.IsPermissionError(err) {
		return "see the user and the password in --redis-control, or in MESHWEIR_REDIS_CONTROL"
	}
	return "name the Redis that the services use by --redis-control, or by MESHWEIR_REDIS_CONTROL " +
		"(that of `meshweir up` is at the address that it prints)"
}

// complete offers the names of the clusters.
func (o *operator) complete(cmd *cobra.Command, args []string, _ string) (offers []string, _ cobra.ShellCompDirective) {
	if len(args) == 0 {
		offers = o.offer(cmd, func(ctx context.Context, s session) ([]string, error) { return clusterNames(ctx, s.store) })
	}
	return offers, cobra.ShellCompDirectiveNoFileComp
}

// offer returns what read finds in Redis for the shell, which is at its prompt: within a second, without a word, and nothing where
// Redis is not reached.
func (o *operator) offer(cmd *cobra.Command, read func(context.Context, session) ([]string, error)) (offers []string) {
	if process.SetFromEnvironment(o.flags, os.LookupEnv) != nil {
		return nil
	}
	o.timeout = time.Second
	cmd.SetErr(io.Discard)
	_ = o.with(cmd, func(ctx context.Context, s session) (err error) {
		offers, err = read(ctx, s)
		return err
	})
	return offers
}
