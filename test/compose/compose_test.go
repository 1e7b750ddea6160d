package compose

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meshweir/meshweir/deploy/compose/demo"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/pipelinetest/part"
)

const (
	root = "../.."
	// patience is how long anything may take on a machine that does much else.
	patience = 5 * time.Minute
)

// project is the compose file under a name of its own, with clusters that a test may edit.
type project struct {
	t        *testing.T
	docker   string
	clusters string
	env      []string
	ui       string // address of the dashboard
	prom     string // of Prometheus
	jaeger   string // and of Jaeger
}

func newProject(t *testing.T) *project {
	t.Helper()
	required, err := part.Required()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(required, "docker") {
		t.Skipf("left out, it builds images for minutes: %s=docker runs it", part.RequireVariable)
	}
	p := &project{t: t, docker: pipelinetest.Require(t, "docker"), clusters: t.TempDir()}
	if err := demo.Unpack(p.clusters); err != nil {
		t.Fatal(err)
	}
	// The agents are another user than this test.
	for _, args := range [][]string{{"-R", "a+rX", p.clusters}, {"a+rx", filepath.Dir(p.clusters)}} {
		if out, err := exec.CommandContext(t.Context(), "chmod", args...).CombinedOutput(); err != nil {
			t.Fatalf("chmod %v: %v %s", args, err, out)
		}
	}
	ports := map[string]string{}
	for _, of := range []string{"UI", "JAEGER", "PROMETHEUS"} {
		ports[of] = pipelinetest.FreePort(t)
		p.env = append(p.env, "MESHWEIR_"+of+"_PORT="+ports[of])
	}
	p.ui, p.prom, p.jaeger = "http://127.0.0.1:"+ports["UI"], "http://127.0.0.1:"+ports["PROMETHEUS"], "http://127.0.0.1:"+ports["JAEGER"]
	p.env = append(p.env, "MESHWEIR_CLUSTERS="+p.clusters, "MESHWEIR_VERSION=v9.8.7", "MESHWEIR_COMMIT=abc")
	t.Cleanup(func() {
		if t.Failed() {
			p.docker1("logs", "--tail", "15")
			p.docker1("ps", "--all")
		}
		p.docker1("--profile", "tools", "down", "--volumes", "--remove-orphans")
	})
	return p
}

