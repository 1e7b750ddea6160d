package whole

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/deploy/compose/demo"
	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/pipelinetest/program"
	"github.com/meshweir/meshweir/test/oracle"
)

// binaries is the folder that TestMain builds the commands into.
var binaries string

func TestMain(m *testing.M) {
	os.Exit(program.Main(m, &binaries, "github.com/meshweir/meshweir/services/cmd/..."))
}

// system is the running product.
type system struct {
	t         *testing.T
	clusters  string            // the folder of the clusters
	dashboard string            // the dashboard's address, host:port
	redisURL  map[string]string // for each command, with its Redis user; nil when the Redis is the embedded one
	client    redis.UniversalClient
	server    *pipelinetest.Server // nil when the Redis is the embedded one
	processes map[string]*program.Program
}

// eachArrangement runs a test on the product as one process and as many.
func eachArrangement(t *testing.T, test func(t *testing.T, s *system)) {
	t.Helper()
	t.Parallel()
	for name, start := range map[string]func(*testing.T) *system{"one process": oneProcess, "separate processes": separateProcesses} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t))
		})
	}
}

func newSystem(t *testing.T) *system {
	t.Helper()
	s := &system{t: t, clusters: filepath.Join(t.TempDir(), "clusters"), dashboard: "127.0.0.1:" + pipelinetest.FreePort(t), processes: map[string]*program.Program{}}
	if err := demo.Unpack(s.clusters); err != nil {
		t.Fatal(err)
	}
	return s
}

func oneProcess(t *testing.T) *system {
	t.Helper()
	s := newSystem(t)
	address := "127.0.0.1:" + pipelinetest.FreePort(t)
	s.client = redis.NewClient(&redis.Options{Addr: address, PipelinePoolSize: -1, ReadTimeout: time.Minute})
	t.Cleanup(func() { _ = s.client.Close() })
	s.start("meshweir", "meshweir", "up", "--clusters", s.clusters, "--listen", s.dashboard, "--redis-listen", address, "--gateway-listen", "127.0.0.1:0", "--gateway-listen-tls", "127.0.0.1:0")
	s.awaitConverged()
	return s
}

func separateProcesses(t *testing.T) *system {
	t.Helper()
	file, passwords := redisUsers(t)
	server := pipelinetest.RealServer(t, "--appendonly", "yes", "--aclfile", file)
	s := newSystem(t)
	s.server, s.client, s.redisURL = server, server.Client(), map[string]string{}
	for user, password := range passwords {
		s.redisURL[strings.TrimPrefix(user, "meshweir-")] = strings.Replace(server.URL(), "://", "://"+user+":"+password+"@", 1)
	}
	for _, cluster := range demo.Clusters() {
		s.start("agent-"+cluster, "agent", "--cluster", cluster, "--clusters", s.clusters)
	}
	for i := range 2 {
		s.start(fmt.Sprint("translator-", i), "translator")
	}
	s.start("insights", "insights")
	s.start("ui", "ui", "--listen", s.dashboard)
	s.awaitConverged()
	return s
}

// redisUsers has the command line make a Redis user for each service, and returns an aclfile and the passwords.
func redisUsers(t *testing.T) (file string, passwords map[string]string) {
	t.Helper()
	dir := t.TempDir()
	file, secrets := filepath.Join(dir, "users.acl"), filepath.Join(dir, "passwords.yaml")
	command := exec.Command(filepath.Join(binaries, "meshweir"), "acl", "--agents", strings.Join(demo.Clusters(), ","), "--secrets", secrets)
	users, err := command.Output()
	if err != nil {
		t.Fatalf("making the Redis users: %v", err)
	}
	// The test itself is the user "default", who may do everything.
	if err := os.WriteFile(file, append(users, "user default on nopass ~* &* +@all\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(secrets)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &passwords); err != nil {
		t.Fatal(err)
	}
	return file, passwords
}

// start starts a command under a name.
func (s *system) start(name, command string, args ...string) {
	s.t.Helper()
	if s.redisURL != nil {
		user := command
		if command == "agent" {
			user += "-" + args[1] // of --cluster
		}
		args = append(args, "--redis-control", s.redisURL[user])
	}
	s.processes[name] = program.Start(s.t, program.Config{
		Path: filepath.Join(binaries, command), Args: args, Log: filepath.Join(filepath.Dir(s.clusters), name+".log"),
		Env: []string{"OTEL_RESOURCE_ATTRIBUTES=service.instance.id=" + name}, // so traces tell who is who
	})
}

// edit replaces a text in a manifest.
func (s *system) edit(file, old, replacement string) {
	s.t.Helper()
	edit(s.t, filepath.Join(s.clusters, filepath.FromSlash(file)), old, replacement)
}

func edit(t *testing.T, path, old, replacement string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(data), old); n != 1 {
		t.Fatalf("%s contains %q %d times, want once", path, old, n)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(data), old, replacement, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// applied returns what stands in applied/<cluster>, statuses and all: file → content.
func (s *system) applied(cluster string) map[string]string {
	s.t.Helper()
	found := map[string]string{}
	root := filepath.Join(s.clusters, "applied", cluster)
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".yaml") || strings.HasPrefix(d.Name(), ".") {
			return nil // a temporary file may be gone by now
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		name, err := filepath.Rel(root, path)
		found[filepath.ToSlash(name)] = string(data)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

func (s *system) store() *keyspace.Store {
	s.t.Helper()
	store, err := keyspace.NewStore(slog.New(slog.DiscardHandler), s.client, keyspace.Config{Block: 50 * time.Millisecond})
	if err != nil {
		s.t.Fatal(err)
	}
	return store
}

// positions returns where each keyspace stands.
func (s *system) positions() map[keyspace.Name]keyspace.Position {
	s.t.Helper()
	store := s.store()
	names, err := store.Names(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	at := map[keyspace.Name]keyspace.Position{}
	for _, name := range names {
		meta, err := store.Meta(s.t.Context(), name)
		if err != nil {
			s.t.Fatal(err)
		}
		at[name] = meta.Position
	}
	return at
}

// values reads the whole of keyspaces.
func (s *system) values(names ...keyspace.Name) map[keyspace.Name]map[string]string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	found, err := oracle.Values(ctx, s.store(), names...)
	if err != nil {
		return nil
	}
	return found
}

func eventually(t *testing.T, what string, holds func() (string, bool)) {
	t.Helper()
	var why string
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		ok := false
		if why, ok = holds(); ok {
			return
		}
		<-time.After(100 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s: %s", what, why)
}

func sorted[T any](m map[string]T) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func get(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}
