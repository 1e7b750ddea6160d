package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/meshweir/meshweir/pipeline/process"
)

func TestSaysWhichFlagIsWrong(t *testing.T) {
	tests := []struct {
		name, want string
		args       []string
	}{
		{"no cluster", "--cluster must be set", nil},
		{"no directory", "--clusters must be set", []string{"--cluster", "east"}},
		{"no such source", "want one of files, kubernetes", []string{"--cluster", "east", "--source", "git"}},
		{"a directory beside an API server", "--clusters is for --source=files", []string{"--cluster", "east", "--source", "kubernetes", "--clusters", "."}},
		{"outside of a cluster", "name a kubeconfig", []string{"--cluster", "east", "--source", "kubernetes"}},
		{"no such kubeconfig", "reading the kubeconfig", []string{"--cluster", "east", "--source", "kubernetes", "--kubeconfig", "nowhere"}},
		{"no Redis URL", "scheme is none of", []string{"--cluster", "east", "--clusters", ".", "--redis-control", "nonsense://x"}},
		{"no name of a cluster", "East", []string{"--cluster", "East", "--clusters", "."}},
		{"below zero", "below zero", []string{"--cluster", "east", "--clusters", ".", "--max-object-bytes", "-1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			program := process.Program{Name: "agent", Define: define}
			code := program.Run(t.Context(), process.System{
				Args: tt.args, LookupEnv: func(string) (string, bool) { return "", false }, Stdout: &out, Stderr: &out,
			})
			if code != process.ExitUsage || !strings.Contains(out.String(), tt.want) {
				t.Errorf("got exit code %d and %q, want %d and %q", code, out.String(), process.ExitUsage, tt.want)
			}
		})
	}
}
