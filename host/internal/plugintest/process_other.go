//go:build !linux

package plugintest

import (
	"errors"
	"syscall"
	"time"
)

// sees says whether processes can be looked at here.
const sees = false

// process is one process.
type process struct{ pid int }

// status is what is known of a process.
type status struct {
	process
	comm   string
	parent int
}

func (s status) dead() bool { return false }

func processes() (map[int]status, error) { return nil, errors.ErrUnsupported }

func residentMemory(int) int64 { return 0 }

func processorTime(int) time.Duration { return 0 }

func environment(int) (string, error) { return "", errors.ErrUnsupported }

func executable(int) (file, line string) { return "", "" }

func descriptor(int, int) string { return "" }

func sockets(int) map[string]bool { return nil }

func adopts(bool) error { return nil }

func collect(int) {}

func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
