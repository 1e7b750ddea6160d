//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package folder

import (
	"fmt"
	"os"
	"syscall"
)

// lockFile takes a lock that ends with the process, so that a killed agent leaves none behind.
func lockFile(name string) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the folder: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		return nil, fmt.Errorf("locking the folder: another agent has %s (%w): stop it, or give this one another folder", name, err)
	}
	return file, nil
}
