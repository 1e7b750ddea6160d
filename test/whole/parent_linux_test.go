package whole

import "syscall"

// parentDeath ends a process when the test's does, however that ends.
func parentDeath() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
