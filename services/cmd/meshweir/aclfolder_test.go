package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
)

func readFile(t *testing.T, parts ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAFolderOfUsersKeepsPasswordsAndForeignUsers(t *testing.T) {
	folder := t.TempDir()
	out, notes := cli(t, 0, "acl", "--agents", "east", "--folder", folder)
	if out != "" || !strings.Contains(notes, "meshweir-agent-east") {
		t.Errorf("got %q and %q, want nothing printed but whose passwords are new", out, notes)
	}
	password := readFile(t, folder, "agent-east", "password")
	first := readFile(t, folder, aclFile)
	if len(password) < 40 || !strings.HasPrefix(first, defaultUser+"\n") || strings.Contains(first+notes, strings.TrimSpace(password)) {
		t.Errorf("got the password %q, and\n%s", password, first)
	}

	registered := "user meshweir-agent-north on ~x"
	if err := os.WriteFile(filepath.Join(folder, aclFile), []byte("user default on nopass +ping\n"+registered+"\nuser meshweir-agent-east off\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, notes = cli(t, 0, "acl", "--agents", "east,west", "--folder", folder)
	second := readFile(t, folder, aclFile)
	if readFile(t, folder, "agent-east", "password") != password || strings.Contains(notes, "passwords of meshweir-agent-east") {
		t.Errorf("a password that was there is another: %s", notes)
	}
	for _, line := range strings.Split(strings.TrimSpace(first), "\n")[1:] {
		if !strings.Contains(second, line+"\n") {
			t.Errorf("%s\nis not as it was in\n%s", line, second)
		}
	}
	if !strings.Contains(second, registered+"\n") || strings.Count(second, "user default ") != 1 || !strings.Contains(second, "default on nopass +ping") || strings.Count(second, "agent-east ") != 1 {
		t.Errorf("users that were made elsewhere did not stay:\n%s", second)
	}
}

func TestARestartOfRedisForgetsNoTransactionThoughTheDefaultUserIsOff(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, aclFile)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	lines := "user default off sanitize-payload resetchannels -@all\nuser admin on nopass ~* &* +@all\n" // as an older version left it, and ACL SAVE
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	cli(t, 0, "acl", "--folder", folder)
	server := pipelinetest.RealServer(t, "--appendonly", "yes", "--aclfile", file)
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: server.Socket(), Username: "admin", Password: "any"})
	defer client.Close()
	if _, err := client.TxPipelined(t.Context(), func(p redis.Pipeliner) error {
		p.HSet(t.Context(), "key", "field", "1")
		p.HSet(t.Context(), "other", "field", "1") // of one command Redis makes no transaction in its file
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	server.Restart()
	if n, err := client.Exists(t.Context(), "key").Result(); err != nil || n != 1 {
		t.Errorf("after the restart %d of the keys that a transaction wrote are there, %v, want 1", n, err)
	}
}

func TestAFolderOfUsersDoesNotGuessAPassword(t *testing.T) {
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "ui"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "ui", "password"), []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, notes := cli(t, 1, "acl", "--folder", folder); !strings.Contains(notes, "is empty") {
		t.Errorf("got %q, want that the password is empty", notes)
	}
	if _, notes := cli(t, 2, "acl", "--folder", folder, "--secrets", "x"); !strings.Contains(notes, "one of the two") {
		t.Errorf("got %q, want that only one goes", notes)
	}
}

func TestARealRedisTakesTheFolder(t *testing.T) {
	folder := t.TempDir()
	cli(t, 0, "acl", "--agents", "east", "--folder", folder)
	server := pipelinetest.RealServer(t, "--aclfile", filepath.Join(folder, aclFile))
	for user, want := range map[string]bool{"meshweir-agent-east": true, "default": false} {
		client := redis.NewClient(&redis.Options{Network: "unix", Addr: server.Socket(), Username: user, Password: strings.TrimSpace(readFile(t, folder, "agent-east", "password"))})
		if err := client.Ping(t.Context()).Err(); (err == nil) != want {
			t.Errorf("%s logs in: %v, want %t", user, err, want)
		}
		client.Close()
	}
}
