//go:build !linux

package pipelinetest

import "syscall"

func dieWithParent() *syscall.SysProcAttr { return nil }
