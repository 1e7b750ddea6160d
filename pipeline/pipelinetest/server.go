package pipelinetest

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/pipelinetest/program"
)

// Server is a process of redis-server or valkey-server of its own, for tests that stop, kill, pause
// or restart it. It listens on a Unix socket and ends with the test.
type Server struct {
	// Args are the arguments of the next start, after the defaults. A test may
	// change them between Stop and Restart.
	Args []string

	t       testing.TB
	path    string   // of redis-server
	config  []string // the path of a configuration file, or nothing
	dir     string
	running *program.Program
}

// Kind is an implementation of Redis, by the name of its part.
type Kind string

// The implementations.
const (
	Redis  Kind = "redis"
	Valkey Kind = "valkey"
)

// RealServer is [Kind.Server] of Redis.
func RealServer(t testing.TB, args ...string) *Server {
	t.Helper()
	return Redis.Server(t, args...)
}

// Server starts a server that keeps nothing on disk, with args added to its
// command line. The test is left out where there is none; see [Require].
func (k Kind) Server(t testing.TB, args ...string) *Server {
	t.Helper()
	s := newServer(t, Require(t, string(k)))
	s.Args = args
	s.start()
	return s
}

func newServer(t testing.TB, path string) *Server {
	t.Helper()
	quiet()
	// Not t.TempDir: the name of a Unix socket holds about 100 bytes, and test names are long.
	dir, err := os.MkdirTemp("", "mw-redis-")
	if err != nil {
		t.Fatalf("making a folder for redis-server: %v", err)
	}
	s := &Server{t: t, path: path, dir: dir}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("removing the folder of redis-server: %v", err)
		}
	})
	return s
}

func (s *Server) start() {
	s.t.Helper()
	args := slices.Concat(s.config, []string{
		"--port", "0", "--unixsocket", s.Socket(), "--dir", s.dir, "--daemonize", "no",
		"--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction",
	}, s.Args)
	s.running = program.Start(s.t, program.Config{Path: s.path, Args: args, Log: filepath.Join(s.dir, "redis.log")})
	s.awaitReady()
}

func (s *Server) awaitReady() {
	s.t.Helper()
	client := redis.NewClient(s.options())
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := client.Ping(ctx).Err()
		if err == nil || redis.IsAuthError(err) {
			return
		}
		select {
		case <-s.running.Exited():
			s.t.Fatalf("starting %s %q: it ended", s.path, s.Args)
		case <-ctx.Done():
			s.t.Fatalf("starting %s %q: no answer: %v", s.path, s.Args, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Socket is the path of the server's Unix socket.
func (s *Server) Socket() string { return filepath.Join(s.dir, "redis.sock") }

// Dir is the server's working folder; it stays over restarts.
func (s *Server) Dir() string { return s.dir }

// URL is the server's address as redisconn takes it.
func (s *Server) URL() string { return "unix://" + s.Socket() }

// Log is what this life of the server printed.
func (s *Server) Log() string { return s.running.Log() }

func (s *Server) options() *redis.Options {
	return &redis.Options{
		Network: "unix", Addr: s.Socket(), PipelinePoolSize: -1, DialerRetries: 1, MaxRetries: -1,
		DialTimeout: patience, ReadTimeout: patience, WriteTimeout: patience,
	}
}

// Client returns a new client that retries nothing, so that faults show. It is
// closed at the end of the test.
func (s *Server) Client() redis.UniversalClient {
	return closing(s.t, redis.NewClient(s.options()))
}

// Stop ends the server in good order (SIGTERM) and waits for it.
func (s *Server) Stop() { s.running.Stop() }

// Kill ends the server at once (SIGKILL) and waits for it.
func (s *Server) Kill() { s.running.Kill() }

// Pause stops the process (SIGSTOP): connections stay open, nothing answers.
func (s *Server) Pause() { s.running.Pause() }

// Continue ends a Pause.
func (s *Server) Continue() { s.running.Continue() }

// Restart starts the server again on the same socket, killing it first where it
// still runs. It comes back empty unless Args say that it keeps its data.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	s.start()
}

// Flush removes every key.
func (s *Server) Flush() {
	s.t.Helper()
	client := redis.NewClient(s.options())
	defer client.Close()
	if err := client.FlushAll(context.Background()).Err(); err != nil {
		s.t.Errorf("flushing redis-server: %v", err)
	}
}
