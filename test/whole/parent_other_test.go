//go:build !linux

package whole

import "syscall"

func parentDeath() *syscall.SysProcAttr { return nil }
