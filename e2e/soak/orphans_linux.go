package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// adoptOrphans makes this process the parent of whatever the host leaves behind.
func adoptOrphans() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become a subreaper: %w", err)
	}
	return nil
}

// orphansGone is how long what lost its owner may live.
const orphansGone = 3 * time.Second

// orphans says which of the host's processes live on without it. No child of our own may run any more.
func orphans() []string {
	for late := time.Now().Add(orphansGone); time.Now().Before(late); {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.ECHILD):
			return nil
		case pid == 0:
			pause := unix.NsecToTimespec((10 * time.Millisecond).Nanoseconds())
			_ = unix.Nanosleep(&pause, nil) // to be interrupted is as good
		}
	}
	return describe(childrenOf(os.Getpid()))
}

func describe(pids []int) (found []string) {
	for _, pid := range pids {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // it may have ended now
		found = append(found, fmt.Sprintf("process %d is left: %q", pid, line))
	}
	return found
}
