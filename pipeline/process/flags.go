package process

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Variable returns the environment variable of a flag: MESHWEIR_REDIS_CONTROL for "redis-control".
func Variable(flag string) string {
	return "MESHWEIR_" + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(flag))
}

// SetFromEnvironment sets each flag that the command line did not from its
// [Variable], which lookup finds ([os.LookupEnv]). An empty variable counts as
// not set, and --help, --version and --healthcheck are for the command line only. An error names
// every variable that does not fit, and what would.
func SetFromEnvironment(flags *pflag.FlagSet, lookup func(string) (string, bool)) error {
	commandLineOnly := []string{"help", "version", "healthcheck"}
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		value, ok := lookup(Variable(f.Name))
		if f.Changed || !ok || value == "" || slices.Contains(commandLineOnly, f.Name) {
			return
		}
		if err := f.Value.Set(value); err != nil {
			errs = append(errs, fmt.Errorf("reading %s: %q is no %s: %w", Variable(f.Name), value, f.Value.Type(), err))
			return
		}
		f.Changed = true
	})
	if err := errors.Join(errs...); err != nil {
		return UsageError{err}
	}
	return nil
}

// UsageError is about how a program was called. [ExitCode] tells it from others.
type UsageError struct{ Err error }

// Error is what Err says.
func (e UsageError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e UsageError) Unwrap() error { return e.Err }

// Choice defines a flag that takes one of the allowed words; the first is the default.
func Choice(flags *pflag.FlagSet, target *string, name, usage string, allowed ...string) {
	ChoiceP(flags, target, name, "", usage, allowed...)
}

// ChoiceP is [Choice] for a flag that has one letter too.
func ChoiceP(flags *pflag.FlagSet, target *string, name, letter, usage string, allowed ...string) {
	*target = allowed[0]
	flags.VarP(&choice{target, allowed}, name, letter, usage+": "+strings.Join(allowed, ", "))
}

type choice struct {
	target  *string
	allowed []string
}

// Set is part of [pflag.Value].
func (c *choice) Set(s string) error {
	if !slices.Contains(c.allowed, s) {
		return fmt.Errorf("want one of %s", strings.Join(c.allowed, ", "))
	}
	*c.target = s
	return nil
}

// String is part of [pflag.Value].
func (c *choice) String() string {
	if c.target == nil { // pflag asks a zero value
		return ""
	}
	return *c.target
}

// Type is part of [pflag.Value].
func (c *choice) Type() string { return "word" }
