package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/pipeline/telemetry"
)

// Exit codes.
const (
	// ExitOK means that the program did its work, or was told to end.
	ExitOK = 0
	// ExitFailure means that something went wrong.
	ExitFailure = 1
	// ExitUsage means that a flag or a variable is wrong: starting again will not help.
	ExitUsage = 2
)

// ExitCode returns the exit code for what a program returned.
func ExitCode(err error) int {
	var usage UsageError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &usage):
		return ExitUsage
	}
	return ExitFailure
}

// Run is what a program does until ctx ends.
type Run func(ctx context.Context, env Env) error

// Program is a program that runs one service.
type Program struct {
	// Name is the program's, and the service's in its telemetry.
	Name string
	// About says what it does, in a line, for --help.
	About string
	// LogLevel is the default of --log-level. Empty means info.
	LogLevel string
	// Define defines the program's flags and returns what it runs once they are set.
	Define func(flags *pflag.FlagSet) Run
}

// Env is what a program is given.
type Env struct {
	// Log goes to stderr.
	Log *slog.Logger
	// Stdout is for what the user asked for.
	Stdout io.Writer
	// Telemetry makes spans and metrics.
	Telemetry *telemetry.Telemetry
	// Health is where checks of readiness are added.
	Health *telemetry.Health
	// ServeHealth serves Health where --health-listen says, until ctx ends.
	ServeHealth func(ctx context.Context) error
}

// System is what a program takes from the operating system.
type System struct {
	// Args are the arguments, without the program's name.
	Args []string
	// LookupEnv finds variables of the environment.
	LookupEnv func(string) (string, bool)
	// Stdout and Stderr are where it writes.
	Stdout, Stderr io.Writer
}

// Main runs p on the real system and exits. It is all that a main function does.
func Main(p Program) {
	os.Exit(p.Run(context.Background(), System{Args: os.Args[1:], LookupEnv: os.LookupEnv, Stdout: os.Stdout, Stderr: os.Stderr}))
}

// shutdownTime bounds exporting what telemetry still holds back at the end.
const shutdownTime = 3 * time.Second

// Run runs p until ctx ends, a signal comes or it fails, and returns its exit code.
func (p Program) Run(ctx context.Context, system System) int {
	err := p.run(ctx, system)
	code := ExitCode(err)
	if code == ExitUsage { // for a person; other errors are in the log
		fmt.Fprintf(system.Stderr, "%s: %v\n%s --help lists the flags\n", p.Name, err, p.Name)
	}
	return code
}

func (p Program) run(ctx context.Context, system System) error {
	flags := pflag.NewFlagSet(p.Name, pflag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are printed once, by Run
	run := p.Bind(flags)
	version := flags.Bool("version", false, "print the version and exit")
	ask := flags.Bool("healthcheck", false, "ask the program that runs with the same flags and variables whether it is ready, and exit with 0 if it is")
	err := flags.Parse(system.Args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return p.help(system.Stdout, flags)
	case err != nil:
		return UsageError{err}
	case flags.NArg() > 0:
		return UsageError{fmt.Errorf("reading the command line: %q is no flag, and %s takes no arguments", flags.Arg(0), p.Name)}
	case *version:
		_, err := fmt.Fprintln(system.Stdout, p.Name, Version())
		return err
	case *ask:
		err := healthcheck(ctx, flags, system)
		if ExitCode(err) == ExitFailure {
			fmt.Fprintf(system.Stderr, "%s: %v\n", p.Name, err)
		}
		return err
	}
	return run(ctx, system)
}

// Bind defines the program's flags on the set of a larger program's command, and returns what runs it once they
// are parsed. That reads from the environment what the command line did not set, and takes no arguments of system.
func (p Program) Bind(flags *pflag.FlagSet) func(ctx context.Context, system System) error {
	logging := Logging{Level: p.LogLevel}
	logging.DefineFlags(flags)
	listen := flags.String("health-listen", "", "`host:port` that serves /livez, /readyz and /metrics; empty serves them nowhere")
	run := p.Define(flags)
	return func(ctx context.Context, system System) error {
		if err := SetFromEnvironment(flags, system.LookupEnv); err != nil {
			return err
		}
		return p.serve(ctx, system, logging.Logger(system.Stderr), *listen, run)
	}
}

func (p Program) serve(ctx context.Context, system System, log *slog.Logger, listen string, run Run) error {
	redisconn.RouteLibraryLog(log)
	telemetry.RouteLibraryErrors(log)
	ctx, stop := UntilSignal(ctx, log)
	defer stop()
	tel, err := telemetry.Setup(ctx, telemetry.Config{Service: p.Name, Version: Version()})
	if err != nil {
		return UsageError{err}
	}
	health := telemetry.NewHealth(log, tel.Registry())
	tel.Registry().MustRegister(health)
	log.InfoContext(ctx, "started", "program", p.Name, "version", Version())
	err = run(ctx, Env{
		Log: log, Stdout: system.Stdout, Telemetry: tel, Health: health,
		ServeHealth: func(ctx context.Context) error {
			if listen == "" {
				return nil
			}
			return health.Serve(ctx, listen)
		},
	})
	switch {
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		err = nil // it was told to end
	case ExitCode(err) == ExitFailure:
		log.ErrorContext(ctx, "ended by an error", "program", p.Name, "error", err)
	}
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if err := tel.Shutdown(wait); err != nil {
		log.WarnContext(ctx, "telemetry not exported", "error", err)
	}
	return err
}

func (p Program) help(out io.Writer, flags *pflag.FlagSet) error {
	_, err := fmt.Fprintf(out, `%s %s.

Flags:
%s
Each flag can be set by the environment too: --log-level is %s.
Traces and metrics are exported as the standard OTEL_* variables say.
`, p.Name, p.About, flags.FlagUsages(), Variable("log-level"))
	return err
}
