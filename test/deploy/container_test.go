package deploy

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/meshweir/meshweir/pipeline/pipelinetest/program"
	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/services/cmd/launch"
)

// root is that of the repository.
const root = "../.."

// binaries is the folder that TestMain builds the commands into.
var binaries string

func TestMain(m *testing.M) {
	os.Exit(program.Main(m, &binaries, "github.com/meshweir/meshweir/services/cmd/..."))
}

// container is what a manifest or a compose file says of one, as far as it concerns our programs.
type container struct {
	name  string
	image string
	args  []string
	env   map[string]string
}

// ours says which of our programs a container runs, if it runs one.
func (c container) ours() (target string, ok bool) {
	name, _, _ := strings.Cut(c.image, ":")
	return strings.CutPrefix(name, "meshweir/")
}

// check puts all that a container is told to the program that it runs.
func (c container) check(t *testing.T) {
	t.Helper()
	target, ok := c.ours()
	if !ok {
		return
	}
	if !slices.Contains(targets(t), target) {
		t.Errorf("%s: the image %s is no target of deploy/Dockerfile", c.name, c.image)
		return
	}
	if address, ok := c.env["MESHWEIR_REDIS_CONTROL"]; ok {
		c.checkRedis(t, address)
	}
	if target == "setup" || target == "meshweir" {
		return // the command line: TestSetupMakesWhatIsMounted runs it
	}
	help := c.run(t, target, process.ExitOK, "--help")
	for name := range c.env {
		if flag := flagOf(help, name); strings.HasPrefix(name, "MESHWEIR_") && flag == "" {
			t.Errorf("%s: %s is the variable of no flag of %s", c.name, name, target)
		}
	}
	// The question for health reads every flag and variable, and finds nobody who runs here.
	c.run(t, target, process.ExitFailure, append(slices.Clone(c.args), "--health-listen=127.0.0.1:1", "--healthcheck")...)
}

// run runs the program of a container with its variables, those of the image included.
func (c container) run(t *testing.T, name string, wantCode int, args ...string) (printed string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), filepath.Join(binaries, name), args...)
	command.Env = []string{"MESHWEIR_HEALTH_LISTEN=127.0.0.1:1"}
	for _, name := range slices.Sorted(maps.Keys(c.env)) {
		command.Env = append(command.Env, name+"="+c.env[name])
	}
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	exit := &exec.ExitError{}
	if err != nil && !errors.As(err, &exit) || command.ProcessState.ExitCode() != wantCode {
		t.Errorf("%s: %s %s: %v, want exit code %d\n%s", c.name, name, strings.Join(args, " "), err, wantCode, &out)
	}
	return out.String()
}

var helpFlag = regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z-]+)`)

// flagOf returns the flag in a help text that a variable sets.
func flagOf(help, variable string) string {
	for _, found := range helpFlag.FindAllStringSubmatch(help, -1) {
		if process.Variable(found[1]) == variable {
			return found[1]
		}
	}
	return ""
}

// checkRedis wants an address that names a user that `meshweir acl` makes, and its password by a file.
func (c container) checkRedis(t *testing.T, address string) {
	t.Helper()
	to, err := redisconn.Parse(address)
	if err != nil {
		t.Errorf("%s: %v", c.name, err)
		return
	}
	users, err := launch.Users("mgmt", "east", "west")
	if err != nil {
		t.Fatal(err)
	}
	known := slices.ContainsFunc(users, func(u launch.User) bool { return u.Name == to.Username }) || to.Username == "meshweir-admin"
	if !known || to.PasswordFile == "" || to.Password != "" {
		t.Errorf("%s: logs in to Redis as %s; want a user that meshweir acl makes, with its password in a file", c.name, to)
	}
}

var stage = regexp.MustCompile(`(?m)^FROM .* AS ([a-z]+)$`)

// targets are the stages of the Dockerfile that are images of ours.
func targets(t *testing.T) (names []string) {
	t.Helper()
	for _, found := range stage.FindAllStringSubmatch(read(t, "deploy/Dockerfile"), -1) {
		if found[1] != "build" && found[1] != "service" {
			names = append(names, found[1])
		}
	}
	return names
}

func TestEveryProgramHasAnImage(t *testing.T) {
	mains, err := filepath.Glob(filepath.Join(root, "services/cmd/*/main.go"))
	if err != nil {
		t.Fatal(err)
	}
	images := targets(t)
	for _, main := range mains {
		if name := filepath.Base(filepath.Dir(main)); !slices.Contains(images, name) {
			t.Errorf("deploy/Dockerfile has no target %s, it has %v", name, images)
		}
	}
	if len(mains) < 4 {
		t.Errorf("found %d programs", len(mains))
	}
}

func TestAMisspeltFlagOrVariableIsFound(t *testing.T) {
	good := container{image: "meshweir/translator", args: []string{"--health-listen=127.0.0.1:1"}, env: map[string]string{"MESHWEIR_LOG_LEVEL": "debug"}}
	help := good.run(t, "translator", process.ExitOK, "--help")
	if flagOf(help, "MESHWEIR_LOG_LEVEL") != "log-level" || flagOf(help, "MESHWEIR_LOG_LEVELS") != "" {
		t.Error("a variable is not told from one that is misspelt")
	}
	good.run(t, "translator", process.ExitFailure, append(good.args, "--healthcheck")...)
	good.run(t, "translator", process.ExitUsage, "--health-listens=127.0.0.1:1", "--healthcheck")
	good.env["MESHWEIR_LOG_LEVEL"] = "loud"
	good.run(t, "translator", process.ExitUsage, append(good.args, "--healthcheck")...)
}

// read reads a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// meshweir runs the command line.
func meshweir(ctx context.Context, t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(ctx, filepath.Join(binaries, "meshweir"), args...).Output()
	if err != nil {
		exit := &exec.ExitError{}
		errors.As(err, &exit)
		t.Fatalf("meshweir %s: %v\n%s", strings.Join(args, " "), err, exit.Stderr)
	}
	return string(out)
}
