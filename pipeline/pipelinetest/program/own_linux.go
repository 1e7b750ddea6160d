package program

import (
	"os"
	"os/exec"
	"syscall"
)

// own gives the program a process group, which its children stay in, and has the
// kernel end it when the test binary dies without cleaning up.
func own(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// send signals the program's process group; how its children go in good order is
// the program's own business.
func send(process *os.Process, signal syscall.Signal) error {
	if signal == syscall.SIGTERM {
		return process.Signal(signal)
	}
	return syscall.Kill(-process.Pid, signal)
}
