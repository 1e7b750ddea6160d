// Package program runs a real program for a test: a server, one of our own
// commands. What it prints goes to a file, whose end the test shows when it
// fails; the test may pause, stop and kill it, and it never outlives the test. One
// that ends though nobody asked it to fails the test.
package program

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// patience is how long a program may take to go after SIGTERM.
	patience = time.Minute
	// shown is how many of its last lines a failed test shows.
	shown = 40
)

// Config says what to run.
type Config struct {
	// Path is the program's path.
	Path string
	// Args are its arguments.
	Args []string
	// Env are variables besides those of the test, "NAME=value".
	Env []string
	// Log is the path of the file that what it prints is appended to. The test
	// calls the program by the file's name.
	Log string
}

// Program is one life of a program.
type Program struct {
	t      testing.TB
	config Config
	cmd    *exec.Cmd
	began  int64         // where this life's log begins in the file
	exited chan struct{} // closed when it is gone
	asked  bool          // to end
}

// Start starts a program. It is killed at the end of the test, if it still runs.
func Start(t testing.TB, c Config) *Program {
	t.Helper()
	log, err := os.OpenFile(c.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatalf("opening the log of %s: %v", c.Path, err)
	}
	defer log.Close() // the program has its own
	before, err := log.Stat()
	if err != nil {
		t.Fatalf("opening the log of %s: %v", c.Path, err)
	}
	// Not CommandContext with t.Context, which ends before the cleanups that may still use the program.
	p := &Program{t: t, config: c, cmd: exec.Command(c.Path, c.Args...), began: before.Size(), exited: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), c.Env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	own(p.cmd)
	started := make(chan error)
	go func() {
		// The kernel ends the program when the thread that started it is gone, so this one stays.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.cmd.Wait() //nolint:errcheck // how it ended shows in its log
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("starting %s: %v", c.Path, err)
	}
	t.Cleanup(func() {
		t.Helper()
		if p.Failed() {
			t.Errorf("%s ended by itself: %v", p.name(), p.cmd.ProcessState)
		}
		p.Kill()
		if race := Race(p.Log()); race != "" {
			t.Errorf("%s has a race:\n%s", p.name(), race)
		}
		if t.Failed() {
			lines := strings.Split(strings.TrimSpace(p.Log()), "\n")
			t.Logf("%s said at the end:\n%s", p.name(), strings.Join(lines[max(0, len(lines)-shown):], "\n"))
		}
	})
	return p
}

func (p *Program) name() string { return strings.TrimSuffix(filepath.Base(p.config.Log), ".log") }

// Again starts the program once more as it was started before. Its log goes on
// in the same file.
func (p *Program) Again() *Program {
	p.t.Helper()
	return Start(p.t, p.config)
}

// PID is the number of the program's process.
func (p *Program) PID() int { return p.cmd.Process.Pid }

// Exited is closed when the program is gone.
func (p *Program) Exited() <-chan struct{} { return p.exited }

// Running says whether the program has not ended yet.
func (p *Program) Running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Failed says whether the program ended though nobody asked it to.
func (p *Program) Failed() bool { return !p.Running() && !p.asked }

// Log is what this life of the program printed so far, and what came after it in
// the same file.
func (p *Program) Log() string {
	p.t.Helper()
	all, err := os.ReadFile(p.config.Log)
	if err != nil {
		p.t.Errorf("reading what %s said: %v", p.name(), err)
		return ""
	}
	return string(all[min(p.began, int64(len(all))):])
}

// Race returns the first race that the race detector reported in a log; "" for none.
func Race(log string) string {
	const mark = "WARNING: DATA RACE"
	_, report, found := strings.Cut(log, mark)
	if !found {
		return ""
	}
	report, _, _ = strings.Cut(report, "\n==================")
	return mark + report
}

// Stop ends the program in good order (SIGTERM) and waits for it.
func (p *Program) Stop() {
	p.t.Helper()
	p.asked = true
	p.signal(syscall.SIGTERM)
	p.signal(syscall.SIGCONT) // a paused one would not see SIGTERM
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Errorf("stopping %s: it is still there %v after SIGTERM", p.name(), patience)
		p.Kill()
	}
}

// Kill ends the program at once (SIGKILL) and waits for it. One that has ended by
// itself is excused.
func (p *Program) Kill() {
	p.t.Helper()
	p.asked = true
	p.signal(syscall.SIGKILL)
	<-p.exited
}

// Pause stops the program where it is (SIGSTOP): its connections stay open, and
// nothing answers.
func (p *Program) Pause() {
	p.t.Helper()
	p.signal(syscall.SIGSTOP)
}

// Continue ends a Pause.
func (p *Program) Continue() {
	p.t.Helper()
	p.signal(syscall.SIGCONT)
}

func (p *Program) signal(signal syscall.Signal) {
	p.t.Helper()
	if !p.Running() {
		return
	}
	if err := send(p.cmd.Process, signal); err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
		p.t.Errorf("sending %v to %s: %v", signal, p.name(), err)
	}
}
