package main

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/redisconn"
)

// secretsByName decodes what -o secrets printed.
func secretsByName(t *testing.T, printed string) map[string]map[string]string {
	t.Helper()
	objects, err := decodeManifests([]byte(printed))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]map[string]string{}
	for _, o := range objects {
		data, _, err := unstructured.NestedStringMap(o.Object, "data")
		if err != nil || o.GetKind() != "Secret" {
			t.Fatalf("%s: %v", o.GetName(), err)
		}
		for key, value := range data {
			text, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				t.Fatalf("%s: %s: %v", o.GetName(), key, err)
			}
			data[key] = string(text)
		}
		found[o.GetName()] = data
	}
	return found
}

func TestSecretsLetEachServiceInAndNobodyElse(t *testing.T) {
	dir := t.TempDir()
	file, ca := filepath.Join(dir, "passwords.yaml"), filepath.Join(dir, "my.pem")
	if err := os.WriteFile(ca, []byte("-----BEGIN CERTIFICATE-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"acl", "--agents", "local", "--secrets", file, "-o", "secrets", "--redis", "rediss://redis.example.com:6380?tls_ca=" + ca}
	printed, _ := cli(t, 0, args...)
	if again, notes := cli(t, 0, args...); again != printed || notes != "" {
		t.Errorf("the second time: other Secrets, and %q", notes)
	}
	secrets := secretsByName(t, printed)
	users := filepath.Join(dir, "users.acl")
	if err := os.WriteFile(users, []byte(secrets["meshweir-redis"]["users.acl"]), 0o600); err != nil {
		t.Fatal(err)
	}
	server := pipelinetest.RealServer(t, "--aclfile", users)
	for name, user := range map[string]string{"meshweir-translator": "meshweir-translator", "meshweir-ui": "meshweir-ui", "meshweir-agent": "meshweir-agent-local"} {
		target, err := redisconn.Parse(secrets[name]["url"])
		if err != nil || target.String() != "rediss://"+user+"@redis.example.com:6380" ||
			target.PasswordFile != "/etc/meshweir/redis/password" || target.TLSCA != "/etc/meshweir/redis/ca.crt" || secrets[name]["ca.crt"] == "" {
			t.Errorf("%s: %v, %#v with files %s, %s", name, err, target, target.PasswordFile, target.TLSCA)
		}
		client := redis.NewClient(&redis.Options{Network: "unix", Addr: server.Socket(), Username: user, Password: secrets[name]["password"]})
		if err := client.Ping(t.Context()).Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		client.Close()
	}
	if _, ok := secrets["meshweir-operator"]; ok {
		t.Error("the operator's password is in the cluster, where nothing needs it")
	}
	probe := redis.NewClient(&redis.Options{Network: "unix", Addr: server.Socket(), Username: probeUser, Password: "any"})
	defer probe.Close()
	if err := probe.Ping(t.Context()).Err(); err != nil {
		t.Errorf("asking whether Redis is ready: %v", err)
	}
	if err := probe.Get(t.Context(), "any").Err(); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("who asks whether Redis is ready may read: %v", err)
	}
	if got := secrets["meshweir-agent"]["cluster"]; got != "local" {
		t.Errorf("the agent's cluster is %q, want local", got)
	}
	passwords := readPasswordFile(t, file)
	if admin := passwords[adminUser]; admin == "" || strings.Contains(printed, admin) || server.Client().Do(t.Context(), "auth", adminUser, admin).Err() != nil {
		t.Error("the administrator cannot log in, or its password is printed")
	}
}

func TestSecretsRefuseWhatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwords.yaml")
	for want, args := range map[string][]string{
		"name of a file":   {},
		"is for one":       {"--secrets", file, "--agents", "east,west"},
		"has its own":      {"--secrets", file, "--redis", "redis://me:secret@redis"},
		"--redis: reading": {"--secrets", file, "--redis", "http://redis"},
	} {
		out, notes := cli(t, 2, append([]string{"acl", "-o", "secrets"}, args...)...)
		if out != "" || !strings.Contains(notes, want) {
			t.Errorf("%v: got %q and %q, want %q", args, out, notes, want)
		}
	}
}
