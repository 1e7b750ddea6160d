package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestVersionTellsOfTheBuildAndOfARedisThatAnswers(t *testing.T) {
	r := newRedisWithFleet(t)
	out, _ := r.meshweir(0, "version", "-o", "json")
	var v versions
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatal(err)
	}
	if v.Version == "" || !strings.HasPrefix(v.Go, "go1.") || v.Redis == "" {
		t.Errorf("got %+v, want the version, Go's and that of the Redis", v)
	}
	out, notes := r.meshweir(0, "version", "--redis-control", "redis://127.0.0.1:1")
	if !strings.HasPrefix(out, "meshweir ") || !strings.Contains(out, "not reached") || notes != "" {
		t.Errorf("without a Redis: got %q, %q", out, notes)
	}
}

func TestCompletionOffersClustersAndIsSilentWithoutRedis(t *testing.T) {
	r := newRedisWithFleet(t)
	for _, args := range [][]string{{"diff", ""}, {"cluster", "deregister", ""}} {
		if out, _ := r.meshweir(0, append([]string{"__complete"}, args...)...); !strings.HasPrefix(out, "east\n") {
			t.Errorf("%v: got %q, want the names of the clusters", args, out)
		}
	}
	r.url = "redis://127.0.0.1:1"
	if out, notes := r.meshweir(0, "__complete", "diff", ""); !strings.HasPrefix(out, ":") || strings.Contains(notes, "refused") {
		t.Errorf("without a Redis: got %q, %q, want nothing", out, notes)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if out, _ := r.meshweir(0, "completion", shell); !strings.Contains(out, "__complete") {
			t.Errorf("the completion of %s is %q", shell, out)
		}
	}
}
