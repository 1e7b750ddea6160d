//go:build !linux

package program

import (
	"os"
	"os/exec"
	"syscall"
)

// own leaves the program in the process group of the test, so that what
// interrupts the test interrupts the program too.
func own(*exec.Cmd) {}

func send(process *os.Process, signal syscall.Signal) error { return process.Signal(signal) }
