package pipelinetest

import "syscall"

// dieWithParent has the kernel end the process when the test binary dies without cleaning up.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
