package part_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/meshweir/meshweir/pipeline/pipelinetest/part"
)

func TestPartsAreSortedAndSayHowToGetThem(t *testing.T) {
	if names := part.Names(); !slices.IsSorted(names) {
		t.Errorf("names are not sorted: %q", names)
	}
	for _, p := range part.All() {
		if p.Get == "" || p.For == "" {
			t.Errorf("part %s says not what it is for or how to get it", p.Name)
		}
	}
}

func TestFindsThePartThatItsVariableNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "my-redis")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho warning 1.2 >&2\necho Redis v=99.1 build 7.7\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MESHWEIR_PART_REDIS", path)
	redis, err := part.ByName("redis")
	if err != nil {
		t.Fatal(err)
	}
	found, err := redis.Find(t.Context())
	if want := (part.Found{Path: path, Version: "99.1"}); found != want || err != nil {
		t.Errorf("got %+v, %v, want %+v", found, err, want)
	}
}

func TestAVersionIsANumberOrAPseudoVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pilot-discovery")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho client version: 0.0.0-20260827124520-eed52ebb66ad-Unknown\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MESHWEIR_PART_ISTIOD", path)
	istiod, err := part.ByName("istiod")
	if err != nil {
		t.Fatal(err)
	}
	found, err := istiod.Find(t.Context())
	if want := "0.0.0-20260827124520-eed52ebb66ad"; found.Version != want || err != nil {
		t.Errorf("got %+v, %v, want version %s", found, err, want)
	}
}

func TestAPartThatDoesNotRunIsNotFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "docker")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho no engine >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MESHWEIR_PART_DOCKER", path)
	docker, err := part.ByName("docker")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := docker.Find(t.Context()); err == nil || !strings.Contains(err.Error(), "no engine") {
		t.Errorf("got %v, want what the program said", err)
	}
}

func TestRequiredNames(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
		wantErr  string
	}{
		{name: "none", in: ""},
		{name: "two, in any order, with spaces and twice", in: " redis, chromium,redis,", want: []string{"chromium", "redis"}},
		{name: "unknown", in: "reddis", wantErr: `MESHWEIR_REQUIRE: finding part "reddis"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv(part.RequireVariable, test.in)
			got, err := part.Required()
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if (err != nil) != (test.wantErr != "") || err != nil && !strings.Contains(err.Error(), test.wantErr) {
				t.Errorf("got error %v, want %q", err, test.wantErr)
			}
		})
	}
}
