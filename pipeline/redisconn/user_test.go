package redisconn_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/redisconn"
)

// rules let a user connect and read.
func rules() []string {
	rules := []string{"(~* +get)"}
	for _, command := range redisconn.Commands() {
		rules = append(rules, "+"+command)
	}
	return rules
}

func logIn(t *testing.T, url string) error {
	t.Helper()
	conn, err := redisconn.Open(slog.New(slog.DiscardHandler), url, redisconn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.Client.Ping(t.Context()).Err()
}

func TestUserIsMadeChangedAndDeleted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users.acl")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, kept := range []bool{true, false} {
		var args []string
		if kept {
			args = []string{"--aclfile", file}
		}
		server := pipelinetest.RealServer(t, args...)
		client := server.Client()
		as := func(password string) string { return "unix://east:" + password + "@" + server.Socket() }
		if has, err := redisconn.HasUser(t.Context(), client, "east"); err != nil || has {
			t.Fatalf("before it is made: %t, %v", has, err)
		}
		for _, password := range []string{"first", "second"} {
			saved, err := redisconn.SetUser(t.Context(), client, "east", password, rules())
			if err != nil || saved != kept {
				t.Fatalf("got saved %t, %v, want %t", saved, err, kept)
			}
			if err := logIn(t, as(password)); err != nil {
				t.Error(err)
			}
		}
		if err := logIn(t, as("first")); !redis.IsAuthError(err) {
			t.Errorf("with the old password: %v", err)
		}
		if has, err := redisconn.HasUser(t.Context(), client, "east"); err != nil || !has {
			t.Errorf("when it is there: %t, %v", has, err)
		}
		if kept {
			server.Restart()
			client = server.Client()
			if err := logIn(t, as("second")); err != nil {
				t.Errorf("after a restart: %v", err)
			}
		}
		for range 2 { // one that is not there is fine
			if saved, err := redisconn.DeleteUser(t.Context(), client, "east"); err != nil || saved != kept {
				t.Errorf("deleting: saved %t, %v", saved, err)
			}
		}
		if err := logIn(t, as("second")); !redis.IsAuthError(err) {
			t.Errorf("after it was deleted: %v", err)
		}
	}
}

func TestUserIsMadeOnEveryNodeOfACluster(t *testing.T) {
	group := pipelinetest.RealCluster(t)
	conn, err := redisconn.Open(slog.New(slog.DiscardHandler), group.URL, redisconn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := redisconn.SetUser(t.Context(), conn.Client, "east", "secret", rules()); err != nil {
		t.Fatal(err)
	}
	user, err := redisconn.Open(slog.New(slog.DiscardHandler), strings.Replace(group.URL, "://", "://east:secret@", 1), redisconn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer user.Close()
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
		if err := user.Client.Get(t.Context(), key).Err(); err != redis.Nil { //nolint:errorlint // it is wrapped by nobody
			t.Errorf("reading %s: %v", key, err)
		}
	}
	for _, server := range group.Servers {
		if denied := server.Denied(); len(denied) > 0 {
			t.Errorf("refused: %q", denied)
		}
	}
}

func TestUserIsRefusedToWhoMayNotMakeOne(t *testing.T) {
	server := pipelinetest.RealServer(t)
	conn, err := redisconn.Open(slog.New(slog.DiscardHandler), server.User("reader", "+ping"), redisconn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := redisconn.SetUser(t.Context(), conn.Client, "east", "secret", nil); !redis.IsPermissionError(err) {
		t.Errorf("got %v, want NOPERM", err)
	}
	if _, err := redisconn.HasUser(t.Context(), conn.Client, "east"); !redis.IsPermissionError(err) {
		t.Errorf("got %v, want NOPERM", err)
	}
}
