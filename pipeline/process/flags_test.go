package process_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/meshweir/meshweir/pipeline/process"
)

func environment(variables map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	}
}

func TestEnvironmentSetsWhatTheCommandLineDoesNot(t *testing.T) {
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	url := flags.String("redis-control", "default", "")
	every := flags.Duration("every", time.Second, "")
	kinds := flags.StringSlice("kinds", nil, "")
	empty := flags.String("empty", "default", "")
	flags.Bool("version", false, "")
	if err := flags.Parse([]string{"--every=2s"}); err != nil {
		t.Fatal(err)
	}
	err := process.SetFromEnvironment(flags, environment(map[string]string{
		"MESHWEIR_REDIS_CONTROL": "redis://h", "MESHWEIR_EVERY": "3s", "MESHWEIR_KINDS": "a,b", "MESHWEIR_EMPTY": "", "MESHWEIR_VERSION": "1.2.3",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if *url != "redis://h" || *every != 2*time.Second || strings.Join(*kinds, " ") != "a b" || *empty != "default" {
		t.Errorf("got %s, %v, %q, %s", *url, *every, *kinds, *empty)
	}
	if !flags.Changed("redis-control") || flags.Changed("empty") {
		t.Error("a flag that the environment set does not count as set, or one that it did not does")
	}
}

func TestAWrongVariableIsNamedWithWhatIsAllowed(t *testing.T) {
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	flags.Int("workers", 1, "")
	var word string
	process.Choice(flags, &word, "log-format", "form", "auto", "text")
	err := process.SetFromEnvironment(flags, environment(map[string]string{"MESHWEIR_WORKERS": "many", "MESHWEIR_LOG_FORMAT": "xml"}))
	if _, ok := errors.AsType[process.UsageError](err); !ok {
		t.Fatalf("got %v, want a usage error", err)
	}
	for _, want := range []string{`MESHWEIR_WORKERS: "many" is no int`, `MESHWEIR_LOG_FORMAT: "xml" is no word: want one of auto, text`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %s", err, want)
		}
	}
	if word != "auto" {
		t.Errorf("a word that is not allowed was set: %q", word)
	}
}
