package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBuildsWhatTheCacheHasNot(t *testing.T) {
	if cache, err := os.UserCacheDir(); err != nil {
		t.Fatal(err)
	} else if os.Getenv("GOCACHE") == "" {
		t.Setenv("GOCACHE", filepath.Join(cache, "go-build")) // Go's own cache stays where it is
	}
	root := t.TempDir()
	t.Chdir(root)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(root, "cache"))
	t.Setenv("HOME", root)
	// A module that is etcd and pins itself.
	write(t, "test/kube/go.mod", "module go.etcd.io/etcd/server/v3\n\ngo 1.26\n\nrequire go.etcd.io/etcd/server/v3 v3.4.5\n")
	write(t, "test/kube/main.go", "package main\n\nfunc main() { this does not compile }\n")
	var out bytes.Buffer
	if err := build(t.Context(), &out, "etcd"); err == nil || !strings.Contains(err.Error(), "building etcd 3.4.5") {
		t.Fatalf("with an error in the source: got %v, want it to name what was built:\n%s", err, out.String())
	}

	write(t, "test/kube/main.go", "package main\n\nfunc main() {}\n")
	for _, want := range []string{"is built", "is there"} {
		out.Reset()
		if err := build(t.Context(), &out, "etcd"); err != nil || !strings.Contains(out.String(), want) {
			t.Fatalf("got %v, want it to say that etcd %s:\n%s", err, want, out.String())
		}
	}
	if left, err := filepath.Glob(filepath.Join(root, "cache", "meshweir", "parts", "etcd-3.4.5", ".*")); len(left) != 0 || err != nil {
		t.Errorf("besides the program: got %q, %v, want nothing", left, err)
	}
}

func TestBuildsOnlyWhatThisRepositoryPins(t *testing.T) {
	for names, want := range map[string]string{"redis": "apt-get install redis-server", "etcdd": `finding part "etcdd"`} {
		if err := build(t.Context(), &bytes.Buffer{}, names); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", names, err, want)
		}
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
