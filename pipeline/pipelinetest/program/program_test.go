package program_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/pipelinetest/program"
)

// shell runs a script in a program of its own.
func shell(t *testing.T, script string) *program.Program {
	t.Helper()
	return program.Start(t, program.Config{Path: "/bin/sh", Args: []string{"-c", script}, Log: filepath.Join(t.TempDir(), "shell.log")})
}

// awaitLine waits until a program has said a line.
func awaitLine(t *testing.T, p *program.Program, line string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(p.Log(), line+"\n"); {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %q; it said %q", line, p.Log())
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestStopLetsAProgramFinish(t *testing.T) {
	p := shell(t, `trap "echo bye; exit 0" TERM; echo up; while :; do sleep 0.05; done`)
	awaitLine(t, p, "up")
	p.Pause()
	p.Stop() // a paused program hears it too
	if got := p.Log(); got != "up\nbye\n" {
		t.Errorf("it said %q, want that it went in good order", got)
	}
}

func TestKillEndsTheChildrenToo(t *testing.T) {
	// The child would say something once its parent is gone.
	p := shell(t, `(while kill -0 $$; do sleep 0.05; done; echo orphan) 2>/dev/null & echo up; wait`)
	awaitLine(t, p, "up")
	p.Kill()
	if p.Running() {
		t.Error("it runs after Kill")
	}
	again := p.Again() // by the time that this one is up, an orphan would have spoken
	awaitLine(t, again, "up")
	if strings.Contains(p.Log(), "orphan") {
		t.Error("a child outlived Kill")
	}
}

func TestLogIsThatOfOneLife(t *testing.T) {
	p := shell(t, `echo once`)
	<-p.Exited()
	p.Kill()
	again := p.Again()
	<-again.Exited()
	again.Kill()
	if got := again.Log(); got != "once\n" {
		t.Errorf("the second life said %q, want its own line only", got)
	}
}

func TestFindsTheRaceInALog(t *testing.T) {
	const race = "WARNING: DATA RACE\nWrite at 0x1 by goroutine 7:\n  main.main()"
	log := "started\n==================\n" + race + "\n==================\nended\n"
	if got := program.Race(log); got != race {
		t.Errorf("got %q, want %q", got, race)
	}
	if got := program.Race("started\nended\n"); got != "" {
		t.Errorf("got %q of a log without a race", got)
	}
}
