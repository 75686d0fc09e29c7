package conns

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// hungUp asks the kernel, without reading anything.
//
// Source: poll(2), POLLRDHUP
func hungUp(c syscall.Conn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return true // it is closed
	}
	var n int
	fds := []unix.PollFd{{Events: unix.POLLRDHUP}}
	err = raw.Control(func(fd uintptr) {
		fds[0].Fd = int32(fd)
		n, _ = unix.Poll(fds, 0)
	})
	return err != nil || n > 0 && fds[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
}
