package main

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/redisconn"
)

// cli runs the command line and returns what it printed.
func cli(t *testing.T, wantCode int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(t.Context(), args, &out, &errs); code != wantCode {
		t.Fatalf("meshweir %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), code, wantCode, &out, &errs)
	}
	return out.String(), errs.String()
}

func readPasswordFile(t *testing.T, file string) (passwords map[string]string) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the passwords can be read by others: %s", info.Mode())
	}
	text, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(text, &passwords)
	}
	if err != nil {
		t.Fatal(err)
	}
	return passwords
}

func TestACLKeepsPasswordsAndMakesUpTheOthers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwords.yaml")
	east, notes := cli(t, 0, "acl", "--agents", "east", "--secrets", file)
	first := readPasswordFile(t, file)
	if len(first) != 5 || !strings.Contains(notes, "meshweir-agent-east") || first["meshweir-operator"] == "" {
		t.Errorf("got passwords of %d users, want those of translator, insights, ui, operators and the agent: %s", len(first), notes)
	}
	both, _ := cli(t, 0, "acl", "--agents", "east,west", "--secrets", file)
	if !strings.HasPrefix(both, east) {
		t.Errorf("a user that has a password was changed:\n%s\n%s", east, both)
	}
	second := readPasswordFile(t, file)
	for user, password := range second {
		if len(password) < 40 || first[user] != "" && first[user] != password {
			t.Errorf("the password of %s is %q, was %q", user, password, first[user])
		}
		if strings.Contains(both+notes, password) {
			t.Errorf("the password of %s is printed", user)
		}
		if !strings.Contains(both, "user "+user+" "+redisconn.Hash(password)+" on ") {
			t.Errorf("%s has another password in\n%s", user, both)
		}
	}
	if again, notes := cli(t, 0, "acl", "--agents", "east,west", "--secrets", file); again != both || notes != "" {
		t.Errorf("the second time: %s%s", again, notes)
	}

	asJSON, _ := cli(t, 0, "acl", "--agents", "west", "--secrets", file, "-o", "json")
	var document struct{ Users []aclUser }
	if err := json.Unmarshal([]byte(asJSON), &document); err != nil || len(document.Users) != 5 {
		t.Fatalf("%v: %s", err, asJSON)
	}
	for _, u := range document.Users {
		if !strings.Contains(both, "user "+u.line("")+"\n") {
			t.Errorf("%v is not in\n%s", u, both)
		}
	}
}

func TestACLWithoutPasswordsMakesUsersThatCannotLogIn(t *testing.T) {
	commands, notes := cli(t, 0, "acl", "-o", "commands")
	if !strings.Contains(notes, "cannot log in") {
		t.Errorf("got %s", notes)
	}
	server := pipelinetest.RealServer(t)
	applyCommands(t, server.Client(), commands)
	for _, password := range []string{"", "x"} {
		err := server.Client().Do(t.Context(), "auth", "meshweir-ui", password).Err()
		if !redis.IsAuthError(err) {
			t.Errorf("with the password %q: %v", password, err)
		}
	}
}

func TestACLCommandsAreTakenByRedis(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwords.yaml")
	commands, _ := cli(t, 0, "acl", "--agents", "east", "--admin", "--secrets", file, "-o", "commands")
	server := pipelinetest.RealServer(t)
	applyCommands(t, server.Client(), commands)
	users := readPasswordFile(t, file)
	if users[adminUser] == "" || len(users) != 6 {
		t.Errorf("there are %d users, want meshweir-admin beside those of translator, insights, ui, operators and the agent", len(users))
	}
	for user, password := range users {
		if err := server.Client().Do(t.Context(), "auth", user, password).Err(); err != nil {
			t.Errorf("%s: %v", user, err)
		}
	}
	operator := (&url.URL{Scheme: "unix", User: url.UserPassword("meshweir-operator", users["meshweir-operator"]), Path: server.Socket()}).String()
	for _, command := range []string{"insights", "cluster ls", "pipeline status"} {
		cli(t, 0, append(strings.Fields(command), "--redis-control", operator)...)
	}
	if denied := server.Denied(); len(denied) > 0 {
		t.Errorf("the server refused %q", denied)
	}
}

// applyCommands sends lines as redis-cli does.
func applyCommands(t *testing.T, client redis.UniversalClient, commands string) {
	t.Helper()
	for line := range strings.Lines(commands) {
		var args []any
		for word := range strings.FieldsSeq(line) {
			args = append(args, word)
		}
		if err := client.Do(t.Context(), args...).Err(); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
}

func TestACLRefusesWrongInput(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"open.yaml": "a: b\n", "empty.yaml": "a: ''\n", "list.yaml": "- a\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "open.yaml"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, want string
		code       int
		args       []string
	}{
		{"a name that is none", "East", 2, []string{"--agents", "East"}},
		{"a pattern", "e*t", 2, []string{"--agents", "e*t"}},
		{"a file that others read", "chmod 600", 1, []string{"--secrets", filepath.Join(dir, "open.yaml")}},
		{"an empty password", "empty", 1, []string{"--secrets", filepath.Join(dir, "empty.yaml")}},
		{"no map", "user: password", 1, []string{"--secrets", filepath.Join(dir, "list.yaml")}},
		{"a folder that is not there", "writing passwords", 1, []string{"--secrets", filepath.Join(dir, "none", "passwords.yaml")}},
		{"a form that is none", "want one of aclfile", 2, []string{"-o", "table"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, notes := cli(t, tt.code, append([]string{"acl"}, tt.args...)...)
			if !strings.Contains(notes, tt.want) || out != "" {
				t.Errorf("got %s%s, want %q", out, notes, tt.want)
			}
		})
	}
}
