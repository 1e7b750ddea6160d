package process_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"go.uber.org/goleak"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/process"
)

// asProgram makes the test binary run a program that takes a minute to drain.
const asProgram = "PROCESS_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		process.Main(process.Program{Name: "slow", Define: func(*pflag.FlagSet) process.Run {
			return func(ctx context.Context, env process.Env) error {
				fmt.Fprintln(env.Stdout, "running")
				<-ctx.Done()
				fmt.Fprintln(env.Stdout, "draining")
				if os.Getenv(asProgram) == "slow" {
					<-time.After(time.Minute)
				}
				return ctx.Err()
			}
		}})
	}
	goleak.VerifyTestMain(m)
}

// call runs a program whose one flag is --greeting.
func call(t *testing.T, run process.Run, variables map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	program := process.Program{Name: "greeter", About: "greets", Define: func(flags *pflag.FlagSet) process.Run {
		greeting := flags.String("greeting", "hello", "what to say")
		return func(ctx context.Context, env process.Env) error {
			fmt.Fprintln(env.Stdout, *greeting)
			if run == nil {
				return nil
			}
			return run(ctx, env)
		}
	}}
	code = program.Run(t.Context(), process.System{Args: args, LookupEnv: environment(variables), Stdout: &out, Stderr: &errs})
	return code, out.String(), errs.String()
}

func TestProgramTakesFlagsAndEnvironment(t *testing.T) {
	for _, test := range []struct {
		name      string
		variables map[string]string
		args      []string
		want      string
	}{
		{name: "default", want: "hello\n"},
		{name: "environment", variables: map[string]string{"MESHWEIR_GREETING": "moin"}, want: "moin\n"},
		{name: "flag", variables: map[string]string{"MESHWEIR_GREETING": "moin"}, args: []string{"--greeting", "hi"}, want: "hi\n"},
	} {
		if code, out, _ := call(t, nil, test.variables, test.args...); code != process.ExitOK || out != test.want {
			t.Errorf("%s: got %d, %q, want %q", test.name, code, out, test.want)
		}
	}
}

func TestProgramSaysWhatIsWrongWithItsCall(t *testing.T) {
	for _, test := range []struct {
		name      string
		variables map[string]string
		args      []string
		want      string
	}{
		{name: "unknown flag", args: []string{"--greting=x"}, want: "--greting"},
		{name: "bad value", args: []string{"--log-level=loud"}, want: "want one of info, debug, warn, error"},
		{name: "bad variable", variables: map[string]string{"MESHWEIR_LOG_FORMAT": "xml"}, want: "MESHWEIR_LOG_FORMAT"},
		{name: "argument", args: []string{"world"}, want: `"world" is no flag`},
	} {
		code, out, stderr := call(t, nil, test.variables, test.args...)
		if code != process.ExitUsage || out != "" || !strings.HasPrefix(stderr, "greeter: ") || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: got %d, %q, %q, want exit code 2 and %s", test.name, code, out, stderr, test.want)
		}
	}
}

func TestProgramHelpListsFlagsAndVariables(t *testing.T) {
	code, out, _ := call(t, nil, nil, "--help")
	for _, want := range []string{"greeter greets.", "--greeting", "--log-level", "--health-listen", "MESHWEIR_LOG_LEVEL"} {
		if !strings.Contains(out, want) {
			t.Errorf("the help does not tell %s:\n%s", want, out)
		}
	}
	if code != process.ExitOK {
		t.Errorf("got exit code %d", code)
	}
	if code, out, _ := call(t, nil, nil, "--version"); code != process.ExitOK || !strings.HasPrefix(out, "greeter ") {
		t.Errorf("--version: got %d, %q", code, out)
	}
}

func TestProgramFailsWhenItsRunDoes(t *testing.T) {
	code, _, stderr := call(t, func(context.Context, process.Env) error { return errors.New("broken") }, nil)
	if code != process.ExitFailure || !strings.Contains(stderr, `"error":"broken"`) {
		t.Errorf("got %d, %q, want exit code 1 and the error in the log", code, stderr)
	}
	canceled := func(context.Context, process.Env) error { return context.Canceled }
	if code, _, _ := call(t, canceled, nil); code != process.ExitFailure {
		t.Errorf("a run that nobody told to end said canceled: got %d, want 1", code)
	}
}

func TestProgramEndsOnASignal(t *testing.T) {
	run := func(ctx context.Context, _ process.Env) error {
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
		return ctx.Err()
	}
	code, _, stderr := call(t, run, nil)
	if code != process.ExitOK || !strings.Contains(stderr, "draining") {
		t.Errorf("got %d, %s, want 0 and a line that it drains", code, stderr)
	}
}

func TestProgramServesHealthWhereItIsTold(t *testing.T) {
	address := "127.0.0.1:" + pipelinetest.FreePort(t)
	run := func(ctx context.Context, env process.Env) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		return process.Together(ctx, env.ServeHealth, func(ctx context.Context) error {
			defer cancel()
			env.Health.AddReady("tester", func(context.Context) error { return errors.New("too early") })
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			for {
				response, err := client.Get("http://" + address + "/readyz")
				if err == nil {
					body, _ := io.ReadAll(response.Body)
					response.Body.Close()
					if !strings.Contains(string(body), "[-] tester: too early") {
						t.Errorf("/readyz: got %s", body)
					}
					return nil
				}
				select {
				case <-ctx.Done():
					return nil
				case <-time.After(10 * time.Millisecond):
				}
			}
		})
	}
	code, _, stderr := call(t, run, map[string]string{"MESHWEIR_HEALTH_LISTEN": address})
	if code != process.ExitOK {
		t.Errorf("got %d, %s", code, stderr)
	}
}

func TestASecondSignalExitsAtOnce(t *testing.T) {
	for _, test := range []struct {
		mode    string
		signals int
		want    int
	}{{"quick", 1, 0}, {"slow", 2, 128 + int(syscall.SIGTERM)}} {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), asProgram+"="+test.mode)
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(stdout)
		for range test.signals {
			lines.Scan() // it runs, and then it drains
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
		io.Copy(io.Discard, stdout) //nolint:errcheck // until it exits
		cmd.Wait()                  //nolint:errcheck // the exit code tells
		if got := cmd.ProcessState.ExitCode(); got != test.want {
			t.Errorf("%d signals: got exit code %d, want %d", test.signals, got, test.want)
		}
	}
}

func TestVersionIsKnown(t *testing.T) {
	if process.Version() == "" {
		t.Error("the version is empty")
	}
}