// compose runs a command of docker compose and returns what it printed.
func (p *project) compose(args ...string) string {
	p.t.Helper()
	out, err := p.run(args...)
	if err != nil {
		p.t.Fatalf("docker compose %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// docker1 is compose where nothing can be done about an error.
func (p *project) docker1(args ...string) {
	if out, err := p.run(args...); err != nil || args[0] != "--profile" {
		p.t.Logf("docker compose %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (p *project) run(args ...string) (string, error) {
	command := exec.Command(p.docker, append([]string{"compose", "--progress", "plain", "--project-name", "meshweir-test", "--file", filepath.Join(root, "deploy/compose/compose.yaml")}, args...)...) //nolint:noctx // it also cleans up after the test's context
	command.Env = append(os.Environ(), p.env...)
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	err := command.Run()
	if err != nil {
		p.t.Logf("%s", errs.String())
	}
	return out.String(), err
}

// await waits until something holds.
func (p *project) await(what string, holds func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); <-time.After(time.Second) {
		if time.Now().After(deadline) {
			p.t.Fatalf("waiting for %s: it does not come", what)
		}
	}
}

// get asks for a page; it is empty when nobody answers well.
func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return ""
	}
	return string(text)
}

// images returns the names of images of others, without which a service is left out.
func (p *project) missing() (services []string) {
	p.t.Helper()
	var config struct {
		Services map[string]struct {
			Image string
			Build any
		}
	}
	if err := json.Unmarshal([]byte(p.compose("config", "--format", "json")), &config); err != nil {
		p.t.Fatal(err)
	}
	for name, s := range config.Services {
		if s.Build != nil {
			continue
		}
		if exec.CommandContext(p.t.Context(), p.docker, "image", "inspect", s.Image).Run() == nil || exec.CommandContext(p.t.Context(), p.docker, "pull", "--quiet", s.Image).Run() == nil {
			continue
		}
		services = append(services, name)
	}
	return services
}

func TestComposeRunsTheWholeProduct(t *testing.T) {
	p := newProject(t)
	p.compose("--profile", "tools", "build")
	without := p.missing()
	slices.Sort(without)
	up := []string{"up", "--detach", "--wait", "--wait-timeout", "600"}
	for name := range strings.FieldsSeq(p.compose("config", "--services")) {
		if slices.Contains(without, name) {
			if name != "jaeger" && name != "prometheus" {
				t.Fatalf("there is no image for %s", name)
			}
			t.Logf("left out, its image is neither here nor can be pulled: %s", name)
			continue
		}
		if name != "setup" { // it ends, and --wait waits for what runs; others depend on it
			up = append(up, name)
		}
	}
	p.compose(up...) // fails unless all become healthy

	t.Run("programs know what they were built from", func(t *testing.T) {
		if got := p.compose("run", "--rm", "--no-deps", "meshweir", "version"); !strings.Contains(got, "9.8.7") {
			t.Errorf("got %q, want the version of the build argument", got)
		}
	})
	t.Run("check finds nothing wrong", func(t *testing.T) {
		p.compose("run", "--rm", "--no-deps", "meshweir", "check")
	})
	t.Run("a change of a folder arrives in another cluster", func(t *testing.T) {
		const before, after = "198.51.100.20", "198.51.100.21"
		applied := func() string { return p.applied("agent-east") }
		p.await("east to send to west's gateway", func() bool { return strings.Contains(applied(), before) })
		file := filepath.Join(p.clusters, "west/istio/eastwest-gateway/workload.yaml")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, bytes.ReplaceAll(text, []byte(before), []byte(after)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, 0o644); err != nil { // the agent is another user
			t.Fatal(err)
		}
		p.await("east to send to the new address", func() bool { return strings.Contains(applied(), after) })
	})
	t.Run("the dashboard shows every cluster", func(t *testing.T) {
		p.await("the clusters on "+p.ui, func() bool {
			page := get(t, p.ui)
			return strings.Contains(page, "east") && strings.Contains(page, "west") && strings.Contains(page, "mgmt")
		})
	})
	t.Run("Prometheus asks every replica", func(t *testing.T) {
		if slices.Contains(without, "prometheus") {
			t.Skip("left out, there is no Prometheus")
		}
		up := regexp.MustCompile(`"value":\[[0-9.]+,"1"\]`)
		p.await("every replica to be up", func() bool {
			return len(up.FindAllString(get(t, p.prom+"/api/v1/query?query=up"), -1)) >= len(strings.Fields(p.compose("ps", "--quiet", "translator", "insights", "ui", "agent-mgmt", "agent-east", "agent-west")))
		})
	})
	t.Run("Jaeger is told by every service", func(t *testing.T) {
		if slices.Contains(without, "jaeger") {
			t.Skip("left out, there is no Jaeger")
		}
		p.await("traces of every service", func() bool {
			services := get(t, p.jaeger+"/api/services")
			return strings.Contains(services, `"agent"`) && strings.Contains(services, `"translator"`)
		})
	})
	t.Run("the administrator takes a cluster out of the fleet", func(t *testing.T) {
		p.compose("stop", "agent-west")
		p.compose("run", "--rm", "--no-deps", "admin", "cluster", "deregister", "west", "--force")
		if got := p.compose("run", "--rm", "--no-deps", "meshweir", "cluster", "ls", "-o", "json"); !strings.Contains(got, "deregistered") {
			t.Errorf("got %s", got)
		}
		p.compose("run", "--rm", "--no-deps", "admin", "cluster", "register", "west")
		p.compose("start", "agent-west")
	})
	t.Run("a Redis that starts again keeps its data and its users", func(t *testing.T) {
		before := p.epochs()
		p.compose("restart", "redis")
		p.compose(append([]string{"up", "--detach", "--wait", "--wait-timeout", "300", "--no-recreate"}, up[5:]...)...)
		if after := p.epochs(); before["snapshot/east"] == "" || !maps.Equal(before, after) {
			t.Errorf("the keyspaces had the epochs %v and have %v, want no history lost", before, after)
		}
	})
	// As docs/install.md says: the source of another version, and the first command again.
	t.Run("an upgrade keeps data and passwords", func(t *testing.T) {
		before := p.epochs()
		p.env = append(p.env, "MESHWEIR_VERSION=v9.9.0")
		p.compose("--profile", "tools", "build", "meshweir")
		p.compose(append([]string{"up", "--build", "--detach", "--wait", "--wait-timeout", "300"}, up[5:]...)...)
		if after := p.epochs(); before["snapshot/east"] == "" || !maps.Equal(before, after) {
			t.Errorf("the keyspaces had the epochs %v and have %v, want no history lost", before, after)
		}
		p.await("three agents of the new version", func() bool {
			return strings.Count(p.compose("run", "--rm", "--no-deps", "meshweir", "cluster", "ls", "-o", "json"), `"agentVersion": "v9.9.0"`) == 3
		})
		p.compose("run", "--rm", "--no-deps", "meshweir", "check")
	})
}

// epochs returns the epoch of each keyspace, which changes when its history is lost.
func (p *project) epochs() map[string]string {
	p.t.Helper()
	var status struct {
		Keyspaces []struct{ Name, Epoch string }
	}
	if err := json.Unmarshal([]byte(p.compose("run", "--rm", "--no-deps", "meshweir", "pipeline", "status", "-o", "json")), &status); err != nil {
		p.t.Fatal(err)
	}
	epochs := map[string]string{}
	for _, k := range status.Keyspaces {
		epochs[k.Name] = k.Epoch
	}
	return epochs
}

// applied returns all that an agent wrote, as it is in its container.
func (p *project) applied(service string) string {
	p.t.Helper()
	out, err := p.run("cp", service+":/clusters/applied", "-")
	if err != nil {
		return ""
	}
	return out
}
