package main

import (
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAWrongCallSaysWhatWasProbablyMeant(t *testing.T) {
	tests := []struct {
		call, want, help string
	}{
		{"clster ls", "did you mean cluster?", "meshweir --help lists the commands"},
		{"cluster lss", "did you mean ls?", "meshweir cluster --help lists the commands"},
		{"pipeline stat", "did you mean status?", "meshweir pipeline --help lists the commands"},
		{"pipeline dead-letters lsit", "did you mean ls?", "meshweir pipeline dead-letters --help lists the commands"},
		{"insights shw", "did you mean show?", "meshweir insights --help lists the commands"},
		{"cluster xyzzy", `unknown command "xyzzy" for "meshweir cluster"`, "meshweir cluster --help lists the commands"},
		{"cluster ls --nope", "unknown flag: --nope", "meshweir cluster ls --help tells how it is called"},
		{"check -o xml", "want one of table", "meshweir check --help tells how it is called"},
	}
	for _, tt := range tests {
		out, notes := cli(t, 2, strings.Fields(tt.call)...)
		if out != "" || !strings.Contains(notes, tt.want) || !strings.HasSuffix(notes, tt.help+"\n") {
			t.Errorf("meshweir %s: got %q, want %q and %q", tt.call, notes, tt.want, tt.help)
		}
	}
}

func TestTheVersionIsAFlagToo(t *testing.T) {
	want, _ := cli(t, 0, "version", "--redis-control", "redis://127.0.0.1:1")
	want, _, _ = strings.Cut(want, "\n")
	for _, flag := range []string{"--version", "-v"} {
		if out, _ := cli(t, 0, flag); out != want+"\n" {
			t.Errorf("%s: got %q, want %q", flag, out, want)
		}
	}
	if out, _ := cli(t, 0); !strings.Contains(out, "Available Commands") {
		t.Errorf("without a command: got %q, want the help", out)
	}
}

func TestAKindThatNobodyKnowsIsNoEmptyList(t *testing.T) {
	r := newRedisWithFleet(t)
	for kind, want := range map[string]string{
		"ServiceEntri": "did you mean ServiceEntry?", "virtualservise": "did you mean VirtualService?",
		"VirtualServic.networking.istio.io": "did you mean VirtualService.networking.istio.io?", "Xyzzyplugh": "here are ServiceEntry.networking.istio.io",
	} {
		if out, notes := r.meshweir(2, "inspect", "snapshot", "east", "--kind", kind); out != "" || !strings.Contains(notes, want) {
			t.Errorf("%s: got %q, %q, want %q", kind, out, notes, want)
		}
	}
	for _, kind := range []string{"HTTPRoute", "manifestproblem", "Service", "GlobalService.meshweir.io"} { // known, and there are none
		if _, notes := r.meshweir(0, "inspect", "snapshot", "east", "--kind", kind); !strings.Contains(notes, "0 of 2 objects") {
			t.Errorf("%s: got %q", kind, notes)
		}
	}
}

func TestCheckNamesTheEmbeddedRedisAndDoesNotWarnOfIt(t *testing.T) {
	r := newRedisWithFleet(t)
	r.url = strings.Replace(r.url, "embedded://", "redis://", 1)
	out, _ := r.meshweir(1, "check")
	line, _, _ := strings.Cut(out, "\n")
	if !strings.HasPrefix(line, "ok ") || !strings.Contains(line, "embedded") || !strings.Contains(line, "memory only") {
		t.Errorf("got %q", line)
	}
}
