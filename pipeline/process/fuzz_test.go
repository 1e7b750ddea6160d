package process_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/meshweir/meshweir/pipeline/process"
)

// every returns a set with a flag of each type that programs have, and the names of the flags.
func every() (flags *pflag.FlagSet, names []string) {
	flags = pflag.NewFlagSet("test", pflag.ContinueOnError)
	flags.String("text", "", "")
	flags.Int("whole-number", 0, "")
	flags.Bool("yes.or-no", false, "")
	flags.Duration("duration", 0, "")
	flags.StringSlice("list", nil, "")
	flags.StringArray("array", nil, "")
	process.Choice(flags, new(string), "word", "one of", "auto", "text", "json")
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return flags, names
}

// A variable means what the flag of its name means on the command line, or both are refused, and then the variable is named.
func FuzzSetFromEnvironment(f *testing.F) {
	for _, seed := range []string{"", "a", "auto", "json", "-1", "0x10", "1_000", "1s", "1.5h", "true", "T", "no", "a,b", "\"a,b\",c", "\"", "a\nb", "a,\n\"", "\xff", "9223372036854775808"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		_, names := every()
		for _, name := range names {
			called, _ := every()
			called.SetOutput(discard{})
			wrong := called.Parse([]string{"--" + name + "=" + value})

			flags, _ := every()
			variable := process.Variable(name)
			err := process.SetFromEnvironment(flags, environment(map[string]string{variable: value}))
			if value == "" {
				if err != nil || flags.Changed(name) {
					t.Errorf("an empty %s counts as set: %v", variable, err)
				}
				continue
			}
			if (err == nil) != (wrong == nil) || flags.Changed(name) != (err == nil) {
				t.Errorf("%s=%q: got %v, changed %t, the command line says %v", variable, value, err, flags.Changed(name), wrong)
			}
			if err != nil {
				if _, ok := errors.AsType[process.UsageError](err); !ok || !strings.HasPrefix(err.Error(), fmt.Sprintf("reading %s: %q is no ", variable, value)) {
					t.Errorf("got %v, want a usage error that names %s and quotes %q", err, variable, value)
				}
				continue
			}
			if got, want := flags.Lookup(name).Value.String(), called.Lookup(name).Value.String(); got != want {
				t.Errorf("%s=%q sets %s, --%s sets %s", variable, value, got, name, want)
			}
		}
	})
}

// A choice takes the words that it names, as they are, and keeps what it had when it takes none.
func FuzzChoice(f *testing.F) {
	for _, seed := range []string{"", "auto", "text", "Auto", " auto", "auto,text", "auto, text"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, word string) {
		allowed := []string{"auto", "text"}
		target := ""
		flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
		process.Choice(flags, &target, "form", "form", allowed...)
		err := flags.Set("form", word)
		switch fits := slices.Contains(allowed, word); {
		case fits && (err != nil || target != word):
			t.Errorf("got %q, %v, want %q", target, err, word)
		case !fits && (err == nil || target != "auto" || !strings.Contains(err.Error(), "want one of auto, text")):
			t.Errorf("%q: got %q, %v, want an error that says what is allowed, and the default", word, target, err)
		}
		if got := flags.Lookup("form").Value.String(); got != target {
			t.Errorf("it prints as %q, want %q", got, target)
		}
	})
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
