//go:build !linux

package proc

import (
	"os/exec"
	"syscall"
)

// sysProcAttr gives a plugin a session of its own. There is no parent-death signal here: a plugin that does
// not watch its stdin outlives a host that is killed.
func sysProcAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// reap waits for the process and then calls release. Between the two the process's id is free; that another
// group gets it in these microseconds is accepted, as there is no waiting without collecting here.
func reap(cmd *exec.Cmd, release func()) error {
	err := cmd.Wait()
	release()
	return err
}
