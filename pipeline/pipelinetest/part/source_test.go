package part_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meshweir/meshweir/pipeline/pipelinetest/part"
)

// repository makes the working directory one of a repository that pins
// Kubernetes, with an empty cache and an empty PATH.
func repository(t *testing.T, pins string) (cache string) {
	t.Helper()
	root := t.TempDir()
	write(t, filepath.Join(root, "test", "kube", "go.mod"), pins)
	below := filepath.Join(root, "pipeline", "stream")
	if err := os.MkdirAll(below, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(below)
	t.Setenv("PATH", t.TempDir())
	t.Setenv("HOME", root)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(root, "cache"))
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return cache
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestThePinnedVersionGoesBeforeThatOfThePath(t *testing.T) {
	cache := repository(t, "module kube\n\nrequire (\n\tk8s.io/kubernetes v1.99.3\n)\n")
	kubectl, err := part.ByName("kubectl")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(kubectl.Variable(), "") // which goes before both
	write(t, filepath.Join(os.Getenv("PATH"), "kubectl"), "#!/bin/sh\necho Client Version: v1.2.3\n")
	if found, err := kubectl.Find(t.Context()); found.Version != "1.2.3" || err != nil {
		t.Errorf("with an empty cache: got %+v, %v, want that of the PATH", found, err)
	}

	path := filepath.Join(cache, "meshweir", "parts", "kubectl-1.99.3", "kubectl")
	write(t, path, "#!/bin/sh\necho Client Version: v1.99.3\n")
	want := part.Found{Path: path, Version: "1.99.3"}
	if found, err := kubectl.Find(t.Context()); found != want || err != nil {
		t.Errorf("when it is built: got %+v, %v, want %+v", found, err, want)
	}
}

func TestWhatIsBuiltIsPinned(t *testing.T) {
	repository(t, "module kube\n\nrequire k8s.io/kubernetes v1.99.3\n")
	tests := []struct{ name, want, wantErr string }{
		{name: "kubectl", want: "1.99.3"},
		{name: "etcd", wantErr: "test/kube/go.mod does not require go.etcd.io/etcd/server/v3"},
		{name: "istiod", wantErr: "inside the repository"},
		{name: "redis", wantErr: "apt-get install redis-server"},
	}
	for _, test := range tests {
		p, err := part.ByName(test.name)
		if err != nil {
			t.Fatal(err)
		}
		built, err := p.Built()
		if built.Version != test.want || (err != nil) != (test.wantErr != "") || err != nil && !strings.Contains(err.Error(), test.wantErr) {
			t.Errorf("%s: got %q, %v, want %q, %q", test.name, built.Version, err, test.want, test.wantErr)
		}
	}
}

func TestTheLinkerIsToldTheVersion(t *testing.T) {
	source := part.Source{Link: "-X v=$VERSION -X major=$MAJOR -X minor=$MINOR"}
	if got, want := source.Linked("1.37.2"), "-s -w -X v=1.37.2 -X major=1 -X minor=37"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
